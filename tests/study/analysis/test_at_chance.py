"""Networks that are no better than guessing are named where accuracies and means are shown."""

from study.analysis.configurations import ConfigurationResult
from study.papers.table.cell import Cell
from study.records.tables import trial_row


def guessing(ended, number, **changes):
    trial = ended(number, accuracies=(0.1,), **changes)
    trial.facts = {**trial.facts, "at_chance": True}
    return trial


def test_a_configuration_says_how_many_of_its_networks_guess(ended):
    one, other, good = guessing(ended, 0), guessing(ended, 1), ended(2)
    assert ConfigurationResult(0, (one, other)).marked_method == "freeze snip (at chance)"
    assert ConfigurationResult(0, (one, other, good)).marked_method == "freeze snip (2 of 3 at chance)"
    assert ConfigurationResult(0, (good,)).marked_method == "freeze snip"


def test_a_collapsed_network_has_its_own_word(ended):
    assert ConfigurationResult(0, (guessing(ended, 0, status="collapsed"),)).marked_method.endswith(
        "snip (collapsed)"
    )


def test_a_papers_cell_says_it_beside_its_mean(ended):
    cell = Cell("freeze", None, {0: guessing(ended, 0), 1: ended(1)}, wanted=2)
    assert cell.notes[:1] == ["1 at chance"]


def test_the_trials_table_has_a_column(ended):
    assert trial_row("study", guessing(ended, 0))["at_chance"] is True
    assert trial_row("study", ended(1))["at_chance"] is None
