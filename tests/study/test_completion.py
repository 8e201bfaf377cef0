"""Shell completion: the protocol that shells speak, a real bash, and names as they are registered."""

import os
import pty
import re
import resource
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from cops_core.data import DATASETS
from cops_core.initialization import INITIALIZATIONS
from cops_core.models import MODELS
from cops_core.scores import CONVENTIONS, SCORES
from search_spaces import SEARCH_SPACES
from search_spaces.presets import PRESETS
from study import cli
from study.cli import complete
from study.exchange.export import FORMATS
from study.papers.experiments import EXPERIMENTS
from study.records.store import StudyStore
from study.search.samplers import SAMPLERS
from study.settings import DEFAULT_HOME

from .made_record import made_record

GROUP = typer.main.get_command(cli.app)
REGISTRIES = {
    "scores": SCORES,
    "conventions": CONVENTIONS,
    "models": MODELS,
    "datasets": DATASETS,
    "initializations": INITIALIZATIONS,
    "experiments": EXPERIMENTS,
    "presets": PRESETS,
    "formats": FORMATS,
}
CPU_S = 0.5  # measured 0.12
HEAVY = {"torch", "ray", "mlflow", "optuna", "pandas", "pyarrow", "matplotlib", "scipy"}
PROGRAM = """
import sys
from study import cli
try:
    cli.main()
finally:
    print(*sorted(set(sys.modules) & {HEAVY}), file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path):
    """A working directory with a space in a file, and a home with two studies."""
    for name in ("first_study", "second_study"):
        StudyStore(str(tmp_path / "cops-home" / "studies"), name).write_record(made_record())
    (tmp_path / "cops-home" / "studies" / "no_study").mkdir()
    (tmp_path / "my_space.py").touch()
    return tmp_path


@pytest.fixture
def ask(folder):
    """Requests the completions of a line in a separate process, as bash or zsh does."""

    def completions(line, shell="bash", **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COPS_")}
        words = line.split(" ")
        protocol = {
            "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
            "zsh": {"_TYPER_COMPLETE_ARGS": line},
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("{HEAVY}", repr(HEAVY))],
            cwd=folder,
            env={**kept, **protocol[shell], "_COPS_COMPLETE": f"complete_{shell}", **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "\n", "something heavy was imported, or there was an error"
        return done.stdout.strip() if shell == "zsh" else done.stdout.split()

    return completions


@pytest.mark.parametrize("name", REGISTRIES)
def test_names_are_those_of_the_registry(name):
    assert getattr(complete, name)() == list(REGISTRIES[name])


def test_spaces_are_those_of_the_registry_and_files(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert complete.spaces("") == list(SEARCH_SPACES)
    assert complete.spaces("my_") == [*SEARCH_SPACES, "my_space.py"]


def test_the_home_is_that_of_the_settings():
    assert complete.HOME == DEFAULT_HOME


def test_a_missing_registry_is_an_error():
    with pytest.raises(LookupError, match="assigns no NOTHING"):
        complete.names_in("cops_core/scores/__init__.py", "NOTHING")


LINES = [
    ("cops lau", ["launch"]),
    ("cops launch q", ["quickstart"]),
    ("cops launch ./my", []),  # the shell's own, which also knows folders
    ("cops launch my", ["my_space.py"]),
    ("cops launch quickstart --sampler ", list(SAMPLERS)),
    ("cops launch quickstart --sampler=t", ["tpe"]),
    ("cops launch --objective s", ["smallest"]),
    ("cops launch --device ", ["auto", "cpu"]),
    ("cops launch --checkpoint-e", ["--checkpoint-every"]),
    ("cops experiment ", list(EXPERIMENTS)),
    ("cops experiment headline --model v", ["vgg16", "vgg19"]),
    ("cops table freezenet_vgg", ["freezenet_vgg16_cifar10", "freezenet_vgg16_cifar100"]),
    ("cops scores --score s", ["snip", "synflow"]),
    ("cops scores --dataset fa", ["fashion_mnist"]),
    ("cops scores --convention s", [name for name in CONVENTIONS if name.startswith("s")]),
    ("cops scores --initialization k", ["kaiming_normal"]),
    ("cops status ", ["first_study", "second_study"]),
    ("cops resume s", ["second_study"]),
    ("cops stop f", ["first_study"]),
    ("cops close nothing", []),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_bash_receives_the_completions(ask, line, expected):
    assert ask(line) == expected


@pytest.mark.parametrize("line", ["cops lau", "cops launch q", "cops resume f"])
def test_zsh_receives_the_same(ask, line):
    (expected,) = ask(line)
    assert re.fullmatch(rf"""_arguments '\*: :\(\("{expected}"(:".*")?\)\)'""", ask(line, "zsh"))


def test_studies_are_those_of_the_home_that_is_meant(ask, folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    StudyStore(str(other / "studies"), "elsewhere").write_record(made_record())
    assert ask(f"cops status --home {other} ") == ["elsewhere"]
    assert ask("cops status ", COPS_HOME=str(other)) == ["elsewhere"]
    assert ask("cops status ", COPS_STORAGE=str(other / "studies")) == ["elsewhere"]
    assert ask(f"cops status --storage {other / 'studies'} ") == ["elsewhere"]
    assert ask("cops status ", COPS_STORAGE="s3://bucket/studies") == []
    assert ask("cops status ", COPS_HOME=str(other / "nowhere")) == []


@pytest.mark.parametrize("line", ["cops ", "cops launch ", "cops status "])
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_it_is_quick(ask, line, shell):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ask(line, shell)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU_S


def test_every_option_with_a_list_of_names_completes_them():
    """For every option of such a name, also in commands that are added later."""
    named = ("dataset", "model", "score", "sampler", "stopping", "objective", "cost", "device", "format")
    for name, command in GROUP.commands.items():
        for parameter in command.params:
            if parameter.name in named:
                context = typer.Context(command)
                assert parameter.shell_complete(context, ""), f"cops {name}: {parameter.name}"


class Bash:
    """A bash in a terminal, which a person types into."""

    def __init__(self, folder: Path, home: Path) -> None:
        program = folder / "bin" / "cops"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m study.cli "$@"\n')
        program.chmod(0o755)
        self.terminal, inside = pty.openpty()
        self.process = subprocess.Popen(
            [shutil.which("bash") or "bash", "--norc", "--noprofile", "-i"],
            cwd=folder,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            env={
                "HOME": str(home),
                "PATH": f"{program.parent}:{os.environ['PATH']}",
                "PYTHONPATH": os.environ.get("PYTHONPATH", os.pathsep.join(sys.path)),
                "TERM": "dumb",
                "PS1": "ready> ",
            },
        )
        os.close(inside)
        self.shown = ""

    def type(self, keys: str, until: str, timeout_s: float = 30) -> str:
        """Type, and wait until `until` is shown after it; returns what was shown since."""
        self.shown = ""
        os.write(self.terminal, keys.encode())
        end = time.monotonic() + timeout_s
        while until not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self.terminal], [], [], 0.2)[0]:
                self.shown += os.read(self.terminal, 4096).decode(errors="replace")
        return self.shown

    def leave(self) -> None:
        """End it, and what it runs."""
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def bash(folder, tmp_path_factory):
    shell = Bash(folder, tmp_path_factory.mktemp("user"))
    yield shell
    shell.leave()


def test_a_person_presses_tab_in_a_real_bash(bash):
    bash.type("", "ready> ")
    bash.type("cops --install-completion\n", "completion installed in ")
    bash.type('. ~/.bashrc; echo "sourced" again\n', "sourced again")
    bash.type("cops resu\t", "cops resume ")
    bash.type("fir\t", "first_study ")
    bash.type("--ret\t", "--retry ")
    bash.type("\x15cops launch my\t", "my_space.py ")
    bash.type("\x15cops status --home cops-h\t", "cops-home/")
    bash.type("\x15complete -p cops\n", "complete -o default -F _cops_completion cops")
