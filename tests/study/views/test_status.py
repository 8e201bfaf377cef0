"""What `cops status` prints for real records, as text and as JSON."""

import io
import json
import math
from decimal import Decimal

import pytest
from rich.console import Console

from cops_core.config import Selection, TrialConfig
from cops_core.errors import InputError
from study.records.evaluations import EVALUATIONS
from study.records.lease import Lease
from study.records.runs import write_runs
from study.records.store import StudyStore
from study.views.status import show_status

from ..made_record import made_record

RATE = Decimal("0.99")
SETTINGS = {
    "space": "quickstart",
    "question": {"kind": "rates", "rates": ["0.99"]},
    "trials": 3,
    "seeds": 2,
    "racing": True,
}


@pytest.fixture
def make(tmp_path, ended):
    """Makes a study's folder: its trials by (configuration, seed index, method, accuracy, status)."""

    def write(trials, name="mine", **settings):
        store = StudyStore(str(tmp_path), name)
        store.write_record(made_record({**SETTINGS, "name": name, **settings}))
        for number, (configuration, seed, method, accuracy, status) in enumerate(trials):
            dense = method == "dense"
            config = (
                TrialConfig()
                if dense
                else TrialConfig(arm="freeze", selection=Selection(target=method), density="0.01")
            )
            store.save(
                ended(
                    number,
                    status,
                    () if accuracy is None else (accuracy,),
                    configuration=configuration,
                    seed_index=seed,
                    config=config,
                    baseline=configuration < 2,
                    rate=None if dense else RATE,
                    reason=f"RuntimeError: number {number}" if accuracy is None else "",
                )
            )
        return store

    return write


@pytest.fixture
def status(tmp_path):
    """What is printed in 80 columns."""

    def show(name=None, *, as_json=False, logs=False, width=80):
        output = io.StringIO()
        show_status(Console(file=output, width=width), str(tmp_path), name, as_json=as_json, logs=logs)
        return json.loads(output.getvalue()) if as_json else output.getvalue()

    return show


WHOLE = [
    (0, 0, "dense", 0.97, "finished"),
    (0, 1, "dense", 0.98, "finished"),
    (1, 0, "snip", 0.90, "finished"),
    (1, 1, "snip", 0.92, "finished"),
    (2, 0, "grasp", 0.80, "finished"),
    (2, 1, "grasp", 0.81, "finished"),
]


def test_a_study_whose_trials_have_all_ended_is_complete(make, status):
    make(WHOLE)
    (study,) = status(as_json=True)["studies"]
    assert (study["state"], study["holder"], study["test_evaluations"]) == ("complete", None, [])
    assert (study["ended"], study["trials"], study["seeds"]) == (3, 3, 2)
    assert study["status"] == {"finished": 6}
    text = status()
    assert "complete" in text
    assert "3/3" in text


@pytest.mark.parametrize(
    "trials",
    [
        WHOLE[:4],  # a configuration is missing
        [*WHOLE[:3], *WHOLE[4:]],  # a baseline never loses a seed to a race
        [*WHOLE[:5], (2, 1, "grasp", 0.5, "interrupted")],
        [*WHOLE[:5], (2, 1, "grasp", 0.5, "running")],
    ],
)
def test_a_study_that_can_be_resumed_is_unfinished(make, status, trials):
    make(trials)
    assert status("mine", as_json=True)["state"] == "unfinished"


def test_a_configuration_that_was_raced_out_is_not_missing(make, status):
    make(WHOLE[:5])
    assert status("mine", as_json=True)["state"] == "complete"
    make(WHOLE[:5], racing=False)
    assert status("mine", as_json=True)["state"] == "unfinished"


def test_failures_are_accounted_for(make, status):
    make([*WHOLE[:5], (2, 1, "grasp", None, "killed")])
    assert status("mine", as_json=True)["state"] == "complete"


def test_a_study_with_a_driver_is_running(make, status):
    store = make(WHOLE)
    with Lease(store):
        study = status("mine", as_json=True)
        assert study["state"] == "running"
        assert "process" in study["holder"]
        assert f"running: {study['holder']}" in status("mine")
    assert status("mine", as_json=True)["state"] == "complete"


