"""Help: a sentence and a default for every option, examples that parse, readable at 80 columns."""

import resource
import shlex
import subprocess
import sys
from importlib.metadata import version

import pytest
import typer

from search_spaces import SEARCH_SPACES
from search_spaces.presets import PRESETS
from study import cli
from study.cli.app import COMMANDS, VERSIONS
from study.cli.examples import EXAMPLES
from study.papers.experiments import EXPERIMENTS

GROUP = typer.main.get_command(cli.app)
NAMES = sorted(GROUP.commands)
WIDTH = 80
# Importing any of these takes longer than a person waits for help.
HEAVY = {"torch", "ray", "mlflow", "optuna", "pandas", "pyarrow", "matplotlib", "scipy"}
CPU_S = 0.5  # measured 0.12 to 0.16
QUICK = """
import sys
from study import cli
sys.argv = ["cops", *sys.argv[1:]]
try:
    cli.main()
finally:
    print(*sorted(set(sys.modules) & {HEAVY}), file=sys.stderr)
"""


@pytest.fixture
def shown(run, monkeypatch):
    """The help of a command, as a terminal of 80 columns shows it."""

    def show(*words):
        monkeypatch.setenv("COLUMNS", str(WIDTH))
        monkeypatch.delenv("TERMINAL_WIDTH", raising=False)
        code, out, err = run(*words, "--help")
        assert (code, err) == (0, "")
        return out

    return show


def parameters(name):
    return [parameter for parameter in GROUP.commands[name].params if parameter.name != "help"]


def is_plain_flag(parameter):
    """Whether it is off unless it is written, so that it needs no default."""
    return getattr(parameter, "is_flag", False) and not parameter.secondary_opts


@pytest.mark.parametrize("name", NAMES)
def test_every_option_and_argument_has_a_sentence(name):
    for parameter in parameters(name):
        assert parameter.help, parameter.name
        assert parameter.help.endswith("."), parameter.help
        assert "[" not in parameter.help, "text in brackets is treated as markup and not shown"


@pytest.mark.parametrize("name", NAMES)
def test_every_default_is_shown(shown, name):
    text = shown(name)
    required = [parameter for parameter in parameters(name) if parameter.required]
    optional = [p for p in parameters(name) if not p.required and not is_plain_flag(p)]
    assert text.count("[required]") == len(required)
    assert text.count("[default:") == len(optional)


@pytest.mark.parametrize("name", NAMES)
def test_help_is_whole_and_readable_at_80_columns(shown, name):
    text = shown(name)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "…" not in text
    for parameter in parameters(name):
        for option in (*parameter.opts, *parameter.secondary_opts):
            assert option in text or parameter.metavar in text
    paragraphs = (GROUP.commands[name].help or "").split("\n\n")
    assert len(paragraphs) == 2, "a summary and a paragraph"
    lines = paragraphs[1].splitlines()
    assert max(map(len, lines)) <= WIDTH - 2
    assert all(line in text for line in lines), "the terminal would break these lines again"


def test_commands_stand_in_panels(shown):
    text = shown()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all(f"─ {panel} ─" in text for panel in COMMANDS)
    assert "─ Commands ─" not in text
    assert sorted(command.__name__ for panel in COMMANDS.values() for command in panel) == NAMES


def test_the_options_of_launch_stand_in_panels():
    panels = [parameter.rich_help_panel for parameter in parameters("launch")]
    assert len(set(panels)) >= 4
    assert max(map(panels.count, panels)) <= 8


@pytest.mark.parametrize("name", ["cops", *NAMES])
def test_help_ends_with_examples(shown, name):
    text = shown(*([] if name == "cops" else [name]))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[-len(EXAMPLES[name]) :] == list(EXAMPLES[name])
    assert all(
        example.startswith("cops " if name == "cops" else f"cops {name}") for example in EXAMPLES[name]
    )


@pytest.mark.parametrize("example", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_are_words_that_the_command_takes(example):
    _, name, *words = shlex.split(example)
    context = GROUP.commands[name].make_context(name, words)
    space, experiment = context.params.get("space"), context.params.get("name")
    if name == "launch" and not space.endswith(".py"):
        assert space in SEARCH_SPACES
    if name == "experiment":
        assert experiment in EXPERIMENTS
    if name == "table":
        assert experiment is None or experiment in PRESETS


def test_the_version_names_what_results_depend_on(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith(f"cops {version('cops-study')} ")
    assert all(f"{name} {version(name)}" in out for name in VERSIONS)
    assert out.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [["--help"], ["launch", "--help"], ["--version"], ["lauch"], ["launch", "quickstart", "--trails", "3"]],
    ids=" ".join,
)
def test_help_and_wrong_words_are_quick(words, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", QUICK.replace("{HEAVY}", repr(HEAVY)), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 2)
    assert done.stderr.splitlines()[-1] == "", done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU_S
