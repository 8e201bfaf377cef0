"""Methods compared on fresh seeds: rows, differences, what is said of lost seeds, what a budget can show."""

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from search_spaces.question import Compare
from study.analysis.configurations import by_configuration, comparable
from study.analysis.judged import method_table
from study.analysis.judged_words import budget, sentences, verdict
from study.analysis.statistics import least_difference

from ..made_compare import QUESTION, again, compare_trials

BASELINE = "prune snip"


def table(trials, question=QUESTION, planned=2, **more):
    return method_table(by_configuration(trials), question, planned, **more)


@pytest.mark.parametrize(("seeds", "deviations"), [(5, 2.76), (10, 1.37)])
def test_what_six_comparisons_can_show(seeds, deviations):
    """The power of the test is 80 % there, in simulated studies."""
    least = least_difference(seeds, 6)
    assert least == pytest.approx(deviations, abs=0.005)
    samples = np.random.default_rng(0).normal(least, 1, (40_000, seeds))
    found = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05 / 6
    assert found.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("seeds", "deviations", "power"), [(5, 2.6, 0.75), (10, 1.3, 0.78)])
def test_the_sum_of_two_quantiles_would_promise_too_much(seeds, deviations, power):
    """A widely used approximation: 2.6 and 1.3 standard deviations, which are found less often."""
    critical, usual = stats.t.isf(0.05 / 12, seeds - 1), stats.t.isf(0.2, seeds - 1)
    rough = (critical + usual) / math.sqrt(seeds)
    assert rough == pytest.approx(deviations, abs=0.05)
    assert stats.nct.sf(critical, seeds - 1, rough * math.sqrt(seeds)) == pytest.approx(power, abs=0.01)
    assert rough < least_difference(seeds, 6)


@pytest.mark.parametrize(("seeds", "comparisons"), [(2, 1), (3, 6), (10, 100), (30, 1)])
def test_the_least_difference_has_the_power_of_the_noncentral_t(seeds, comparisons):
    least = least_difference(seeds, comparisons)
    critical = stats.t.isf(0.05 / comparisons / 2, seeds - 1)
    assert stats.nct.sf(critical, seeds - 1, least * math.sqrt(seeds)) == pytest.approx(0.8, abs=1e-3)
    assert math.isnan(least_difference(1, comparisons))
    assert math.isfinite(least_difference(2, 400))


def test_a_row_has_what_was_tried_chosen_and_found(made):
    found = table(compare_trials(made))
    assert [(row.rate and str(row.rate), row.method) for row in found.rows] == [
        (None, "dense"),
        ("0.9", "freeze cops(snip; synflow)"),
        ("0.9", "freeze snip"),
        ("0.9", "prune snip"),
        ("0.99", "freeze cops(snip; synflow)"),
        ("0.99", "freeze snip"),
        ("0.99", "prune snip"),
    ]
    pair = found.rows[1]
    assert (pair.count, pair.chosen.number, pair.judged.judges, pair.note) == (2, 6, 6, "")
    assert pair.parameters == {"lr": "0.05", "synflow": "0.3", "wd": "1e-05"}
    assert pair.test.mean == pytest.approx(np.mean([0.94, 0.95, 0.964]))
    assert (found.baseline, found.is_judged, found.is_complete, found.is_fair) == (BASELINE, True, True, True)
    assert found.rows[3].difference is found.rows[0].difference is None


def test_differences_are_paired_by_seed_and_corrected_for_all_comparisons(made):
    found = table(compare_trials(made))
    assert len(found.compared) == 4
    for row in (row for row in found.rows if row.method.startswith("freeze cops")):
        pairs = np.array([0.06, 0.06, 0.064])
        assert row.difference.interval.mean == pytest.approx(pairs.mean())
        assert row.difference.least == pytest.approx(pairs.std(ddof=1) * least_difference(3, 4))
        alone = stats.ttest_1samp(pairs, 0).pvalue
        assert alone < row.difference.p_value <= 4 * alone * 1.000001
    assert "freeze cops(snip; synflow) at 0.99 +6.13%" in verdict(found)


def test_the_baseline_is_the_one_that_is_asked_for(made):
    trials = compare_trials(made)
    assert table(trials, replace(QUESTION, baseline="freeze snip")).baseline == "freeze snip"
    dense = table(trials, replace(QUESTION, baseline="dense"))
    assert len(dense.compared) == 6
    assert dense.rows[0].difference is None
    unknown = table(trials, replace(QUESTION, baseline="nowhere"))
    assert (unknown.baseline, unknown.compared, verdict(unknown)) == ("", [], "")


