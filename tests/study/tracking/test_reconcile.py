"""After any failure MLflow is updated from the records: nothing is lost, nothing is logged twice."""

import shutil
import threading
import time
from functools import partialmethod

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from study.records.trial import StudyTrial
from study.tracking import MlflowView

WRITING = ("create_run", "log_batch", "log_artifacts", "log_inputs", "set_terminated")


def running(trial: StudyTrial) -> StudyTrial:
    trial.status, trial.ended = "running", None
    return trial


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was never true"
        time.sleep(0.05)


def wrap(monkeypatch, names, around):
    """Let `around(name, method, ...)` be called instead of these methods of the client."""
    for name in names:
        method = getattr(MlflowClient, name)
        monkeypatch.setattr(MlflowClient, name, partialmethod(_call, around, name, method))


def _call(client, around, name, method, *arguments, **keywords):
    return around(name, method, client, *arguments, **keywords)


@pytest.fixture
def calls(monkeypatch):
    """The names of the client's methods in the order in which they were called."""
    made = []

    def before(name, call, *arguments, **keywords):
        made.append(name)
        return call(*arguments, **keywords)

    wrap(monkeypatch, (*WRITING, "update_run"), before)
    return made


def test_a_resumed_study_continues_in_the_same_runs(make_view, tracking_uri, shown, ended):
    done, cut = ended(0), ended(1, "interrupted")
    view = make_view(tracking_uri)
    for trial in (done, cut):
        view.mark(trial)
    assert view.close(False, {"trials.parquet": b"first"}, 60) == []
    there = shown(tracking_uri)
    before = [run.info.run_id for run in there.runs]
    assert [run.info.status for run in there.runs] == ["FINISHED", "KILLED"]
    assert there.parent.info.status == "KILLED"

    view = make_view(tracking_uri)
    view.resume([done, cut])
    view.mark(running(cut))
    wait_until(lambda: there.runs[1].info.status == "RUNNING")
    assert there.runs[1].data.tags["status"] == "running"
    assert there.parent.info.status == "RUNNING"
    cut.add_row({**cut.rows[-1], "epoch": 3, "validation_accuracy": 0.95})
    cut.status, cut.ended = "finished", 103.0
    view.mark(cut)
    view.mark(ended(2))
    assert view.close(True, {"trials.parquet": b"second"}, 60) == []
    runs = there.runs
    assert [run.info.run_id for run in runs[:2]] == before
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert runs[1].info.end_time == 103_000
    assert [point[:2] for point in there.history(runs[1])] == [(1, 0.5), (2, 0.9), (3, 0.95)]
    assert [len(there.history(run, "density")) for run in runs] == [1, 1, 1]
    assert there.parent.info.status == "FINISHED"


def test_a_complete_run_is_not_written_again(make_view, sqlite, ended, storage, calls):
    trials = [ended(number, status) for number, status in enumerate(("finished", "stopped", "failed"))]
    for trial in trials:
        storage[f"artifacts/{trial.name}.safetensors"] = b"network"
    view = make_view(sqlite)
    for trial in trials:
        view.mark(trial)
    assert view.close(True, {}, 60) == []
    calls.clear()
    view = make_view(sqlite)
    view.resume(trials)
    assert view.close(True, {}, 60) == []
    # All of these are the parent's: its state and settings, and its end.
    ours = ["log_batch", "update_run", "log_artifacts", "log_artifacts", "log_batch", "set_terminated"]
    assert calls == ours


@pytest.mark.parametrize("damage", ["status", "rows", "state", "run"])
def test_whatever_differs_is_pushed_again(make_view, sqlite, shown, ended, damage):
    trials = [ended(0), ended(1)]
    view = make_view(sqlite)
    for trial in trials:
        view.mark(trial)
    assert view.close(True, {}, 60) == []
    there = shown(sqlite)
    run_id = there.runs[1].info.run_id
    if damage in ("status", "rows"):
        there.client.set_tag(run_id, damage, "7")
    elif damage == "state":
        there.client.update_run(run_id, "RUNNING")
    else:
        there.client.delete_run(run_id)
    view = make_view(sqlite)
    view.resume(trials)
    assert view.close(True, {}, 60) == []
    assert [run.info.status for run in there.runs] == ["FINISHED"] * 2
    assert [run.data.tags["status"] for run in there.runs] == ["finished"] * 2
    assert [run.data.tags["rows"] for run in there.runs] == ["2", "2"]
    assert [len(there.history(run)) for run in there.runs] == [2, 2]


