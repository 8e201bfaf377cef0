"""How long the tutorial takes, as its table has it: `python -m tests.docs.timed`, from the project's folder.

Every step as it stands on the page, without the flags that make tests short, in an empty folder.
"""

import sys
import tempfile
import time
from pathlib import Path

from .pages import PAGES, Step, steps
from .table import COMMANDS, Run, Serve
from .walk import Walk

PAGE = "docs/tutorial.md"


def take(walk: Walk, number: int, step: Step) -> bool:
    """Take one step; whether it is one to be timed. number: how many Python blocks came before it."""
    if step.kind == "python":
        walk.python(number, step.text, "slow")
        return False
    check = COMMANDS[PAGE][step.text]
    if isinstance(check, Serve):
        walk.serve(step.text)
        return True
    if not isinstance(check, Run):
        return False
    done = walk.cops(step.text)
    sys.stderr.write(f"$ {step.text}\n{done.stdout}{done.stderr}\n")
    assert done.returncode == check.code, step.text
    return True


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        walk, number = Walk(PAGE, Path(folder)), 0
        walk.write_files(steps(PAGES[PAGE]))
        sys.stdout.write("| step | seconds |\n|---|---|\n")
        for step in steps(PAGES[PAGE]):
            began = time.monotonic()
            if take(walk, number, step):
                sys.stdout.write(f"| `{step.text}` | {time.monotonic() - began:.0f} |\n")
                sys.stdout.flush()
            number += step.kind == "python"


if __name__ == "__main__":
    main()
