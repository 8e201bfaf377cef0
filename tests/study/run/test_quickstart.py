"""The quickstart through the console script: real Ray, real Optuna, real MLflow."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from .command import ENDED, children, cops


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """`cops launch quickstart --trials 24 --seed 0`, once."""
    folder = tmp_path_factory.mktemp("quickstart")
    done = cops(folder, "launch", "quickstart", "--trials", 24, "--seed", 0)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_quickstart_ends_with_a_table_and_what_to_type_next(quickstart):
    _, done = quickstart
    assert done.stderr == ""
    assert "24 of 24 trials" in done.stdout
    for method in ("dense", "prune snip", "freeze snip"):
        assert method in done.stdout
    assert "cops ui" in done.stdout
    assert "cops status quickstart" in done.stdout
    assert "\x1b" not in done.stdout  # no escape sequences if the output is not a terminal


def test_the_quickstart_is_in_mlflow_as_one_parent_with_24_runs(quickstart):
    folder, _ = quickstart
    client, parent, nested = children(folder / "cops-home", "quickstart")
    assert parent.info.status == "FINISHED"
    assert len(nested) == 24
    for run in nested:
        tags = run.data.tags
        assert tags["status"] in ENDED
        assert run.info.status == "FINISHED"
        assert run.data.params["training.learning_rate"]
        assert {"method", "target", "control", "arm", "seed", "mlflow.source.git.commit"} <= set(tags)
        assert {"version.ray", "version.torch", "version.optuna", "version.mlflow"} <= set(tags)
        history = client.get_metric_history(run.info.run_id, "validation_accuracy")
        assert [metric.step for metric in history] == list(range(1, len(history) + 1))
        assert len(history) == 30 or tags["status"] != "finished"
        artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        expected = {"accounting.json", "config.json"}
        if tags["arm"] != "dense":
            expected |= {"layer_densities.json", "manifest.json", "connectivity.json"}
            assert run.data.metrics["bytes_factor"] > 2
        assert artifacts == expected | {"network.safetensors", "load.py"}


def test_the_same_24_are_in_the_table_and_in_the_records(quickstart):
    folder, _ = quickstart
    _, _, nested = children(folder / "cops-home", "quickstart")
    study = folder / "cops-home" / "studies" / "quickstart"
    rows = pq.read_table(study / "trials.parquet").to_pylist()
    records = [json.loads(path.read_text()) for path in sorted((study / "trials").glob("*.json"))]
    assert len(rows) == len(records) == 24
    runs = {run.data.tags["trial"]: run for run in nested}
    for row, record in zip(rows, records, strict=True):
        run = runs[row["trial"]]
        assert row["number"] == record["number"]
        assert row["status"] == record["status"] == run.data.tags["status"]
        last = record["rows"][-1]["validation_accuracy"]
        assert row["validation_accuracy"] == last == run.data.metrics["validation_accuracy"]
        assert row["epochs"] == len(record["rows"])
    epochs = pq.read_table(study / "epochs.parquet").to_pylist()
    assert len(epochs) == sum(len(record["rows"]) for record in records)


def test_the_baselines_are_among_them_and_were_never_stopped(quickstart):
    folder, _ = quickstart
    rows = pq.read_table(folder / "cops-home/studies/quickstart/trials.parquet").to_pylist()
    baselines = [row for row in rows if row["baseline"]]
    assert [(row["method"], row["freezing_rate"]) for row in baselines] == [
        ("dense", 0.0),
        *(("prune snip", rate) for rate in (0.95, 0.99, 0.995)),
        *(("freeze snip", rate) for rate in (0.95, 0.99, 0.995)),
    ]
    assert {row["status"] for row in baselines} == {"finished"}
    assert "stopped" in {row["status"] for row in rows}
    assert baselines[0]["validation_accuracy"] > 0.9


def test_status_tells_what_the_records_say(quickstart, run):
    folder, _ = quickstart
    home = ("--home", folder / "cops-home")
    content = json.loads(run("status", "quickstart", "--json", *home)[1])
    assert (content["name"], content["ended"], len(content["all"])) == ("quickstart", 24, 24)
    assert sum(content["status"].values()) == 24
    assert {row["method"] for row in content["best"]} >= {"dense", "prune snip", "freeze snip"}
    assert "24/24" in run("status", *home)[1]


def test_the_same_launch_again_finds_everything_done(quickstart, run):
    folder, _ = quickstart
    before = (folder / "cops-home/studies/quickstart/epochs.parquet").read_bytes()
    words = ("launch", "quickstart", "--trials", 9, "--seed", 0)  # fewer take nothing away
    code, out, err = run(*words, "--home", folder / "cops-home")
    assert code == 0, err
    assert "24 have ended, nothing is left to run" in out
    assert (folder / "cops-home/studies/quickstart/epochs.parquet").read_bytes() == before
    _, _, nested = children(folder / "cops-home", "quickstart")
    assert len(nested) == 24


def test_other_settings_under_the_same_name_are_refused_with_the_difference(quickstart, run):
    folder, _ = quickstart
    words = ("launch", "quickstart", "--seed", 1, "--epochs", 3)
    code, _, err = run(*words, "--home", folder / "cops-home")
    assert code == 2
    assert "seed 0, now 1" in err
    assert "epochs None, now 3" in err


@pytest.mark.slow
def test_another_study_of_the_home_reuses_the_results(quickstart):
    folder, _ = quickstart
    done = cops(folder, "launch", "quickstart", "--name", "again", "--trials", 24, "--seed", 0)
    assert done.returncode == 0, done.stderr
    first, second = (
        pq.read_table(folder / f"cops-home/studies/{name}/trials.parquet").to_pylist()
        for name in ("quickstart", "again")
    )
    reused = [row for row in second if row["reused_from"]]
    finished = {row["identity"]: row for row in first if row["status"] == "finished"}
    assert {row["identity"] for row in reused} <= set(finished)
    assert len(reused) >= 7
    assert f"{len(reused)} reused from other studies" in done.stdout
    for row in reused:
        origin = finished[row["identity"]]
        assert row["reused_from"] == f"quickstart/{origin['trial']}"
        assert row["validation_accuracy"] == origin["validation_accuracy"]
        assert (folder / f"cops-home/studies/again/artifacts/{row['trial']}.safetensors").exists()
    _, _, nested = children(folder / "cops-home", "again")
    assert sum("reused_from" in run.data.tags for run in nested) == len(reused)


@pytest.mark.slow
def test_a_run_of_mlflow_is_all_that_a_replay_needs(quickstart):
    folder, _ = quickstart
    _, _, nested = children(folder / "cops-home", "quickstart")
    for method in ("freeze snip", "dense"):
        run = next(run for run in nested if run.data.tags["method"] == method)
        done = cops(folder, "replay", run.info.run_id)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "bit for bit" in done.stdout


def test_python_has_the_same_table(quickstart):
    import study

    folder, _ = quickstart
    table = study.load("quickstart", home=folder / "cops-home")
    rows = pq.read_table(folder / "cops-home/studies/quickstart/trials.parquet").to_pylist()
    assert list(table["trial"]) == [row["trial"] for row in rows]
    assert list(table["validation_accuracy"]) == [row["validation_accuracy"] for row in rows]


@pytest.mark.slow
def test_closing_evaluates_once_and_ends_the_study(quickstart, tmp_path):
    folder, _ = quickstart
    shutil.copytree(folder / "cops-home", tmp_path / "cops-home")
    # The artifacts of the copied database are in the other home.
    done = cops(tmp_path, "close", "quickstart", "--top", 1)
    assert done.returncode == 0, done.stderr
    assert "chosen on validation, evaluated on test" in done.stdout
    (evaluation,) = json.loads((tmp_path / "cops-home/studies/quickstart/closed.json").read_text())
    assert {one["method"] for one in evaluation["results"]} >= {"dense", "prune snip", "freeze snip"}
    assert all(0 < one["test_accuracy"] <= 1 for one in evaluation["results"])
    _, parent, nested = children(tmp_path / "cops-home", "quickstart")
    evaluated = {run.data.tags["trial"] for run in nested if "test_accuracy" in run.data.metrics}
    assert evaluated == {one["trial"] for one in evaluation["results"]}
    assert parent.data.tags["status"] == "closed"
    again = cops(tmp_path, "close", "quickstart", "--top", 1)
    assert "this is evaluation 2 on the test images" in again.stdout
    more = cops(tmp_path, "resume", "quickstart", "--trials", 30)
    assert more.returncode == 2
    assert "is closed" in more.stderr
