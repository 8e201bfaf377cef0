"""The content of a trial's run: batches, limits, parameters, inputs."""

import json
from itertools import chain

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

from cops_core.config import Control, Floor, Selection
from study.records.trial import Status
from study.tracking.content import (
    BATCH,
    END_STATES,
    PARAM_LENGTH,
    TAG_LENGTH,
    params,
    replay_record,
    row_batches,
    selection_tags,
)
from study.tracking.refusal import is_lost, is_refusal, is_too_old, reason


def test_limits_are_mlflows():
    assert BATCH == MAX_METRICS_PER_BATCH
    assert PARAM_LENGTH == MAX_PARAM_VAL_LENGTH
    assert TAG_LENGTH <= MAX_TAG_VAL_LENGTH
    assert set(END_STATES) == set(Status.__args__)


@pytest.mark.parametrize("width", [1, 7, 333, 500, 501, 1000, 1500])
@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 1), (0, 40), (17, 40)])
def test_batches_have_complete_rows_in_order_each_once(ended, width, start, stop):
    trial = ended(0, accuracies=())
    for epoch in range(1, 41):
        trial.add_row({"epoch": epoch, **{f"m{column}": epoch + column for column in range(width)}}, epoch)
    batches = list(row_batches(trial, start, stop))
    logged = [(m.step, m.timestamp, m.key, m.value) for m in chain.from_iterable(b for _, b in batches)]
    assert logged == [
        (epoch, epoch, f"m{column}", epoch + column)
        for epoch in range(start + 1, stop + 1)
        for column in range(width)
    ]
    for position, (_, batch) in enumerate(batches):
        assert len(batch) <= max(1000, width)
        assert len(batch) % width == 0
        if position + 1 < len(batches):  # as few batches as possible
            assert len(batch) + width > 1000
    counts = [start + sum(len(b) for _, b in batches[: i + 1]) // width for i in range(len(batches))]
    assert [after for after, _ in batches] == counts


def test_a_parameter_of_a_users_space_may_have_any_name():
    """A trial that the space rejected has only the sampler's parameters."""
    first, second = params({"[bold]how?": "a", "{bold}how?": "b"})
    assert first.key != second.key
    assert all(param.key.startswith("_bold_how_-") for param in (first, second))


def test_parameters_are_dotted_and_what_is_too_long_is_cut():
    values = {
        "a": {"b": 1, "c": None, "d": {"e": "text"}},
        "f": [{"g": 0.1}, {"g": True}],
        "h": ["x", "y"],
        "i": "z" * 6000,
        "j": "z" * 6001,
    }
    found = {param.key: param.value for param in params(values)}
    cut = found.pop("j")
    assert found == {
        "a.b": "1",
        "a.d.e": "text",
        "f.0.g": "0.1",
        "f.1.g": "True",
        "h": "['x', 'y']",
        "i": "z" * 6000,
    }
    assert len(cut) == 6000
    assert "z ... (cut" in cut
    assert "config.json" in cut


def test_the_record_of_a_replay_is_json_also_without_facts(ended):
    trial = ended(0, "failed", ())
    trial.facts = None
    record = json.loads(json.dumps(replay_record(trial)))
    assert (record["epochs"], record["mask_sha256"], record["machine"], record["plugins"]) == (
        0,
        None,
        {},
        {},
    )


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (MlflowException("no", INVALID_PARAMETER_VALUE), True),
        (TypeError("a bug of ours"), True),
        (MlflowException("the database is locked"), False),
        (MlflowException("gone", RESOURCE_DOES_NOT_EXIST), False),
        (ConnectionError("refused"), False),
        (TimeoutError(), False),
    ],
)
def test_a_temporary_error_is_not_a_refusal(error, refused):
    assert is_refusal(error) == refused
    assert is_lost(error) == ("gone" in str(error))
    assert not is_too_old(error)


def test_a_reason_is_one_short_line():
    assert reason(ValueError("first\nsecond")) == "ValueError: first"
    assert reason(TimeoutError()) == "TimeoutError: "
    assert len(reason(ValueError("x" * 9999))) == 200


def test_a_server_without_logged_models_has_only_the_data(make_view, sqlite, shown, ended, monkeypatch):
    def unknown(*arguments, **keywords):
        raise MlflowException("404", ENDPOINT_NOT_FOUND)

    monkeypatch.setattr(MlflowClient, "search_logged_models", unknown)
    view = make_view(sqlite)
    for number in range(2):
        trial = ended(number)
        view.mark(trial)
    assert view.close(True, {}, 60) == []
    for run in shown(sqlite).runs:
        inputs = shown(sqlite).client.get_run(run.info.run_id).inputs
        assert len(inputs.dataset_inputs) == 1
        assert inputs.model_inputs == []


def test_runs_that_differ_in_one_choice_of_the_selection_differ_in_a_tag():
    assert selection_tags(None) == dict.fromkeys(("combine", "floor", "batches", "temperature", "steps"), "")
    plain = {"combine": "", "floor": "", "batches": "1", "temperature": "200", "steps": ""}
    assert selection_tags(Selection(target="grasp")) == plain
    others = {
        "floor": (Selection(target="grasp", floor=Floor(count=2, per="unit")), "2 per unit"),
        "batches": (Selection(target="grasp", batches=3), "3"),
        "temperature": (Selection(target="grasp", temperature=1.5), "1.5"),
    }
    for name, (selection, value) in others.items():
        assert selection_tags(selection) == {**plain, name: value}
    ahead = {**plain, "temperature": "", "steps": "3 at 0.1"}
    assert selection_tags(Selection(target="prospr")) == ahead
    pair = Selection(target="snip", controls=(Control(score="random", level=0.5),), combine="union")
    assert selection_tags(pair) == {**plain, "combine": "union", "temperature": ""}
