"""MLflow's view of a study, in a real database and behind a real server."""

import json
import math
import random
import subprocess
import sys
import time

import psutil
import pytest
import requests
from mlflow import MlflowClient

from cops_core.config import Selection, TrialConfig
from cops_core.machine import machine
from cops_core.plugins import Plugin
from study.records.trial import StudyTrial
from study.tracking import fetch, histories

from ..made_facts import SHA256, made_facts

ALWAYS = {f"{name}.json" for name in ("config", "layer_densities", "manifest", "connectivity", "accounting")}


def write(view, trials, complete=True, files=None):
    """A study that runs without trouble: each trial is marked at its beginning and at its end."""
    for trial in trials:
        view.mark(trial)
    return view.close(complete, files or {}, 60)


def test_each_trial_is_a_run_below_one_parent(make_view, tracking_uri, shown, ended):
    trials = [
        ended(0),
        ended(1, "stopped", (0.1, 0.3, 0.2), configuration=4, seed_index=2, identity="ab" * 32, node="n1"),
        ended(2, "failed", (), reason="gone", log="Traceback"),
        ended(3, reused_from="other/00001-abc"),
    ]
    files = {"trials.parquet": b"PAR1", "figures/a.png": b"PNG"}
    plugins = [Plugin("mine", "a" * 64, "SCORES = {}"), Plugin("installed", "b" * 64)]
    assert write(make_view(tracking_uri, plugins=plugins), trials, files=files) == []
    there = shown(tracking_uri)
    assert there.parent.info.status == "FINISHED"
    assert there.parent.data.tags["status"] == "finished"
    assert there.parent.data.params["question.kind"] == "rates"
    assert there.files(there.parent) == {"study.json", "trials.parquet", "figures", "plugins"}
    nested = there.client.list_artifacts(there.parent.info.run_id, "plugins")
    assert [file.path for file in nested] == ["plugins/mine.py"]

    runs = there.runs
    assert [run.data.tags["status"] for run in runs] == ["finished", "stopped", "failed", "finished"]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED", "FINISHED"]
    assert [run.data.tags["rows"] for run in runs] == ["2", "3", "0", "2"]
    assert runs[3].data.tags["reused_from"] == "other/00001-abc"
    run = runs[1]
    assert (run.info.start_time, run.info.end_time) == (100_000, 101_500)
    assert run.info.run_name == f"{trials[1].title} s=2"
    assert run.data.params["selection.target"] == "snip"
    assert run.data.params["training.learning_rate"] == "0.05"
    expected = {
        "trial": trials[1].name,
        "configuration": "4",
        "seed_index": "2",
        "identity": "ab" * 32,
        "node": "n1",
        "title": "freeze snip q=0.99",
        "method": "freeze snip",
        "level": "",
        "arm": "freeze",
        "target": "snip",
        "rate": "0.99",
        "seed": "0",
    }
    assert run.data.tags.items() >= expected.items()
    assert "reused_from" not in run.data.tags
    assert run.data.tags["version.torch"].startswith("2.")
    assert "mlflow.source.git.commit" in run.data.tags
    assert run.data.metrics["compression"] == 10.0
    assert run.data.metrics["validation_accuracy"] == 0.2
    assert (run.data.metrics["best_validation_accuracy"], run.data.metrics["best_epoch"]) == (0.3, 2.0)
    logged = [(1, 0.1, trials[1].stamps[0]), (2, 0.3, trials[1].stamps[1]), (3, 0.2, trials[1].stamps[2])]
    assert there.history(run) == logged
    assert there.files(run) == ALWAYS
    assert there.files(runs[2]) == ALWAYS | {"log.txt"}
    assert runs[2].data.tags["reason"] == "gone"


def test_every_end_has_its_state(make_view, sqlite, shown, ended):
    states = {
        "finished": "FINISHED",
        "stopped": "FINISHED",
        "diverged": "FINISHED",
        "collapsed": "FINISHED",
        "infeasible": "FINISHED",
        "failed": "FAILED",
        "out_of_memory": "FAILED",
        "killed": "FAILED",
        "interrupted": "KILLED",
    }
    trials = [ended(number, status) for number, status in enumerate(states)]
    assert write(make_view(sqlite), trials, complete=False) == []
    runs = shown(sqlite).runs
    assert {run.data.tags["status"]: run.info.status for run in runs} == states
    assert shown(sqlite).parent.info.status == "KILLED"
    without_best = [run.data.tags["status"] for run in runs if "best_epoch" not in run.data.metrics]
    assert without_best == ["interrupted"]


def test_what_a_replay_needs_is_in_one_file(make_view, sqlite, shown, ended, home):
    trial = ended(0, identity="ab" * 32)
    facts = {"plugins": {"mine": "c" * 64}, "machine": {**machine(), "threads": 3}}
    trial.facts |= facts
    assert write(make_view(sqlite), [trial]) == []
    (run,) = shown(sqlite).runs
    record = json.loads(fetch(run.info.run_id, "config.json", sqlite, home))
    assert TrialConfig.model_validate(record["config"]) == trial.config
    assert record.items() >= {**SHA256, **facts, "epochs": 2, "status": "finished"}.items()
    assert record["versions"]["torch"].startswith("2.")
    assert run.data.tags["plugin.mine"] == "c" * 64


