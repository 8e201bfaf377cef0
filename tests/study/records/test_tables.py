"""Trials as rows, configurations as means over their seeds, and what is best among them."""

import io
import math
from decimal import Decimal
from statistics import fmean

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cops_core.config import Control, Floor, Selection, TrialConfig
from search_spaces.question.pareto import cost_of, pareto_front
from search_spaces.question.rates import best_per_method
from study.analysis.comparisons import comparisons
from study.analysis.configurations import by_configuration, comparable
from study.analysis.fairness import choices
from study.records.tables import EPOCHS_TABLE, SCHEMA, TRIALS_TABLE, trial_row, trial_tables
from study.records.trial import StudyTrial

from ..made_facts import made_accounting, made_facts

LOW, HIGH = Decimal("0.9"), Decimal("0.99")
COPS = Selection(target="snip", controls=(Control(score="synflow", level=0.3),))


def configuration(number, accuracies, method="snip", rate=HIGH, status="finished", density="0.01", first=0):
    """A configuration's trials, one per accuracy; `first` is the seed index of the first."""
    config = (
        TrialConfig()
        if method == "dense"
        else TrialConfig(arm="freeze", selection=Selection(target=method), density=density)
    )
    return [
        StudyTrial(
            number=100 * number + seed,
            configuration=number,
            seed_index=seed,
            rate=None if method == "dense" else rate,
            config=config,
            status=status,
            rows=[{"epoch": 1, "validation_accuracy": accuracy}],
        )
        for seed, accuracy in enumerate(accuracies, start=first)
    ]


def group(*trials):
    return by_configuration([trial for some in trials for trial in some])


def numbers(configurations):
    return [found.number for found in configurations]


# Rows


def test_a_row_has_the_best_epoch_and_the_last(ended):
    row = trial_row("mine", ended(accuracies=(0.5, 0.9, 0.9, 0.7)))
    assert (row["validation_accuracy"], row["epochs"]) == (0.7, 4)
    assert (row["best_validation_accuracy"], row["best_epoch"]) == (0.9, 2)


def test_a_row_says_which_configuration_seed_and_identity(ended):
    trial = ended(7, configuration=2, seed_index=1, identity="abc", reused_from="other/00001-abc")
    row = trial_row("mine", trial)
    assert [row[name] for name in ("number", "configuration", "seed_index", "identity", "reused_from")] == [
        *(7, 2, 1, "abc", "other/00001-abc")
    ]
    assert trial_row("mine", ended())["reused_from"] is None


def test_a_row_has_the_size_of_the_artefact(ended):
    trial = ended()
    trial.facts["accounting"]["artifact_bytes"] = 1234
    assert trial_row("mine", trial)["stored_bytes"] == 1234
    trial.facts = None
    assert trial_row("mine", trial)["stored_bytes"] is None


def test_rows_that_differ_in_one_choice_of_the_selection_can_be_told_apart(ended):
    pair = {"target": "grasp", "controls": (Control(score="snip", level=0.5),)}
    selections = {
        "plain": Selection(**pair),
        "combine": Selection(combine="union", **pair),
        "floor": Selection(floor=Floor(count=2, per="unit"), **pair),
        "batches": Selection(batches=3, **pair),
        "temperature": Selection(temperature=1.5, **pair),
    }
    rows = {
        name: trial_row("mine", ended(config=TrialConfig(arm="prune", selection=each, density="0.01")))
        for name, each in selections.items()
    }
    plain = {name: rows["plain"][name] for name in list(selections)[1:]}
    assert plain == {"combine": "cops", "floor": None, "batches": 1, "temperature": 200}
    changed = {"combine": "union", "floor": "2 per unit", "batches": 3, "temperature": 1.5}
    for name, value in changed.items():
        assert {column: rows[name][column] for column in changed} == {**plain, name: value}
        assert rows[name]["method"] != rows["plain"]["method"]
    alone = trial_row(
        "mine", ended(config=TrialConfig(arm="prune", selection={"target": "snip"}, density="0.1"))
    )
    assert [alone[name] for name in changed] == [None, None, 1, None]
    steps = {"target": "prospr", "steps": {"count": 1}}
    ahead = trial_row("mine", ended(config=TrialConfig(arm="prune", selection=steps, density="0.1")))
    assert [row["steps"] for row in (rows["plain"], alone, ahead)] == [None, None, "1 at 0.1"]


@pytest.mark.parametrize(
    ("selection", "factors", "expected"),
    [
        (COPS, (1.0, 0.5, 0.75), 0.5),
        (COPS, (1.0,), 1.0),
        (COPS, (None, 0.5), 0.5),
        (COPS, (), None),
        (Selection(target="snip"), (1.0,), None),  # no level, nothing to shrink
    ],
)
def test_a_row_says_how_far_levels_were_shrunk(ended, selection, factors, expected):
    trial = ended(config=TrialConfig(arm="prune", selection=selection, density="0.01"))
    solutions = {f"round {index}": {"shrunk": factor} for index, factor in enumerate(factors)}
    trial.facts["manifest"]["solutions"] = solutions
    assert trial_row("mine", trial)["shrunk"] == expected


