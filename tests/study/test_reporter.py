"""What Tune says about trials, and what the study makes of it."""

import json
from types import SimpleNamespace

import pytest

from study.run import StudyRun
from study.runner.reporter import RETRIES, Reporter

ROW = {"epoch": 1, "validation_accuracy": 0.5}


@pytest.fixture
def run(proposer):
    made = StudyRun(proposer(trials=9, epochs=9), lambda config: "identity")
    made.recall([])
    made.watch([])
    return made


@pytest.fixture
def reporter(run):
    return Reporter(run, SimpleNamespace(by_tune_id={}))


def handed_out(run, reporter):
    trial = run.next_trial()
    reporter._searcher.by_tune_id[f"t{trial.number}"] = trial
    return trial


def tune_trial(trial, log=None, **result):
    last = {"rows": "[]", "status": "running", **result}
    return SimpleNamespace(trial_id=f"t{trial.number}", last_result=last, error_file=log)


def complete(reporter, trial, **result):
    reporter.on_trial_complete(0, [], tune_trial(trial, **result))


def die(reporter, trial, log=None):
    reporter.on_trial_error(0, [], tune_trial(trial, log))


def test_a_trial_that_ends_is_told_once(run, reporter):
    trial = handed_out(run, reporter)
    assert not reporter("t0", {"rows": json.dumps([ROW]), "status": "finished"})
    complete(reporter, trial, status="finished")
    die(reporter, trial)  # Tune calls whatever goes wrong afterwards an error of the trial
    complete(reporter, trial, status="failed")
    assert (trial.status, trial.rows) == ("finished", [ROW])
    assert run.next_trial().number == 1


def test_a_worker_that_dies_has_its_trial_go_on_elsewhere_but_not_for_ever(run, reporter, tmp_path):
    trial = handed_out(run, reporter)
    for _ in range(RETRIES):
        die(reporter, trial)
        assert trial.status == "running"
        assert run.next_trial() is trial
    (tmp_path / "error.txt").write_text("Traceback\nActorDiedError: gone\n")
    die(reporter, trial, tmp_path / "error.txt")
    assert trial.status == "killed"
    assert trial.reason == f"its worker died {RETRIES + 1} times: ActorDiedError: gone"
    assert "Traceback" in trial.log


def test_a_node_without_memory_is_said_so(run, reporter, tmp_path):
    trial = handed_out(run, reporter)
    (tmp_path / "error.txt").write_text("ray.exceptions.OutOfMemoryError: Task was killed")
    for _ in range(RETRIES + 1):
        die(reporter, trial, tmp_path / "error.txt")
    assert trial.status == "out_of_memory"


def test_a_lost_race_is_a_stop_even_if_the_worker_had_come_further(run, reporter):
    while (trial := handed_out(run, reporter)).anchor:
        reporter(f"t{trial.number}", {"rows": json.dumps([{**ROW, "validation_accuracy": 0.9}])})
        complete(reporter, trial, status="finished")
    rows = [{"epoch": epoch, "validation_accuracy": 0.1} for epoch in range(1, 10)]
    assert reporter(f"t{trial.number}", {"rows": json.dumps(rows), "status": "finished"})
    complete(reporter, trial, status="finished")
    assert (trial.status, len(trial.rows)) == ("stopped", 1)


def test_a_study_that_ends_interrupts_what_runs(run, reporter):
    trial = handed_out(run, reporter)
    run.stop("asked to")
    assert reporter.stop_all()
    complete(reporter, trial, status="running")
    assert trial.status == "running"
    run.interrupt()
    assert trial.status == "interrupted"


def test_an_error_of_the_study_itself_is_not_taken_for_the_trials(run, reporter, monkeypatch):
    trial = handed_out(run, reporter)
    monkeypatch.setattr(run.plan, "tell", lambda trial: 1 / 0)
    complete(reporter, trial, status="finished")
    die(reporter, trial)
    assert isinstance(reporter.error, ZeroDivisionError)
    assert reporter.stop_all()
    assert trial.status == "finished"
