"""docs/trainers.md as a user follows it: its plugin is checked, launched, replayed and closed."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trainers.md").read_text()
(PLUGIN,) = re.findall(r"```python\n(# characters.py\n.*?)```", PAGE, re.DOTALL)
ROW = re.compile(
    r"^ *(0\.\d+)? +(dense|(?:freeze|prune) snip) +1 +(\d\.\d{4}) +(\d\.\d{4}) +\d *$", re.MULTILINE
)


def cops(folder: Path, *words: object) -> str:
    """The output of the console script."""
    script = Path(sys.executable).with_name("cops")
    done = subprocess.run(
        [str(script), *map(str, words), "--plugin", "characters"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "characters.py").write_text(PLUGIN)
    return tmp_path


@pytest.mark.slow
def test_a_study_of_the_transformer_is_run_shown_replayed_and_closed(folder):
    assert len(re.findall(r"ok *$", cops(folder, "check"), re.MULTILINE)) == 2
    started = time.monotonic()
    out = cops(folder, "launch", "characters", "--rates", "0.9,0.95,0.99", "--trials", 7)
    assert "best of each method by validation loss" in out
    assert time.monotonic() - started < 240  # on cores that other tests use, too
    study = folder / "cops-home" / "studies" / "characters"
    records = [json.loads(path.read_text()) for path in sorted((study / "trials").iterdir())]
    assert [record["status"] for record in records] == ["finished"] * 7
    assert {record["config"]["trainer"] for record in records} == {"characters"}
    rows = records[1]["rows"]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert set(rows[0]) == {"epoch", "train_loss", "validation_loss", "train_seconds"}
    losses = {record["number"]: record["rows"][-1]["validation_loss"] for record in records}
    assert min(losses, key=lambda number: losses[number]) == 0  # the dense network is the best

    content = json.loads(cops(folder, "status", "characters", "--json"))
    assert content["best"][0]["measure"]["name"] == "validation_loss"
    assert (
        "validation loss"
        in cops(folder, "report", "characters")
        + (folder / "cops-home" / "reports" / "characters" / "report.html").read_text()
    )
    shown = cops(folder, "show", "characters/1")
    run = re.search(r"cops replay (\w+)", shown)
    assert run is not None, shown
    assert "metrics identical bit for bit" in cops(folder, "replay", run[1])
    closed = cops(folder, "close", "characters")
    assert len(ROW.findall(closed)) == len(ROW.findall(PAGE)) == 7
    assert ROW.findall(PAGE)[0][1] == "dense"