def test_rows_of_trials_that_never_started_have_all_columns():
    dense = StudyTrial(number=0, config=TrialConfig(), facts=made_facts(manifest=None, connectivity=None))
    bare = StudyTrial(number=1, config=TrialConfig(arm="prune", selection=COPS, density="0.01"))
    for trial in (dense, bare):
        assert set(trial_row("mine", trial)) == set(SCHEMA.names)


def test_the_tables_are_parquet_with_a_row_per_trial_and_one_per_epoch(ended):
    trials = [
        ended(0, "stopped", (0.1, 0.2, 0.3)),
        ended(1, config=TrialConfig(arm="prune", selection=COPS, density="0.005"), seed_index=1),
        ended(2, "failed", (), reason="OSError: gone"),
    ]
    tables = trial_tables("mine", trials)
    rows = pq.read_table(io.BytesIO(tables[TRIALS_TABLE])).to_pylist()
    assert [(row["number"], row["epochs"], row["seed_index"]) for row in rows] == [
        *((0, 3, 0), (1, 2, 1), (2, 0, 0))
    ]
    assert (rows[1]["control"], rows[1]["level"], rows[1]["freezing_rate"]) == ("synflow", 0.3, 0.995)
    assert (rows[2]["reason"], rows[2]["validation_accuracy"]) == ("OSError: gone", None)
    epochs = pq.read_table(io.BytesIO(tables[EPOCHS_TABLE])).to_pylist()
    assert [(row["number"], row["epoch"]) for row in epochs] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]


def test_tables_of_no_trials_have_their_columns():
    table = pq.read_table(io.BytesIO(trial_tables("mine", [])[TRIALS_TABLE]))
    assert table.schema.names == SCHEMA.names
    assert table.num_rows == 0


# Configurations


def test_trials_that_differ_in_their_seed_are_one_result():
    trials = configuration(4, (0.90, 0.92, 0.94))
    for trial, size in zip(trials, (1000, 1001, 1005), strict=True):
        trial.facts = made_facts(trained_parameters=70, accounting=made_accounting(size))
    (found,) = by_configuration(trials[::-1])
    assert found.accuracies == {0: 0.90, 1: 0.92, 2: 0.94}
    assert [trial.seed_index for trial in found.trials] == [0, 1, 2]
    assert found.mean == pytest.approx(0.92)
    assert found.interval.count == 3
    assert found.interval.deviation == pytest.approx(0.02)
    assert found.interval.half_width == pytest.approx(4.302653 * 0.02 / math.sqrt(3), rel=1e-6)
    assert found.stored_bytes == 1002
    assert (found.trained_parameters, found.compression, found.density) == (70, 10.0, 0.01)
    assert (found.number, found.title, found.method, found.rate, found.status) == (
        *(4, "freeze snip q=0.99", "freeze snip", HIGH, "finished"),
    )


def test_a_configuration_without_an_epoch_has_no_interval():
    trial = StudyTrial(number=0, config=TrialConfig(), status="failed")
    (found,) = by_configuration([trial])
    assert found.interval is None
    assert math.isnan(found.mean)
    assert math.isnan(found.stored_bytes)
    assert found.trained_parameters is None


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("finished", "finished"), "finished"),
        (("finished", "collapsed"), "collapsed"),
        (("finished", "diverged", "collapsed"), "diverged"),
        (("stopped", "diverged"), "stopped"),
        (("finished", "killed"), "killed"),
        (("failed", "running"), "running"),
    ],
)
def test_a_configuration_has_the_worst_status_of_its_trials(statuses, expected):
    trials = configuration(0, [0.5] * len(statuses))
    for trial, status in zip(trials, statuses, strict=True):
        trial.status = status
    (found,) = by_configuration(trials)
    assert found.status == expected


def test_only_whole_trainings_over_all_seeds_are_compared():
    found = group(
        configuration(0, (0.5, 0.5)),
        configuration(1, (0.9,)),  # raced out
        configuration(2, (0.1, 0.1), status="collapsed"),
        configuration(3, (0.9, 0.9), status="stopped"),
        configuration(4, (0.9, 0.9), status="diverged"),
        configuration(5, (0.9, 0.9), status="running"),
        configuration(6, (0.5, math.nan)),
    )
    assert numbers(comparable(found)) == [0, 2]


def test_one_bad_seed_keeps_a_configuration_out():
    trials = configuration(0, (0.9, 0.9)) + configuration(1, (0.5, 0.5))
    trials[1].status = "failed"
    assert numbers(comparable(by_configuration(trials))) == [1]


def test_nothing_is_compared_of_nothing():
    assert comparable([]) == best_per_method([]) == pareto_front([]) == comparisons(()) == []


def test_the_best_of_each_method_is_within_its_rate_and_by_the_mean():
    found = group(
        configuration(0, (0.5, 0.6), rate=LOW),
        configuration(1, (0.9, 0.1), rate=LOW),  # one lucky seed
        configuration(2, (0.7, 0.7), "grasp", rate=LOW),
        configuration(3, (0.3, 0.3)),
        configuration(4, (0.3, 0.3)),  # an equal: the first stays
        configuration(5, (0.95, 0.95), "dense"),
    )
    assert numbers(best_per_method(found)) == [5, 2, 0, 3]


