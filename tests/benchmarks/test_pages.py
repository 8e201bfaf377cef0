"""Each benchmark has its part of a page of docs/, which the command that runs all of them writes."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
try:
    from pages import BENCHMARKS, DOCS, as_markdown, marked, replaced
finally:
    sys.path.remove(str(FOLDER))

NOT_IN_DOCS = {"all", "gpu"}  # they run others; a GPU session writes files of its own
QUICK = sorted(name for name, each in BENCHMARKS.items() if not each.slow)
SLOW = sorted(BENCHMARKS.keys() - set(QUICK))


def run(name, *options):
    """What a benchmark prints, in a process of its own with one thread."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_marked_part_has_its_benchmark_and_every_benchmark_its_part():
    found = [(name, path.name) for path in sorted(DOCS.glob("*.md")) for name in marked(path.read_text())]
    assert sorted(found) == sorted((name, each.page) for name, each in BENCHMARKS.items())
    for path in DOCS.glob("*.md"):
        text = path.read_text()
        assert text.count("<!-- benchmark: ") == text.count("<!-- end of ") == len(marked(text)), path


def test_every_benchmark_is_run_by_the_command_for_all():
    programs = {
        path.stem for path in FOLDER.glob("*.py") if "    as_command(main)" in path.read_text().splitlines()
    }
    assert programs - NOT_IN_DOCS == BENCHMARKS.keys()


@pytest.mark.parametrize("name", QUICK)
def test_the_smallest_form_runs(name, benchmark, refused, capsys):
    assert refused(benchmark(name), *BENCHMARKS[name].smallest) == "0"
    check(capsys.readouterr().out)


def check(printed):
    content = as_markdown(printed)
    assert content.startswith("- ") or "\n| --- |" in content


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_smallest_form_runs_in_a_process(name):
    if BENCHMARKS[name].fashion and not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    check(run(name, *BENCHMARKS[name].smallest))


def test_a_part_is_replaced_and_nothing_else():
    page = "1\n<!-- benchmark: a -->\n| x |\n<!-- end of a -->\n<!-- benchmark: b -->\n<!-- end of b -->\n"
    assert marked(page) == {"a": "| x |\n", "b": ""}
    assert marked(replaced(page, "a", "- y\n")) == {"a": "- y\n", "b": ""}
    assert replaced(replaced(page, "b", "- z\n"), "b", "") == page
    with pytest.raises(KeyError):
        replaced(page, "c", "")


def test_what_is_printed_is_a_table_or_a_list():
    assert as_markdown("400 trials:\n  ratio 1.04\n\n") == "- 400 trials:\n- ratio 1.04\n"
    assert as_markdown("an idle step:\n\n| a |\n| --- |\n") == "an idle step:\n\n| a |\n| --- |\n"


@pytest.fixture
def all_of_them(benchmark, monkeypatch, tmp_path):
    """The command, with pages and benchmarks of its own."""
    module = benchmark("all")
    for name in ("good", "bad"):
        monkeypatch.setitem(
            module.BENCHMARKS,
            name,
            module.BENCHMARKS["step_speed"].__class__(page="page.md", minutes=3, smallest=["--smallest"]),
        )
    monkeypatch.setattr(module, "DOCS", tmp_path)
    (tmp_path / "page.md").write_text(
        "".join(f"<!-- benchmark: {name} -->\n1\n<!-- end of {name} -->\n" for name in ("bad", "good"))
    )

    def figures(name, options):
        if name == "bad":
            raise subprocess.CalledProcessError(3, name)
        return " ".join([name, *options])

    monkeypatch.setattr(module, "figures", figures)
    return module


def test_one_that_fails_keeps_its_figures_and_the_others_are_written(all_of_them, refused, tmp_path, capsys):
    assert refused(all_of_them, "--only", "bad", "--only", "good") == "1"
    assert marked((tmp_path / "page.md").read_text()) == {"bad": "1\n", "good": "- good\n"}
    said = capsys.readouterr().out
    assert "2 benchmarks, about 6 minutes" in said
    assert "bad failed with 3" in said


def test_the_smallest_form_writes_nothing(all_of_them, refused, tmp_path, capsys):
    before = (tmp_path / "page.md").read_text()
    assert refused(all_of_them, "--only", "good", "--smallest") == "0"
    assert (tmp_path / "page.md").read_text() == before
    assert "- good --smallest" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused(all_of_them, refused):
    assert "unknown benchmark 'steps_speed': did you mean 'step_speed'" in refused(
        all_of_them, "--only", "steps_speed"
    )
