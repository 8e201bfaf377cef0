"""A study of several seeds as JSON lines: `cops launch --seeds 3 --json`."""

import json

import pyarrow.parquet as pq
import pytest

from .command import children, cops


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The folder of a study of five configurations, and how its process ended."""
    folder = tmp_path_factory.mktemp("seeds")
    words = ("--trials", 5, "--epochs", 3, "--rates", "0.95", "--seeds", 3)
    return folder, cops(folder, "launch", "quickstart", *words, "--json")


@pytest.mark.slow
def test_every_line_is_an_event(launched):
    _, done = launched
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    events = [line["event"] for line in lines]
    assert (events[0], events[-1]) == ("study", "summary")
    over = [line for line in lines if line["event"] == "ended"]
    assert events.count("started") == len(over) <= lines[0]["max_trials"]
    assert [line["finished"] for line in over] == list(range(1, len(over) + 1))
    assert len(over) <= events.count("epoch") <= 3 * len(over)
    last = lines[-1]
    assert (last["exit_code"], last["ended_early"], last["problems"], last["resume_command"]) == (
        0,
        [],
        [],
        None,
    )
    assert last["ended"] == 5
    assert last["status"] == {
        status: sum(line["status"] == status for line in over) for status in last["status"]
    }
    dense = [line["validation_accuracy"] for line in over if line["title"].startswith("dense")]
    (row,) = [row for row in last["best"] if row["method"] == "dense"]
    assert row["validation_accuracy"] == pytest.approx(sum(dense) / 3)


@pytest.mark.slow
def test_seeds_are_trials_of_their_own_with_means_in_the_table(launched):
    folder, _ = launched
    rows = pq.read_table(folder / "cops-home/studies/quickstart/trials.parquet").to_pylist()
    baselines = [row for row in rows if row["baseline"]]
    assert [(row["configuration"], row["seed_index"]) for row in baselines] == [
        (number, index) for number in range(3) for index in range(3)
    ]
    assert len({row["seed"] for row in rows}) == 3
    _, _, nested = children(folder / "cops-home", "quickstart")
    assert len(nested) == len(rows)
    shown = cops(folder, "status", "quickstart")
    assert shown.returncode == 0, shown.stderr
    assert "± " in shown.stdout


def test_wrong_input_is_not_an_event(run):
    code, out, err = run("launch", "quikstart", "--json")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
