"""The texts of runs and of the experiment: names, descriptions, the line that loads a network."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from cops_core.config import Control, Selection, TrialConfig
from cops_core.trial import Trial
from study.places import DEFAULT_HOME, tracking
from study.tracking import browse, connect, experiment_id
from study.tracking.content import opening_tags
from study.tracking.describe import link_files, opening_note, run_name, study_note, trial_note, where
from study.tracking.saved_views import CHOSEN, FILTERS, NOTE, STUDIES, VIEW_TAG

COPS = Selection(target="snip", controls=(Control(score="synflow", level=0.3),))


def test_a_runs_name_says_the_method_the_rate_and_the_seed(ended):
    config = TrialConfig(arm="freeze", selection=COPS, density="0.01")
    assert run_name(ended(config=config)) == "freeze cops(snip; synflow 0.3) q=0.99 s=0"
    assert run_name(ended(config=TrialConfig(), seed_index=2)) == "dense s=2"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "The dense network: all weights of `lenet_300_100` are trained on `digits`. Seed 1 of"),
        (
            {"arm": "freeze", "selection": COPS, "density": "0.005"},
            "0.5 % of the weights of `lenet_300_100` are trained on `digits`: those of as much snip as keeps"
            " synflow above level 0.3; all others stay at their initial values. Seed 1 of",
        ),
        (
            {"arm": "prune", "selection": Selection(target="snip", rounds=9), "density": "0.1"},
            "10 % of the weights of `lenet_300_100` are trained on `digits`: those of the highest snip, 9"
            " rounds; all others are zero. Seed 1 of",
        ),
        (
            {"arm": "prune", "selection": Selection(target="synflow", rounds=100), "density": "0.1"},
            "10 % of the weights of `lenet_300_100` are trained on `digits`: those of the highest synflow,"
            " 100 rounds; all others are zero. Seed 1 of",
        ),
        (
            {"arm": "scale", "scale": 0.5, "selection": Selection(target="snip"), "density": "1"},
            "100 % of the weights of `lenet_300_100` are trained on `digits`: those of the highest snip; all"
            " others stay at 0.5 times their initial values. Seed 1 of",
        ),
        (
            {"arm": "freeze_wd", "selection": Selection(target="snip"), "density": "0.0005"},
            "0.05 % of the weights of `lenet_300_100` are trained on `digits`: those of the highest snip; all"
            " others decay from their initial values. Seed 1 of",
        ),
    ],
)
def test_a_method_is_a_sentence(ended, config, words):
    assert opening_note(ended(config=TrialConfig(**config), seed_index=1)).startswith(words)


def test_a_trials_description_begins_with_its_result(ended):
    trial = ended(0)
    trial.facts["accounting"]["artifact_bytes"] = 14124
    note = trial_note(trial, "abc", " --home there")
    first = "finished after 2 epochs, validation accuracy 90.00%, 100 of 1,000 parameters trained"
    assert note.startswith(f"**{first}, 14,124 bytes stored**\n\n{opening_note(trial)}")
    assert (
        "\ncops show abc --home there\ncops replay abc --home there\ncops unpack abc --home there\n" in note
    )
    failed = trial_note(ended(1, "failed", (), reason="no memory"), "abc", "")
    assert failed.startswith("**failed, 100 of 1,000 parameters trained, 500 bytes stored (no memory)**")
    assert failed.endswith("```sh\ncops show abc\n```")  # nothing was trained that could be replayed


def test_commands_name_a_place_that_is_not_the_default(home):
    assert where(tracking(DEFAULT_HOME, None), DEFAULT_HOME) == ""
    assert where(tracking(home, None), home) == f" --home {home}"
    assert where("http://127.0.0.1:5000", home) == " --tracking-uri http://127.0.0.1:5000"
    settings = {"space": "quickstart", "trials": 5, "seeds": 3, "storage": "s3://b/dir"}
    settings["question"] = {"kind": "rates", "rates": ["0.9"]}
    note = study_note("mine", settings, Path("else where"), "**Best.**")
    assert note.startswith("**Best.**\n\n")
    assert "5 configurations over up to 3 seeds" in note
    assert "\ncops resume mine --home 'else where' --storage s3://b/dir\n" in note


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (
            {"kind": "rates", "rates": ["0.9", "0.99"]},
            "best validation accuracy at the freezing rates 0.9, 0.99?",
        ),
        (
            {"kind": "pareto", "rates": [], "cost": "bytes"},
            "Which validation accuracy is possible at which bytes?",
        ),
        (
            {"kind": "smallest", "rates": [], "keep": "0.98"},
            "How few weights keep 98.0% of the dense network's",
        ),
    ],
)
def test_a_studys_description_has_its_question(question, words):
    settings = {"space": "s", "trials": 5, "seeds": 2, "question": question}
    note = study_note("mine", settings, DEFAULT_HOME, "x")
    assert words in note
    assert "`s` with 5 configurations over up to 2 seeds" in note


def test_files_of_the_run_are_found_by_their_paths():
    text = "![a b](artifact:figures/a.png) and [the report](artifact:report.html), [x](http://y)"
    assert link_files(text, "1", "abc") == (
        "![a b](get-artifact?path=figures/a.png&run_uuid=abc) and [the report](#/experiments/1/runs/abc/"
        "artifacts/report.html?workflowType=machine_learning), [x](http://y)"
    )


def test_the_line_that_comes_with_a_network_loads_it(make_view, sqlite, shown, ended, storage, tmp_path):
    trial = ended(0)
    network = Trial(trial.config, data_root=tmp_path)
    storage["somewhere"] = network.artifact()
    trial.facts["artifact"] = {"file": "somewhere", "sha256": "0" * 64}
    view = make_view(sqlite)
    view.mark(trial)
    assert view.close(True, {}, 60) == []
    there = shown(sqlite)
    (run,) = there.runs
    for file in ("network.safetensors", "load.py"):
        there.client.download_artifacts(run.info.run_id, file, str(tmp_path))
    code = (tmp_path / "load.py").read_text()
    assert "freeze snip q=0.99 s=0" in code
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(sum(p.numel() for p in network.model.parameters()))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(said.stdout) == network.facts["parameters"]


def test_a_study_is_described_while_it_runs_and_when_it_has_ended(make_view, tracking_uri, shown, ended):
    view = make_view(tracking_uri)
    view.mark(ended(0))
    assert view.close(True, {"a.png": b"PNG"}, 60, "**Freezing wins.** ![key](artifact:a.png)") == []
    parent = shown(tracking_uri).parent
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith(
        f"**Freezing wins.** ![key](get-artifact?path=a.png&run_uuid={parent.info.run_id})"
    )
    assert "**Which method has the best validation accuracy at the freezing rates 0.99?**" in note
    if tracking_uri.startswith("http"):  # the picture's address, relative to the server's root
        picture = re.search(r"\((get-artifact\S+)\)", note)[1]
        assert requests.get(f"{tracking_uri}/{picture}", timeout=10).content == b"PNG"
    view = make_view(tracking_uri)
    view.resume([ended(0)])
    assert view.close(False, {}, 60) == []
    assert shown(tracking_uri).parent.data.tags["mlflow.note.content"].startswith("The study is interrupted.")


def test_the_filters_find_what_they_say(make_view, sqlite, shown, ended):
    kinds = {
        "quickstart": [
            TrialConfig(),
            TrialConfig(arm="freeze", selection=COPS, density="0.01"),
            TrialConfig(arm="prune", selection=COPS, density="0.05"),
            TrialConfig(arm="freeze", selection=Selection(target="snip"), density="0.01"),
        ],
        "another": [TrialConfig(arm="freeze", selection=Selection(target="grasp"), density="0.01")],
    }
    for name, configs in kinds.items():
        view = make_view(sqlite, name=name)
        for number, config in enumerate(configs):
            view.mark(ended(number, config=config, accuracies=(0.5, 0.9 - number / 10)))
        assert view.close(True, {}, 60) == []
    client = MlflowClient(sqlite)
    experiment = client.get_experiment_by_name("cops-study")
    found = [
        {run.info.run_name for run in client.search_runs([experiment.experiment_id], f)} for f in FILTERS
    ]
    cops_q = "cops(snip; synflow 0.3) q="
    assert found == [
        {f"freeze {cops_q}0.99 s=0", "freeze snip q=0.99 s=0"},
        {"freeze grasp q=0.99 s=0"},
        {f"freeze {cops_q}0.99 s=0", f"prune {cops_q}0.95 s=0"},
    ]
    assert all(words in experiment.tags["mlflow.note.content"] for words in FILTERS)


def test_columns_of_the_saved_views_exist(make_view, sqlite, shown, ended):
    trial = ended(0)
    view = make_view(sqlite)
    view.mark(trial)
    assert view.close(True, {}, 60) == []
    (run,) = shown(sqlite).runs
    there = {f"metrics.`{name}`" for name in run.data.metrics} | {f"tags.`{name}`" for name in run.data.tags}
    assert set(CHOSEN) <= there


def test_an_old_experiment_receives_missing_tags_and_keeps_its_users_tags(home, sqlite):
    client = connect(sqlite)
    old = client.create_experiment("cops-study", tags={"mine": "too", "mlflow.note.content": "my words"})
    assert browse(home) == (
        f"/#/experiments/{old}/runs?viewStateShareKey={STUDIES}&workflowType=machine_learning"
    )
    tags = client.get_experiment(old).tags
    assert (tags["mine"], tags["mlflow.note.content"]) == ("too", "my words")
    state = json.loads(json.loads(tags[f"{VIEW_TAG}{STUDIES}"])["state"])
    assert state["selectedColumns"] == list(CHOSEN)
    client.set_experiment_tag(old, f"{VIEW_TAG}{STUDIES}", "of an older version")
    assert experiment_id(client, sqlite, home) == old
    assert client.get_experiment(old).tags == tags
    client.delete_experiment(old)
    assert browse(home) == "/"  # from there a user finds what was deleted


def test_a_new_experiment_has_a_description(home, sqlite):
    client = connect(sqlite)
    experiment = client.get_experiment(experiment_id(client, sqlite, home))
    assert experiment.tags["mlflow.note.content"] == NOTE
    assert sum(key.startswith(VIEW_TAG) for key in experiment.tags) == 3


def test_a_trial_on_a_fresh_seed_says_what_it_trains(ended):
    trial = ended(number=9, configuration=9, judges=4, seed_index=2)
    trial.facts["test_accuracy"] = 0.875
    assert run_name(trial) == "freeze snip q=0.99 judging s=2"
    assert "Validation chose configuration 4: here it is trained on fresh seed 2." in opening_note(trial)
    assert "test accuracy 87.50%" in trial_note(trial, "0" * 32, "")
    tags = opening_tags({}, "parent", trial)
    assert (tags["stage"], tags["judges"], tags["configuration"]) == ("judging", "4", "9")
    assert not {"stage", "judges"} & set(opening_tags({}, "parent", ended()))