def test_floats_come_back_exactly(make_view, tracking_uri, shown, ended, home):
    draws = random.Random(0)
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 2.0**-1074 * 3, *map(draws.gauss, [0] * 20)]
    trial = ended(0, "diverged", values)
    trial.rows[-1] |= {"train_loss": math.nan, "validation_loss": math.inf}
    view = make_view(tracking_uri)
    assert write(view, [trial]) == []
    assert write(make_view(tracking_uri), [trial]) == []  # again: nothing is logged twice, not even NaN
    there = shown(tracking_uri)
    (run,) = there.runs
    accuracies = there.history(run)
    assert [value for _, value, _ in accuracies] == values
    names = ["train_loss", "validation_loss", "nosuch"]
    losses = histories(run.info.run_id, names, tracking_uri, home)
    assert losses["train_loss"][1] == 1.0
    # Not finite is NaN, as in the record: else a record read back would disagree with MLflow.
    assert math.isnan(losses["train_loss"][len(values)])
    assert math.isnan(losses["validation_loss"][len(values)])
    assert losses["nosuch"] == {}
    assert len(there.history(run, "train_loss")) == len(values)


def test_data_and_initial_state_are_inputs_and_shared(make_view, tracking_uri, shown, ended):
    trials = [ended(number) for number in range(3)]
    trials[2].facts["theta0_sha256"] = "1" * 64
    assert write(make_view(tracking_uri), trials) == []
    assert write(make_view(tracking_uri), trials) == []
    there = shown(tracking_uri)
    runs = [there.client.get_run(run.info.run_id) for run in there.runs]
    for run in runs:
        (data,) = run.inputs.dataset_inputs
        assert (data.dataset.name, data.dataset.digest) == ("digits", "d" * 36)
        assert {tag.key: tag.value for tag in data.tags}["mlflow.data.context"] == "training, validation"
    models = [[entry.model_id for entry in run.inputs.model_inputs] for run in runs]
    assert models[0] == models[1] != models[2]
    names = [there.client.get_logged_model(model).name for (model,) in models]
    assert names[1:] == ["lenet_300_100-xavier_normal-" + "e" * 12, "lenet_300_100-xavier_normal-" + "1" * 12]
    found = there.client.search_logged_models(
        [there.experiment], f"tags.parent = '{there.parent.info.run_id}'"
    )
    assert len(found) == 2
    assert {str(model.status) for model in found} == {"READY"}


def test_a_network_that_is_written_late_is_attached_at_the_end(make_view, sqlite, shown, ended, storage):
    early, late, never = ended(0), ended(1, "stopped"), ended(2, "stopped")
    storage["somewhere"] = b"early"
    early.facts["artifact"] = {"file": "somewhere", "sha256": "0" * 64}
    view = make_view(sqlite)
    for trial in (early, late, never):
        view.mark(trial)
    wait_until(lambda: len(shown(sqlite).runs) == 3 and shown(sqlite).runs[2].info.status == "FINISHED")
    storage[f"artifacts/{late.name}.safetensors"] = b"late"
    assert view.close(True, {}, 60) == []
    there = shown(sqlite)
    has_network = ["network.safetensors" in there.files(run) for run in there.runs]
    assert has_network == [True, True, False]

    storage[f"artifacts/{never.name}.safetensors"] = b"later still"
    view = make_view(sqlite)
    view.resume([early, late, never])
    assert view.close(True, {}, 60) == []
    assert "network.safetensors" in there.files(there.runs[2])


def test_the_final_network_replaces_that_of_an_interruption(
    make_view, sqlite, shown, ended, storage, home, tmp_path
):
    trials = [ended(0, "interrupted"), ended(1, "interrupted")]
    files = [f"artifacts/{trial.name}.safetensors" for trial in trials]
    storage |= dict.fromkeys(files, b"half")
    assert write(make_view(sqlite), trials) == []
    view = make_view(sqlite)
    view.resume(trials)
    trials[0].status, trials[1].status = "finished", "stopped"
    storage[files[0]] = b"whole"
    trials[0].facts["artifact"] = {"file": files[0], "sha256": "0" * 64}
    for trial in trials:
        view.mark(trial)
    wait_until(lambda: shown(sqlite).runs[1].data.tags["status"] == "stopped")
    storage[files[1]] = b"whole too"  # the worker learns later that it was stopped
    assert view.close(True, {}, 60) == []
    found = [fetch(run.info.run_id, "network.safetensors", sqlite, home) for run in shown(sqlite).runs]
    assert found == [b"whole", b"whole too"]


