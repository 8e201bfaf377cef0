"""A trial's record has the keys that are declared; a key that is misspelt in a reader is an error of mypy."""

import json
import math
from pathlib import Path

import pytest
from mypy import api

from cops_core.config import Selection, Training, TrialConfig
from cops_core.facts import MetricRow
from cops_core.trial import Trial
from study.records.facts import TrialFacts
from study.records.trial import StudyTrial, TrialRecord

from ...declared import undeclared
from ..made_facts import made_facts

ROOT = Path(__file__).parents[3]
FROZEN = TrialConfig(
    arm="freeze", selection=Selection(target="snip"), density="0.1", training=Training(epochs=2, probes=True)
)


def test_made_up_facts_are_as_declared():
    assert undeclared(made_facts(), TrialFacts) == []
    artifact = {"file": "artifacts/a.safetensors", "sha256": "0" * 64}
    assert undeclared(made_facts(artifact=artifact, test_accuracy=0.5), TrialFacts) == []


@pytest.mark.parametrize("config", [FROZEN, TrialConfig(training=Training(epochs=1))], ids=lambda c: c.arm)
def test_the_record_of_a_real_trial_is_as_declared_and_comes_back(config):
    trial = Trial(config)
    done = StudyTrial(number=3, config=config, rate=config.freezing_rate, status="finished", ended=1.5)
    while not trial.done:
        done.add_row(trial.step().row())
    done.facts = made_facts(**trial.facts)
    record = json.loads(json.dumps(done.record()))
    assert undeclared(record, TrialRecord) == []
    again = StudyTrial.from_record(record)
    assert again == done
    assert undeclared(again.facts, TrialFacts) == []
    for row in again.rows:
        assert undeclared({key: row[key] for key in MetricRow.__annotations__}, MetricRow) == []
    assert json.dumps(again.record()) == json.dumps(done.record()), "byte for byte"


def test_nothing_is_known_before_the_first_report():
    record = StudyTrial(number=0, config=FROZEN).record()
    assert undeclared(record, TrialRecord) == []
    assert record["facts"] == {}
    assert StudyTrial.from_record(record).facts is None


def test_what_is_not_finite_is_null_in_the_record_and_nan_again():
    trial = StudyTrial(number=0, config=FROZEN)
    row = dict.fromkeys(MetricRow.__annotations__, math.inf)
    trial.add_row({**row, "epoch": 1, "validation_accuracy": 0.1})
    (recorded,) = trial.record()["rows"]
    assert recorded == {**dict.fromkeys(row), "epoch": 1, "validation_accuracy": 0.1}
    assert math.isnan(StudyTrial.from_record(trial.record()).rows[0]["train_loss"])


def test_facts_of_another_version_are_refused():
    record = StudyTrial(number=0, config=FROZEN, facts=made_facts()).record()
    del record["facts"]["placed"], record["facts"]["accounting"]
    with pytest.raises(KeyError, match="facts: accounting, placed"):
        StudyTrial.from_record(record)


def test_mypy_finds_a_misspelt_fact_and_a_forgotten_none(tmp_path):
    """Only the modules with the types are read: so mypy takes a few seconds."""
    lines = (
        "from cops_core.facts import Facts, MetricRow",
        "from study.records.facts import TrialFacts",
        "def read(facts: TrialFacts, core: Facts, row: MetricRow) -> float:",
        "    facts['trained_parameters'] + row['validation_accuracy']",
        "    facts['trained_parameter']",
        "    row['validation_acuracy']",
        "    facts['connectivity']['live']",
        "    core['plugins']",
        "    facts['accounting']['layers']['fc1']['inferences']",
        "    return facts['compression']",
    )
    file = tmp_path / "reader.py"
    file.write_text("\n".join(lines))
    modules = (ROOT / "cops_core" / "facts.py", ROOT / "study" / "records" / "facts.py")
    alone = ("--config-file=", "--strict", "--follow-imports=skip", f"--cache-dir={tmp_path}")
    output, errors, _ = api.run([*alone, *map(str, modules), str(file)])
    assert errors == ""
    found = [line.split(": ", 2) for line in output.splitlines() if ": error: " in line]
    assert [int(where.rsplit(":", 1)[1]) for where, *_ in found] == [5, 6, 7, 8, 9], output
