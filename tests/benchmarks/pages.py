"""Which benchmark has written which part of a page of docs/, and how the part is replaced."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
MARKED = re.compile(r"<!-- benchmark: (\w+) -->\n(.*?)<!-- end of \1 -->\n", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """How a benchmark is run.

    Attributes:
        page: The page of docs/ that has its figures.
        minutes: About how long it takes on two idle cores.
        smallest: The options of its smallest form, for tests.
        slow: Whether its smallest form takes more than seconds, e.g. since it starts Ray.
        fashion: Whether its smallest form reads Fashion-MNIST.
    """

    page: str
    minutes: int
    smallest: Sequence[str]
    slow: bool = False
    fashion: bool = False


BENCHMARKS = {
    "step_speed": Benchmark(page="freezing.md", minutes=2, smallest=["--rounds", "1"]),
    "epoch_speed": Benchmark(page="studies.md", minutes=2, smallest=["--rounds", "1", "--dataset", "digits"]),
    "score_speed": Benchmark(
        page="selection.md", minutes=8, smallest=["--rounds", "1", "--model", "lenet_300_100"]
    ),
    "selection_speed": Benchmark(
        page="selection.md", minutes=8, smallest=["--rounds", "1", "--model", "lenet_300_100"]
    ),
    "precision_speed": Benchmark(
        page="training.md",
        minutes=8,
        smallest=[
            *("--model", "lenet_300_100", "--dataset", "digits"),
            *("--rounds", "1", "--seeds", "2", "--epochs", "1"),
        ],
    ),
    "cops_speed": Benchmark(
        page="cops.md",
        minutes=15,
        smallest=["--largest", "100000", "--draws", "1", "--rounds", "2"],
        slow=True,
    ),
    "scaling": Benchmark(
        page="scaling.md",
        minutes=25,
        smallest=[
            *("--nodes", "1", "--trials", "7", "--seconds", "0.1", "--history", "3"),
            *("--recorded", "4", "--epochs", "1", "--writes", "2"),
        ],
        slow=True,
    ),
    "study_speed": Benchmark(
        page="studies.md", minutes=10, smallest=["--trials", "7", "--rounds", "1", "--logged", "7"], slow=True
    ),
    "throughput": Benchmark(
        page="studies.md",
        minutes=25,
        smallest=["--trials", "4", "--epochs", "1", "--workers", "1", "--rounds", "1"],
        slow=True,
        fashion=True,
    ),
    "round_speed": Benchmark(
        page="selection.md",
        minutes=45,
        smallest=[
            *("--model", "lenet_300_100", "--score", "snip"),
            *("--rounds", "2", "--repetitions", "1"),
        ],
    ),
}


def marked(text: str) -> dict[str, str]:
    """The marked parts of a page, by the benchmark's name."""
    return dict(MARKED.findall(text))


def replaced(text: str, name: str, content: str) -> str:
    """A page with another marked part.

    Raises:
        KeyError: The page has no such part.
    """
    before = marked(text)[name]
    start, end = f"<!-- benchmark: {name} -->\n", f"<!-- end of {name} -->\n"
    return text.replace(f"{start}{before}{end}", f"{start}{content}{end}")


def as_markdown(printed: str) -> str:
    """What a benchmark has printed, for a page: as it is with a table, else as a list of its lines."""
    lines = [line.strip() for line in printed.strip().splitlines()]
    if any(line.startswith("|") for line in lines):
        return "\n".join(lines) + "\n"
    return "".join(f"- {line}\n" for line in lines if line)