def test_a_refused_value_is_one_problem_and_blocks_nothing(
    make_view, tracking_uri, shown, ended, monkeypatch
):
    monkeypatch.setattr("study.tracking.content.accepted_name", str)  # names are logged as they are
    trials = [ended(0), ended(1), ended(2)]
    trials[1].rows[0]["no$metric"] = 1.0
    problems = write(make_view(tracking_uri), trials)
    assert len(problems) == 1
    assert problems[0].startswith(
        f"{trials[1].name}: MlflowException" if "sqlite" in tracking_uri else "00001"
    )
    assert "no$metric" in problems[0]
    assert "\n" not in problems[0]
    there = shown(tracking_uri)
    assert [run.info.status for run in there.runs] == ["FINISHED"] * 3
    assert [run.data.tags["rows"] for run in there.runs] == ["2", "", "2"]
    assert there.parent.info.status == "FINISHED"

    del trials[1].rows[0]["no$metric"]  # what the record says is put right: the next time takes it
    view = make_view(tracking_uri)
    view.resume(trials)
    assert view.close(True, {}, 60) == []
    assert [len(there.history(run)) for run in there.runs] == [2, 2, 2]


def test_what_is_too_long_for_mlflow_is_cut(make_view, study_settings, tracking_uri, shown, ended):
    trial = ended(0, "failed", reason="x" * 20_000)
    assert write(make_view(tracking_uri, settings={**study_settings, "long": "y" * 20_000}), [trial]) == []
    (run,) = shown(tracking_uri).runs
    assert set(run.data.tags["reason"]) == {"x"}
    value = shown(tracking_uri).parent.data.params["long"]
    assert len(value) == 6000
    assert "(cut" in value
    assert "config.json" in value


def test_an_unavailable_artifact_store_delays_no_metric(make_view, sqlite, shown, ended, home):
    view = make_view(sqlite)
    view.mark(ended(0, accuracies=()))
    wait_until(lambda: (home / "artifacts").is_dir())
    (home / "artifacts").rename(home / "kept")
    (home / "artifacts").write_text("a file where the folder was")
    view.mark(ended(1))
    problems = view.close(True, {"trials.parquet": b"PAR1"}, 60)
    assert [line.split(":")[0] for line in problems][-2:] == [ended(1).name, shown(sqlite).name]
    assert [value for _, value, _ in shown(sqlite).history(shown(sqlite).runs[1])] == [0.5, 0.9]
    assert shown(sqlite).runs[1].info.status == "FINISHED"
    (home / "artifacts").unlink()
    (home / "kept").rename(home / "artifacts")
    view = make_view(sqlite)
    view.resume([ended(0, accuracies=()), ended(1)])
    assert view.close(True, {"trials.parquet": b"PAR1"}, 60) == []
    assert shown(sqlite).files(shown(sqlite).runs[1]) == ALWAYS
    assert "trials.parquet" in shown(sqlite).files(shown(sqlite).parent)


def test_a_mark_waits_for_nothing_and_every_epoch_arrives(make_view, sqlite, shown):
    config = TrialConfig(arm="freeze", selection=Selection(target="snip"), density="0.01")
    view = make_view(sqlite)
    count, epochs, names = 20, 20, [f"metric{index}" for index in range(10)]
    trials = []
    for number in range(count):
        trial = StudyTrial(number=number, config=config, status="finished", started=100.0, ended=101.0)
        for epoch in range(1, epochs + 1):
            trial.add_row({"epoch": epoch, "validation_accuracy": 0.5, **dict.fromkeys(names[1:], epoch / 3)})
        trial.facts = made_facts()
        trials.append(trial)
    wait_until(lambda: shown(sqlite).parents)
    started = time.perf_counter()
    for trial in trials:
        view.mark(trial)
    marked = time.perf_counter() - started
    assert view.close(True, {}, 60) == []
    assert marked < (time.perf_counter() - started) / 2
    assert [len(shown(sqlite).history(run, "metric9")) for run in shown(sqlite).runs] == [epochs] * count


@pytest.mark.slow
def test_the_ui_serves_the_home_on_this_machine_only(make_view, sqlite, shown, home, ended, free_port):
    assert write(make_view(sqlite), [ended(0)]) == []
    command = [sys.executable, "-m", "study.cli", "ui", "--home", str(home), "--port", str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{free_port}/health", server)
            page = requests.get(f"http://127.0.0.1:{free_port}/", timeout=10)
            assert "MLflow" in page.text
            remote = MlflowClient(f"http://127.0.0.1:{free_port}")
            (run,) = shown(sqlite).runs
            assert len(remote.list_artifacts(run.info.run_id)) == len(ALWAYS)
            listening = [c.laddr for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            assert {address.ip for address in listening if address.port == free_port} == {"127.0.0.1"}
        finally:
            server.terminate()
            assert server.wait(30) is not None
    with pytest.raises(requests.ConnectionError):  # nothing is left behind
        requests.get(f"http://127.0.0.1:{free_port}/health", timeout=2)


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def wait_for(url, server):
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.25)
    pytest.fail(f"{url} did not answer")