def test_an_evaluated_study_is_closed(make, status):
    store = make(WHOLE)
    last = {"trial": store.trials()[0].name, "test_accuracy": 0.75}
    store.write_json(
        EVALUATIONS,
        [{"evaluation": 1, "top": 1, "results": []}, {"evaluation": 2, "top": 3, "results": [last]}],
    )
    study = status("mine", as_json=True)
    assert study["state"] == "closed"
    assert [one["top"] for one in study["test_evaluations"]] == [1, 3]
    assert [trial["test_accuracy"] for trial in study["all"][:2]] == [0.75, None]
    assert "evaluated on the test images 2 times" in status("mine")


def test_json_has_mean_deviation_interval_and_p_value(make, status):
    store = make(WHOLE)
    write_runs(store, {store.trials()[2].name: "a2"})
    study = status("mine", as_json=True)
    dense, snip, grasp = study["best"]
    half = 12.7062047 * 0.02 / math.sqrt(2) / math.sqrt(2)  # t with one degree of freedom * sd / sqrt(n)
    assert snip == {
        **snip,
        "configuration": 1,
        "method": "freeze snip",
        "rate": "0.99",
        "status": "finished",
        "seeds": 2,
        "accuracies": {"0": 0.90, "1": 0.92},
        "validation_accuracy": pytest.approx(0.91),
        "deviation": pytest.approx(0.02 / math.sqrt(2)),
        "interval": [pytest.approx(0.91 - half), pytest.approx(0.91 + half)],
        "density": 0.01,
        "stored_bytes": 500.0,
        "trained_parameters": 100,
        "p_value": None,
        "tried": 1,
        "stopped": 0,
        "learning_rate": 0.05,
        "trial_numbers": [2, 3],
        "run_ids": ["a2", None],
    }
    # Differences 0.10 and 0.11: t = 0.105 / 0.005 = 21; p = 1 - 2/pi * atan(t) for one degree of freedom.
    assert grasp["p_value"] == pytest.approx(1 - 2 / math.pi * math.atan(21), rel=1e-6)
    assert dense["p_value"] is None
    assert all(
        each.items() >= one.items() for each, one in zip(study["best"], study["configurations"], strict=True)
    )


def test_json_has_every_status_and_reason(make, status):
    make([*WHOLE[:4], (2, 0, "grasp", None, "out_of_memory"), (2, 1, "grasp", 0.3, "stopped")])
    study = status("mine", as_json=True)
    assert study["status"] == {"finished": 4, "out_of_memory": 1, "stopped": 1}
    assert [(row["status"], row["reason"]) for row in study["all"][4:]] == [
        *(("out_of_memory", "RuntimeError: number 4"), ("stopped", ""))
    ]
    assert [row["seed_index"] for row in study["all"]] == [0, 1] * 3
    assert study["all"][4]["validation_accuracy"] is None
    last = study["configurations"][2]
    assert (last["status"], last["seeds"], last["interval"]) == ("out_of_memory", 1, None)


def test_failures_and_the_best_are_shown_in_eighty_columns(make, status):
    make([*WHOLE[:4], (2, 0, "grasp", None, "failed"), (2, 1, "grasp", None, "killed")])
    text = status("mine")
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines()]
    assert ["4", "failed", "freeze", "grasp", "q=0.99", "RuntimeError:", "number", "4"] in rows
    assert ["5", "killed", "freeze", "grasp", "q=0.99", "RuntimeError:", "number", "5"] in rows
    assert "91.00% ± 12.71% (2)" in text
    assert "freeze snip" in text


def test_logs_of_failures_are_printed_on_request(make, status):
    store = make([*WHOLE[:4], (2, 0, "grasp", None, "failed"), (2, 1, "grasp", 0.3, "stopped")])
    trial = store.trials()[4]
    trial.log = "Traceback (most recent call last):\n  [bold]line 1\nRuntimeError: number 4"
    store.save(trial)
    assert "Traceback" not in status("mine")
    text = status("mine", logs=True)
    assert "trial 4" in text
    assert trial.log in text
    assert "trial 5" not in text
    assert status("mine", as_json=True)["all"][4]["log"] == trial.log


def test_a_study_without_ended_trials_is_shown(make, status):
    make([])
    study = status("mine", as_json=True)
    assert (study["state"], study["ended"], study["best"], study["all"]) == ("unfinished", 0, [], [])
    assert "0/3" in status("mine")


def test_an_unknown_name_is_one_line(make, status):
    with pytest.raises(InputError, match="no studies in"):
        status("mine")
    make(WHOLE)
    with pytest.raises(InputError, match="did you mean 'mine'"):
        status("mime")