def test_before_the_fresh_seeds_there_is_only_the_budget(made):
    found = table(compare_trials(made, judged=False), planned=8)
    assert (found.is_judged, found.compared, budget(found)) == (False, [], "2 of 8 configurations each")
    assert "Nothing is evaluated on test." in sentences(found)[0]
    assert found.rows[1].chosen.number == 6
    less = [trial for trial in compare_trials(made, judged=False) if trial.configuration != 7]
    assert budget(table(less, planned=8)) == "1 to 2 of 8 configurations each"
    assert budget(table([], planned=8)) == "0 of 8 configurations each"


@pytest.mark.parametrize("status", ["diverged", "failed", "out_of_memory"])
def test_a_lost_seed_is_said_and_not_in_the_mean(made, status):
    trials = [trial for trial in compare_trials(made) if trial.judges != 2]
    trials += again(made, 30, made(2, (0.9,), rate="0.9", arm="prune"), (0.1, 0.85, 0.86), s0=status)
    row = next(row for row in table(trials).rows if row.method == BASELINE and str(row.rate) == "0.9")
    assert row.note == f"2 of 3 seeds, 1 {status.replace('_', ' ')}"
    assert row.test.mean == pytest.approx(0.855)
    assert table(trials).is_complete


def test_a_collapsed_seed_is_said_and_in_the_mean(made):
    trials = [trial for trial in compare_trials(made) if trial.judges != 2]
    trials += again(made, 30, made(2, (0.9,), rate="0.9", arm="prune"), (0.1, 0.85, 0.86), s0="collapsed")
    row = next(row for row in table(trials).rows if row.method == BASELINE and str(row.rate) == "0.9")
    assert (row.note, row.test.count) == ("1 collapsed", 3)


def test_there_are_no_p_values_while_seeds_are_to_come(made):
    trials = compare_trials(made)
    trials[-1].status, trials[-1].ended, trials[-1].facts = "running", None, None
    found = table(trials[:-3] + trials[-1:])
    assert (found.is_judged, found.is_complete, found.compared) == (True, False, [])
    row = next(row for row in found.rows if row.waiting)
    assert (row.note, row.waiting) == ("0 of 3 seeds, 3 to come", 3)
    assert any("3 trials on fresh seeds are still to come" in line for line in sentences(found))
    assert found.rows[-2].difference.interval.count == 3


def test_a_method_with_fewer_choices_has_all_of_them(made):
    trials = [trial for trial in compare_trials(made) if trial.configuration != 3]
    found = table(trials)
    row = next(row for row in found.rows if row.has_all)
    assert (row.shown_count, budget(found)) == ("1 (all)", "2 configurations each")
    # Its best is the best of one: the difference is there, but no p, and a line says so.
    assert row.method == found.baseline
    others = [each for each in found.rows if each.rate == row.rate and each is not row]
    assert others
    assert all(math.isnan(each.difference.p_value) for each in others)
    assert {each.rate for each in found.compared} == {each.rate for each in found.rows} - {None, row.rate}
    assert any("No p where a method has more configurations" in line for line in sentences(found))


def test_methods_that_are_tried_completely_are_not_ranked(made):
    trials = [trial for trial in compare_trials(made) if trial.configuration != 3]
    found = table(trials, exhaustive=True)
    assert (found.is_fair, found.compared, verdict(found)) == (False, [], "")
    assert [row.method for row in found.rows[1:3]] == ["prune snip", "freeze snip"]
    assert all(row.difference is None for row in found.rows)
    assert "not ranked" in sentences(found)[0]


def test_chosen_configurations_do_not_count_twice(made):
    trials = compare_trials(made)
    assert comparable(by_configuration(trials)) == comparable(
        by_configuration([trial for trial in trials if trial.judges is None])
    )


def test_one_method_without_dense_and_without_any_to_compare_with(made):
    only = made(0, (0.5,))
    found = table([*only, *again(made, 1, only, (0.5, 0.6, 0.7))], planned=1)
    (row,) = found.rows
    assert (found.baseline, row.difference, verdict(found)) == ("freeze snip", None, "")
    assert budget(found) == "1 configuration each"
    assert sentences(found)


def test_ends_of_tried_configurations_are_counted(made):
    trials = [*made(0, (0.5,)), *made(1, (0.3,), status="stopped"), *made(2, (None,), status="killed")]
    (row,) = table(trials, planned=3).rows
    assert (row.count, row.ends, row.chosen.number) == (3, {"stopped": 1, "failed": 1}, 0)
    nothing = table(made(0, (None,), status="failed"), Compare((Decimal("0.99"),)), 1)
    assert (nothing.rows[0].note, nothing.rows[0].chosen) == ("nothing finished", None)


def test_rejected_parameters_count_for_their_method(made):
    trials = [*made(0, (0.5,)), *made(1, (None,), status="rejected")]
    trials[1].rejected, trials[1].named = "not this one", "freeze snip"
    (row,) = table(trials).rows
    assert (row.method, row.count, row.ends, row.chosen.number) == ("freeze snip", 2, {"rejected": 1}, 0)
