"""A study that compares the methods of a user's own space: killed, resumed, judged once."""

import json
import signal

import pytest

from study.records.store import StudyStore

from .command import cops, launch_in_background, wait_until

SPACE = '''
from decimal import Decimal

from cops_core.config import Selection, Training, TrialConfig


def space(trial):
    """SynFlow and magnitude, frozen; no weight decay."""
    rate = trial.suggest_float("speed", 0.01, 0.4, log=True)
    return TrialConfig(
        dataset="digits",
        validation_fraction=Decimal("0.2"),
        model="lenet_300_100",
        arm="freeze",
        selection=Selection(target=trial.suggest_categorical("by", ("magnitude", "random"))),
        training=Training(epochs=3, learning_rate=rate, weight_decay=0.0),
    )
'''
WORDS = (
    *("mine.py", "--objective", "compare", "--rates", "0.99", "--per-method", 2, "--judging-seeds", 3),
    *("--concurrency", 1, "--checkpoint-every", 0.1),
)


def content(folder):
    (folder / "mine.py").write_text(SPACE)
    found = cops(folder, "status", "mine", "--json")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.slow
def test_a_killed_study_has_the_table_of_one_that_was_not(tmp_path):
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
        (folder / "mine.py").write_text(SPACE)
    whole = cops(folders[0], "launch", *WORDS)
    assert whole.returncode == 0, whole.stdout + whole.stderr

    process = launch_in_background(folders[1], *WORDS, "--fresh")
    store = StudyStore(str(folders[1] / "cops-home" / "studies"), "mine")
    try:
        wait_until(lambda: store.exists and any(t.judges is not None for t in store.trials()), process, 240)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    more = cops(folders[1], "launch", *WORDS, "--per-method", 3)
    assert more.returncode == 2
    assert "has judged its methods on the test part" in more.stderr
    resumed = cops(folders[1], "resume", "mine")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr

    first, second = map(content, folders)
    for found in (first, second):  # MLflow draws the ids of runs
        for row in found["methods"]["rows"]:
            assert len(row.pop("run_ids")) == 3
            assert all(row["chosen"].pop("run_ids"))
    assert first["methods"] == second["methods"]
    assert first["status"] == second["status"]
    assert first["state"] == second["state"] == "complete"
    trials = store.trials()
    judged = [trial for trial in trials if trial.judges is not None]
    assert len(trials) == len({trial.name for trial in trials}) == 5 * 2 + 5 * 3
    assert all(trial.config.training.weight_decay == 0.0 for trial in trials)  # also of the baselines
    assert all(0 <= trial.test_accuracy <= 1 for trial in judged)
    assert {trial.method for trial in judged} == {
        "dense",
        *("prune snip", "freeze snip"),
        *("freeze magnitude", "freeze random"),
    }
    again = cops(folders[1], "launch", *WORDS)
    assert again.returncode == 0
    assert len(store.trials()) == len(trials)
