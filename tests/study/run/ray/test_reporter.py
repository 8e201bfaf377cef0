"""What Tune reports about trials, and how the study reacts."""

import json
from types import SimpleNamespace

import pytest

from study.run.ray.deaths import IN_A_ROW, NOTICED_S, WORKERS, Deaths
from study.run.ray.reporter import Reporter
from study.run.ray.shares import Shares
from study.run.study_run import StudyRun

from ...made_facts import made_facts

ROW = {"epoch": 1, "validation_accuracy": 0.5}


@pytest.fixture
def run(search_plan):
    made = StudyRun(search_plan(trials=9, epochs=9), lambda config: "identity")
    made.recall([])
    made.watch([])
    return made


@pytest.fixture
def alive():
    return {"own"}


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def reporter(run, alive, clock):
    searcher = SimpleNamespace(by_tune_id={}, shares=Shares(0.25))
    return Reporter(run, searcher, Deaths(lambda: alive, "own", lambda: clock[0]))


def handed_out(run, reporter):
    trial = run.next_trial()
    reporter._searcher.by_tune_id[f"t{trial.number}"] = trial
    return trial


def tune_trial(trial, gpus=0.0, **result):
    last = {"rows": "[]", "status": "running", **result}
    return SimpleNamespace(trial_id=f"t{trial.number}", last_result=last, config={"gpus": gpus})


def complete(reporter, trial, gpus=0.0, **result):
    reporter.on_trial_complete(0, [], tune_trial(trial, gpus, **result))


def die(reporter, trial, log=None):
    failed = tune_trial(trial)
    failed.error_file = log
    reporter.on_trial_error(0, [], failed)


def test_the_end_of_a_trial_is_reported_once(run, reporter):
    trial = handed_out(run, reporter)
    assert not reporter("t0", {"rows": json.dumps([ROW]), "status": "finished"})
    complete(reporter, trial, status="finished")
    die(reporter, trial)  # Tune reports later errors as errors of the trial
    complete(reporter, trial, status="failed")
    assert (trial.status, trial.rows) == ("finished", [ROW])
    assert run.next_trial().number == 1


def test_a_trial_is_resumed_after_its_worker_died_but_not_for_ever(run, reporter, tmp_path):
    trial = handed_out(run, reporter)
    for _ in range(WORKERS):
        die(reporter, trial)
        assert trial.status == "running"
        assert run.next_trial() is trial
    (tmp_path / "error.txt").write_text("Traceback\nActorDiedError: gone\n")
    die(reporter, trial, tmp_path / "error.txt")
    assert trial.status == "killed"
    assert trial.reason == f"its worker died {WORKERS + 1} times: ActorDiedError: gone"
    assert "Traceback" in trial.log


def test_a_node_without_memory_is_reported(run, reporter, tmp_path):
    trial = handed_out(run, reporter)
    (tmp_path / "error.txt").write_text("ray.exceptions.OutOfMemoryError: Task was killed")
    for _ in range(WORKERS + 1):
        die(reporter, trial, tmp_path / "error.txt")
    assert trial.status == "out_of_memory"


def ran_on(trial, node):
    trial.facts = made_facts()
    trial.facts["placed"]["node_id"] = node


def test_a_lost_node_does_not_count_as_a_death_of_the_trial(run, reporter, alive):
    trial = handed_out(run, reporter)
    for epoch in range(1, 3 * IN_A_ROW):
        ran_on(trial, f"lost {epoch}")
        die(reporter, trial)
        assert run.next_trial() is trial
        reporter("t0", {"rows": json.dumps([{**ROW, "epoch": epoch}])})
    ran_on(trial, "own")
    for _ in range(WORKERS):
        die(reporter, trial)
        assert run.next_trial() is trial


def test_a_node_that_is_alive_according_to_ray_may_be_lost(run, reporter, alive, clock):
    """If it was not lost, the deaths on it count as soon as that is known."""
    trial = handed_out(run, reporter)
    alive.add("other")
    ran_on(trial, "other")
    for _ in range(WORKERS + 1):
        die(reporter, trial)
        assert trial.status == "running"
    clock[0] += NOTICED_S + 1
    die(reporter, trial)
    assert trial.status == "killed"
    assert trial.reason.startswith(f"its worker died {WORKERS + 1} times")


def test_a_trial_that_takes_down_node_after_node_is_ended(run, reporter):
    trial = handed_out(run, reporter)
    ran_on(trial, "lost")
    for _ in range(IN_A_ROW):
        die(reporter, trial)
        assert trial.status == "running"
    die(reporter, trial)
    assert trial.status == "killed"
    assert "its worker or node died 9 times without an epoch in between" in trial.reason


def test_out_of_memory_on_a_part_of_a_gpu_is_tried_again_with_more(run, reporter):
    trial, shares = handed_out(run, reporter), reporter._searcher.shares
    for share, more in ((0.25, 0.5), (0.5, 1.0)):
        assert shares.of(trial.config) == share
        complete(reporter, trial, share, status="out_of_memory", reason="CUDA out of memory")
        assert run.next_trial() is trial
        assert shares.of(trial.config) == more
    complete(reporter, trial, 1.0, status="out_of_memory", reason="CUDA out of memory")
    assert (trial.status, trial.reason) == ("out_of_memory", "CUDA out of memory")


def test_out_of_memory_on_the_cpu_is_not_tried_again(run, reporter):
    trial = handed_out(run, reporter)
    complete(reporter, trial, 0.0, status="out_of_memory")
    assert trial.status == "out_of_memory"


def test_an_unfit_node_ends_the_study_and_no_trial_fails(run, reporter):
    trial = handed_out(run, reporter)
    complete(reporter, trial, status="unfit", reason="node there: its code differs: install it")
    assert trial.status == "running"
    assert run.stopped_because == "node there: its code differs: install it, then use cops resume"
    run.interrupt()
    assert trial.status == "interrupted"


def test_a_lost_race_is_a_stop_even_if_the_worker_had_come_further(run, reporter):
    while (trial := handed_out(run, reporter)).baseline:
        reporter(f"t{trial.number}", {"rows": json.dumps([{**ROW, "validation_accuracy": 0.9}])})
        complete(reporter, trial, status="finished")
    rows = [{"epoch": epoch, "validation_accuracy": 0.1} for epoch in range(1, 10)]
    assert reporter(f"t{trial.number}", {"rows": json.dumps(rows), "status": "finished"})
    complete(reporter, trial, status="finished")
    assert (trial.status, len(trial.rows)) == ("stopped", 1)


def test_a_study_that_ends_interrupts_running_trials(run, reporter):
    trial = handed_out(run, reporter)
    run.stop("asked to")
    assert reporter.stop_all()
    complete(reporter, trial, status="running")
    assert trial.status == "running"
    run.interrupt()
    assert trial.status == "interrupted"


def test_an_error_of_the_study_is_not_an_error_of_the_trial(run, reporter, monkeypatch):
    trial = handed_out(run, reporter)
    monkeypatch.setattr(run.plan, "tell", lambda trial: 1 / 0)
    complete(reporter, trial, status="finished")
    die(reporter, trial)
    assert isinstance(reporter.error, ZeroDivisionError)
    assert reporter.stop_all()
    assert trial.status == "finished"
