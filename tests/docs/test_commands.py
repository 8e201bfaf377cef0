"""Every command and Python block of README.md, CONTRIBUTING.md and docs/*.md is run, or at least parsed."""

import re

import pytest

from .pages import PAGES, ROOT, commands, python_blocks, spans, steps, tables
from .parsing import PARSERS, NotAcceptedError, parse_line
from .table import COMMANDS, PYTHON, Ci, Parse, Run, Serve, Tier
from .walk import Walk

CI = [line.strip() for file in ("run", "check") for line in (ROOT / ".ci" / file).read_text().splitlines()]


def program(line: str) -> str:
    return line.removeprefix("uv run ").split()[0]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_in_the_table_and_nothing_else(page):
    assert list(COMMANDS.get(page, {})) == commands(PAGES[page])
    assert len(PYTHON.get(page, [])) == len(python_blocks(PAGES[page]))


def test_every_page_of_the_table_is_there():
    assert set(COMMANDS) | set(PYTHON) <= set(PAGES)


LISTED = [(page, line, check) for page, lines in COMMANDS.items() for line, check in lines.items()]


@pytest.mark.parametrize(
    "line", [line for _, line, check in LISTED if isinstance(check, Run | Serve | Parse)]
)
def test_every_word_is_accepted(line):
    parse_line(line)


@pytest.mark.parametrize("line", [line for _, line, check in LISTED if isinstance(check, Ci)])
def test_what_ci_runs_stands_in_ci(line):
    more = (f"{line} --durations", f"{line} --moments")
    assert any(words == line or words.startswith(more) for words in CI)


# `cops launch` alone names the command; with more it must be accepted, up to arguments left out.
SPANS = sorted(
    {
        (span[1:-1] if span.startswith('"') else span).removesuffix(" ...")
        for text in PAGES.values()
        for span in spans(text)
        if re.match(r'"?(uv run )?(cops|ray|pytest|python3?|ruff) [a-z.-]', span)
    }
)


@pytest.mark.parametrize("span", SPANS)
def test_commands_within_sentences_are_accepted(span):
    try:
        parse_line(span)
    except NotAcceptedError as error:
        if "missing" not in str(error).lower():
            raise


@pytest.mark.parametrize(
    "line",
    [
        "cops statu x",
        "cops --instal-completion",
        "cops launch quickstart --adress auto",
        "cops launch quickstart --trials many",
        "ray exec cluster.yaml 'cops statu x'",
        "ray exec cluster.yaml 'ray job submit --nowait -- cops status x'",
        "ray attach --port 5000 cluster.yaml",
        "ray up clusters.yaml",
        "aws iam create-rolle --role-name x",
        "aws iam create-role --rolename x",
        "kubectl apply -f docs/cluster/none.yaml",
        "sbatch docs/cluster/slurm.sh fashion_mnist --gpus auto",
        "mlflow server --hosts 127.0.0.1",
        "uv run pytest -m fashionable",
        "uv run pytest tests/none",
        ".ci/check tests/none",
        "uv run python .ci/none.py",
        "uv run ruff check --fixed .",
    ],
)
def test_a_wrong_word_is_not(line):
    with pytest.raises(NotAcceptedError):
        parse_line(line)


def test_every_program_has_a_parser():
    parsed = {program(line) for _, line, check in LISTED if isinstance(check, Run | Serve | Parse)}
    assert parsed <= set(PARSERS)


def has(page: str, tier: Tier) -> bool:
    found = {check.tier for check in COMMANDS.get(page, {}).values() if isinstance(check, Run | Serve)}
    return tier in found | {block.tier for block in PYTHON.get(page, [])}


def follow(page, tier, folder):
    walk = Walk(page, folder)
    walk.follow(steps(PAGES[page]), tier)


@pytest.fixture(autouse=True, scope="session")
def score_cache(tmp_path_factory):
    """Of the tests' own, also for the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPS_SCORE_CACHE", str(tmp_path_factory.mktemp("scores")))
        yield


@pytest.mark.parametrize("page", [page for page in PAGES if has(page, "quick")])
def test_following_the_page(page, tmp_path):
    follow(page, "quick", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if has(page, "slow")])
def test_following_the_whole_page(page, tmp_path):
    follow(page, "slow", tmp_path)


@pytest.mark.fashion
@pytest.mark.parametrize("page", [page for page in PAGES if has(page, "fashion")])
def test_following_the_page_on_fashion_mnist(page, tmp_path):
    follow(page, "fashion", tmp_path)


def test_the_tutorials_table_of_times_has_every_step():
    page = "docs/tutorial.md"
    (times,) = [table for table in tables(PAGES[page]) if table[0] == ["step", "command", "seconds"]]
    timed = [found[0] for row in times if (found := re.findall(r"`(.+)`", row[1]))]
    assert timed == [line for line, check in COMMANDS[page].items() if isinstance(check, Run | Serve)]
    assert all(re.fullmatch(r"\d*", row[2]) for row in times[1:])