def test_a_driver_that_was_killed_leaves_nothing_running(make_view, sqlite, shown, ended):
    dead = make_view(sqlite)  # never closed
    trials = [ended(0), running(ended(1)), running(ended(2))]
    for trial in trials:
        dead.mark(trial)
    wait_until(lambda: [run.info.status for run in shown(sqlite).runs] == ["FINISHED", "RUNNING", "RUNNING"])
    # The record of the last trial was never written, so the resumed study does not know it.
    trials[1].status, trials[1].ended = "interrupted", 105.0
    view = make_view(sqlite)
    view.resume(trials[:2])
    assert view.close(False, {}, 60) == []
    runs = shown(sqlite).runs
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED", "KILLED"]
    assert runs[2].data.tags["reason"] == "this run belongs to no trial of the study"
    assert shown(sqlite).parent.info.status == "KILLED"
    assert [len(shown(sqlite).history(run)) for run in runs] == [2, 2, 2]


def test_nothing_is_shown_that_is_not_recorded(make_view, sqlite, shown, ended):
    """An epoch that a crash could undo would be logged again, at another time."""
    first, resumed = ended(0), running(ended(1))
    view = make_view(sqlite)
    view.resume([first, resumed])
    resumed.add_row({**resumed.rows[-1], "epoch": 3})
    assert view.close(False, {}, 60) == []
    assert [len(shown(sqlite).history(run)) for run in shown(sqlite).runs] == [2, 2]
    view = make_view(sqlite)
    view.resume([first, resumed])
    assert view.close(False, {}, 60) == []
    assert [len(shown(sqlite).history(run)) for run in shown(sqlite).runs] == [2, 3]


def test_a_trial_that_runs_when_the_study_ends_is_killed_in_mlflow(make_view, sqlite, shown, ended):
    view = make_view(sqlite)
    view.mark(running(ended(0)))
    there = shown(sqlite)
    wait_until(lambda: [len(there.history(run)) for run in there.runs] == [2])
    assert [run.info.status for run in there.runs] == ["RUNNING"]
    assert view.close(False, {}, 60) == []
    assert [run.info.status for run in there.runs] == ["KILLED"]


def test_a_new_database_is_filled_from_the_records(make_view, sqlite, shown, ended, home, new_database):
    trials = [ended(0), ended(1, "failed", ())]
    view = make_view(sqlite)
    for trial in trials:
        view.mark(trial)
    assert view.close(True, {}, 60) == []
    other = home / "other.db"
    shutil.copy(new_database, other)
    view = make_view(f"sqlite:///{other}")
    view.resume(trials)
    assert view.close(True, {}, 60) == []
    there = shown(f"sqlite:///{other}")
    assert [run.info.status for run in there.runs] == ["FINISHED", "FAILED"]
    assert [len(there.history(run)) for run in there.runs] == [2, 0]
    assert there.parent.info.status == "FINISHED"


