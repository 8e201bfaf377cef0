"""Methods that know the trained network are marked wherever methods stand side by side."""

import io

import pytest
from rich.console import Console

from cops_core.config import Selection, Training, TrialConfig
from cops_core.trial import Trial
from search_spaces.question import Compare
from study.analysis.configurations import ConfigurationResult, by_configuration
from study.analysis.judged import method_table
from study.tracking.content import closing_metrics
from study.views.methods import methods_content, print_methods
from study.views.report.methods import method_cells

MARK = "(not before training)"
TRAINED = TrialConfig(
    arm="prune",
    selection=Selection(target="magnitude", at="trained"),
    density="0.01",
    training=Training(epochs=2),
)


@pytest.fixture
def trial(ended):
    return ended(1, config=TRAINED)


def test_a_configuration_is_marked(ended, trial):
    assert ConfigurationResult(0, (ended(0),)).marked_method == "freeze snip"
    assert ConfigurationResult(1, (trial,)).marked_method == f"prune magnitude, after training {MARK}"
    trial.facts = {**trial.facts, "at_chance": True}
    assert ConfigurationResult(1, (trial,)).marked_method.endswith("(not before training, at chance)")


def test_a_method_is_marked_in_terminals_reports_and_json(ended, trial):
    trials = [ended(0), trial]
    table = method_table(by_configuration(trials), Compare(), planned=1)
    shown = Console(file=io.StringIO(), width=200)
    print_methods(shown, table, {})
    assert shown.file.getvalue().count(MARK) == 1
    assert [cell.method.endswith(MARK) for group in method_cells(table, {}) for cell in group].count(
        True
    ) == 1
    rows = methods_content(table, {})["rows"]
    marks = {row["method"]: row["caveat"] for row in rows}
    assert marks == {"freeze snip": None, "prune magnitude, after training": "not before training"}


def test_mlflow_has_the_cost_before_the_mask(trial):
    trial.facts = {**trial.facts, "before_mask": Trial(TRAINED).facts["before_mask"]}
    logged = {metric.key: metric.value for metric in closing_metrics(trial)}
    assert logged["trainings_before_mask"] == 1
    assert logged["epochs_before_mask"] == 2
    assert logged["steps_before_mask"] == trial.facts["before_mask"]["steps"] > 0