def front_by_hand(configurations, cost):
    """Slow and simple: no other configuration is at least as good in both, and better in one."""
    return {
        (found.mean, cost_of(found, cost))
        for found in configurations
        if not any(
            (other.mean >= found.mean and cost_of(other, cost) <= cost_of(found, cost))
            and (other.mean, cost_of(other, cost)) != (found.mean, cost_of(found, cost))
            for other in configurations
        )
    }


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5), st.integers(1, 5)), max_size=12),
    st.sampled_from(["density", "bytes"]),
)
def test_the_pareto_front_has_the_configurations_that_no_other_dominates(points, cost):
    trials = []
    for number, (accuracy, density, size) in enumerate(points):
        trials += configuration(number, (accuracy / 10,), rate=None, density=Decimal(density) / 10)
        trials[-1].facts = made_facts(accounting=made_accounting(size))
    found = by_configuration(trials)
    front = pareto_front(found, cost)
    places = [(each.mean, cost_of(each, cost)) for each in front]
    assert set(places) == front_by_hand(found, cost)
    assert len(set(places)) == len(places)
    assert places == sorted(places, key=lambda place: -place[1])


def test_a_network_of_unknown_size_is_not_on_the_front_of_sizes():
    known, unknown = group(configuration(0, (0.5,)), configuration(1, (0.9,)))
    known.trials[0].facts = made_facts(accounting=made_accounting(10))
    assert numbers(pareto_front([known, unknown], "bytes")) == [0]
    assert numbers(pareto_front([known, unknown])) == [1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([LOW, HIGH]),
            st.sampled_from(["snip", "grasp"]),
            st.lists(st.integers(0, 4), min_size=1, max_size=3),
            st.sampled_from(["finished", "collapsed", "stopped"]),
        ),
        max_size=12,
    )
)
def test_the_best_is_what_a_slow_search_finds(drawn):
    trials = [
        trial
        for number, (rate, method, tenths, status) in enumerate(drawn)
        for trial in configuration(number, [t / 10 for t in tenths], method, rate, status)
    ]
    most = max((len(tenths) for _, _, tenths, _ in drawn), default=0)
    means = {}
    for rate, method, tenths, status in drawn:
        if len(tenths) == most and status != "stopped":
            means.setdefault((rate, f"freeze {method}"), []).append(fmean(t / 10 for t in tenths))
    best = best_per_method(comparable(by_configuration(trials)))
    assert {(each.rate, each.method): each.mean for each in best} == {
        place: max(values) for place, values in means.items()
    }
    assert [each.rate for each in best] == sorted(each.rate for each in best)


# Comparisons


def test_each_rate_has_its_own_correction():
    # Paired differences of n = 3 seeds: p = 1 - t / sqrt(t^2 + 2) for two degrees of freedom.
    found = group(
        configuration(0, (0.90, 0.92, 0.94)),
        configuration(1, (0.89, 0.90, 0.91), "grasp"),  # 0.01, 0.02, 0.03 below: t^2 = 12
        configuration(2, (0.90, 0.92, 0.93), "synflow"),  # 0, 0, 0.01 below: t^2 = 1
        configuration(3, (0.5, 0.5, 0.5), rate=LOW),
        configuration(4, (0.49, 0.48, 0.47), "grasp", rate=LOW),  # 0.01, 0.02, 0.03 below
        configuration(5, (0.99, 0.99, 0.99), "dense"),
    )
    once, twice = (1 - math.sqrt(12 / 14)), (1 - math.sqrt(1 / 3))
    compared = {pair.other.number: pair for pair in comparisons(choices(best_per_method(found), found))}
    assert {number: pair.best.number for number, pair in compared.items()} == {1: 0, 2: 0, 4: 3}
    assert compared[4].p_value == pytest.approx(once)  # alone at its rate: nothing to correct
    assert compared[1].p_value == pytest.approx(2 * once)
    assert compared[2].p_value == pytest.approx(twice)
    assert compared[1].difference == pytest.approx(0.02)


def test_a_single_seed_proves_nothing():
    found = group(configuration(0, (0.9,)), configuration(1, (0.1,), "grasp"))
    (pair,) = comparisons(choices(best_per_method(found), found))
    assert math.isnan(pair.p_value)
    assert pair.difference == pytest.approx(0.8)


def test_seeds_are_paired_by_their_index():
    better = configuration(0, (0.5, 0.6, 0.8), first=0)
    other = configuration(1, (0.1, 0.5, 0.6), "grasp", first=1)  # seeds 1, 2, 3
    found = group(better, other)
    (pair,) = comparisons(choices(best_per_method(found), found))
    assert pair.difference == pytest.approx(((0.6 - 0.1) + (0.8 - 0.5)) / 2)


def test_methods_are_not_compared_across_densities():
    found = group(configuration(0, (0.9, 0.8), rate=None), configuration(1, (0.1, 0.2), "grasp", rate=None))
    assert comparisons(choices(best_per_method(found), found)) == []