def test_a_database_that_is_emptied_while_the_study_runs_is_filled_again(make_view, sqlite, shown, ended):
    view = make_view(sqlite)
    view.mark(ended(0))
    view.mark(running(ended(1)))
    there = shown(sqlite)
    wait_until(lambda: len(there.runs) == 2)
    engine = there.client._tracking_client.store.engine
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        for table in ("metrics", "latest_metrics", "params", "tags", "inputs", "runs", "experiments"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert there.runs == []
    view.mark(ended(1))
    assert view.close(True, {}, 60) == []
    assert [run.info.status for run in there.runs] == ["FINISHED", "FINISHED"]
    assert [len(there.history(run)) for run in there.runs] == [2, 2]
    assert there.parent.info.status == "FINISHED"


def test_a_lost_answer_makes_no_second_run(make_view, sqlite, shown, ended, monkeypatch):
    """Every request is done, and its first answer lost: of each kind, and for each trial."""
    lost = []

    def forget(name, call, *arguments, **keywords):
        answer = call(*arguments, **keywords)
        if lost.count(name) < 3:
            lost.append(name)
            raise ConnectionError("the answer was lost")
        return answer

    wrap(monkeypatch, WRITING, forget)
    view = make_view(sqlite)
    view._reconciler._pause_s = 0.01
    trials = [ended(0), ended(1)]
    for trial in trials:
        view.mark(trial)
    assert view.close(True, {"trials.parquet": b"PAR1"}, 60) == []
    assert {name: lost.count(name) for name in WRITING} == dict.fromkeys(WRITING, 3)
    there = shown(sqlite)
    assert [run.info.status for run in there.runs] == ["FINISHED"] * 2
    assert [len(there.history(run)) for run in there.runs] == [2, 2]
    assert len(there.client.search_logged_models([there.experiment])) == 1


def test_studies_of_one_name_are_distinguished_by_their_ids(make_view, sqlite, shown, ended, study_settings):
    for study_id in ("a1", "b2", "a1"):
        trials = [ended(0), ended(1)]
        view = make_view(sqlite, settings={**study_settings, "study_id": study_id})
        view.resume(trials)
        assert view.close(True, {}, 60) == []
    there = shown(sqlite)
    assert sorted(run.data.tags["study_id"] for run in there.parents) == ["a1", "b2"]
    assert sorted(run.data.tags["study_id"] for run in there.runs) == ["a1", "a1", "b2", "b2"]


def test_studies_of_several_names_do_not_disturb_each_other(make_view, sqlite, ended, shown, study_name):
    views = [make_view(sqlite, name=name) for name in (study_name, "another", "dense")]
    for view in views:
        view.mark(ended(0))
    assert [view.close(True, {}, 60) for view in views] == [[], [], []]
    there = shown(sqlite)
    assert len(there.runs) == 1
    parents = {
        run.data.tags["mlflow.parentRunId"]
        for run in there.client.search_runs([there.experiment])
        if "mlflow.parentRunId" in run.data.tags
    }
    assert len(parents) == 3


def test_changed_settings_become_tags(make_view, sqlite, shown, study_settings):
    for trials in (2, 5, 9):
        view = make_view(sqlite, settings={**study_settings, "trials": trials, "new": 1})
        assert view.close(True, {}, 60) == []
    parent = shown(sqlite).parent
    assert parent.data.params["trials"] == "2"
    assert parent.data.tags["changed.trials"] == "9"
    assert "changed.new" not in parent.data.tags


def test_what_is_late_is_reported_by_name(make_view, sqlite, ended, monkeypatch, study_name):
    view = make_view(sqlite)
    monkeypatch.setattr(MlflowClient, "log_batch", _unavailable)
    view.mark(ended(0))
    view.mark(ended(1))
    problems = view.close(True, {}, 0.5)
    names = [line.split(":")[0] for line in problems]
    assert names[-2:] == [ended(0).name, ended(1).name]
    assert study_name in names
    assert all("database is locked" in line and "\n" not in line for line in problems)


def _unavailable(*arguments, **keywords):
    raise MlflowException("database is locked", error_code=3)


@pytest.mark.slow
def test_a_server_that_is_killed_and_started_again_has_everything_once(server, make_view, shown, ended):
    """Killed with SIGKILL while trials report, away for some seconds, back on the same database."""
    view = make_view(server.uri)
    trials = [running(ended(number, accuracies=(0.5,))) for number in range(8)]
    for trial in trials:
        view.mark(trial)
    stop = threading.Event()

    def train():
        epoch = 1
        while not stop.wait(0.1):
            epoch += 1
            for trial in trials:
                trial.add_row({**trial.rows[0], "epoch": epoch, "validation_accuracy": epoch / 3})
                started = time.perf_counter()
                view.mark(trial)
                assert time.perf_counter() - started < 0.05  # also if the server does not answer

    training = threading.Thread(target=train)
    training.start()
    try:
        for _ in range(2):
            time.sleep(1.5)
            server.kill()
            time.sleep(2)
            server.start()
    finally:
        stop.set()
        training.join()
    for trial in trials:
        trial.status, trial.ended = "finished", 200.0
        view.mark(trial)
    assert view.close(True, {"trials.parquet": b"PAR1"}, 120) == []
    there = shown(server.uri)
    assert [run.info.status for run in there.runs] == ["FINISHED"] * 8
    assert len(trials[0].rows) > 20
    for run, trial in zip(there.runs, trials, strict=True):
        recorded = [
            (int(row["epoch"]), row["validation_accuracy"], stamp)
            for row, stamp in zip(trial.rows, trial.stamps, strict=True)
        ]
        assert there.history(run) == recorded
    assert there.parent.info.status == "FINISHED"


def test_the_view_reports_at_once_that_no_server_answers(home, study_settings):
    with pytest.raises(ValueError, match="does not answer"):
        MlflowView("http://127.0.0.1:9", home, "mine", study_settings, (), bytes)
