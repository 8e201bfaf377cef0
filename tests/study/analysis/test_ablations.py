"""The ablations of a trial: rows, differences by an oracle, and what may be concluded."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from cops_core.trainers import Measure
from study.analysis.ablation_words import (
    ablation_headline,
    ablation_notes,
    conclusions,
    effect_of,
    is_guessing,
)
from study.analysis.ablations import ablation_table
from study.analysis.configurations import by_configuration
from study.analysis.statistics import least_difference

from ..made_ablations import ABLATIONS, TESTS, ablation_trials

SEEDS = 4
ROWS = ("unchanged", *ABLATIONS[1:])


def table(trials, seeds=SEEDS):
    return ablation_table(by_configuration(trials), seeds)


def student(t, freedom):
    """The density of Student's t, from its definition."""
    scale = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)
    return scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2)


def oracle(tests):
    """p-values by the definitions: an integral of the density, and a closed test of all subsets."""
    p_values = {}
    for ablation in ABLATIONS[1:]:
        pairs = np.array(tests[ablation]) - np.array(tests["none"])
        t = abs(pairs.mean()) / (pairs.std(ddof=1) / math.sqrt(len(pairs)))
        grid = np.linspace(-t, t, 400_001)
        p_values[ablation] = 1 - np.trapezoid(student(grid, len(pairs) - 1), grid)
    subsets = [set(some) for size in range(1, 5) for some in combinations(p_values, size)]
    return {
        ablation: max(
            min(1.0, len(some) * min(p_values[each] for each in some)) for some in subsets if ablation in some
        )
        for ablation in p_values
    }


@pytest.mark.parametrize("draw", range(4))
def test_differences_are_paired_and_corrected_for_all_ablations(made, draw):
    tests = TESTS
    if draw:
        random = np.random.default_rng(draw)
        tests = {ablation: tuple(random.normal(0.8, 0.02 * draw, SEEDS)) for ablation in ABLATIONS}
    found = table(ablation_trials(made, tests))
    assert [row.method for row in found.rows] == list(ROWS)
    assert found.rows[0].difference is None
    for row, (ablation, p_value) in zip(found.rows[1:], oracle(tests).items(), strict=True):
        pairs = np.array(tests[ablation]) - np.array(tests["none"])
        assert row.difference.interval.mean == pytest.approx(pairs.mean())
        assert row.difference.p_value == pytest.approx(p_value, rel=1e-4)
        assert row.difference.least == pytest.approx(pairs.std(ddof=1) * least_difference(SEEDS, 4))


def findings(found):
    return {each.subject: each.finding for each in conclusions(found)}


def test_each_property_has_a_conclusion_with_its_numbers(made):
    found = table(ablation_trials(made))
    assert findings(found) == {
        "places": "carries",
        "layer densities": "does not suffice",
        "ranking": "not found",
        "initial values": "carries",
    }
    places, densities, ranking, values = (each.sentence for each in conclusions(found))
    assert "a part of the result is lost at random places" in places
    assert "-9.9" in places
    assert "(shuffle)" in places
    assert "(random)" in places
    assert "random places with these densities have 81.06%, the mask has 90.88%" in densities
    least = found.rows[3].difference.least
    assert f"one of {least:.2%} would have been found with a probability of 80 %" in ranking
    assert "-5.00%" in values
    headline = ablation_headline(found)
    assert "carried by its places and initial values" in headline
    assert "no effect was found of its ranking" in headline


BASE = (0.90, 0.91, 0.92, 0.905)
LOW = (0.80, 0.812, 0.819, 0.807)
HIGH = (0.95, 0.962, 0.969, 0.957)
SAME = (0.89, 0.93, 0.90, 0.91)


@pytest.mark.parametrize(
    ("shuffle", "random", "places", "densities"),
    [
        (LOW, LOW, "carries", "does not suffice"),
        (LOW, SAME, "carries", "does not suffice"),
        (SAME, SAME, "not found", "may suffice"),
        (SAME, HIGH, "harms", "may suffice"),
        (LOW, HIGH, "mixed", "unknown"),
    ],
)
def test_the_places_have_two_draws(made, shuffle, random, places, densities):
    tests = {"none": BASE, "shuffle": shuffle, "random": random, "invert": SAME, "reinitialize": SAME}
    found = table(ablation_trials(made, tests))
    assert (findings(found)["places"], findings(found)["layer densities"]) == (places, densities)
    sentence = conclusions(found)[0].sentence
    assert ("(random, may be chance)" in sentence) == (shuffle is LOW and random is SAME)


def test_nothing_found_is_never_called_no_difference(made):
    """Every sentence that has not found a difference says which one would have been found."""
    tests = {"none": BASE, **dict.fromkeys(ABLATIONS[1:], SAME)}
    found = table(ablation_trials(made, tests))
    lines = [each.sentence for each in conclusions(found) if each.finding == "not found"]
    assert len(lines) == 3
    for line in lines:
        assert "no difference was found" in line
        assert "would have been found with a probability of 80 %" in line
        assert "no effect" not in line
    assert "no effect was found of its places, ranking and initial values" in ablation_headline(found)
    assert "layer densities alone may suffice" in ablation_headline(found)


def test_fewer_is_better_for_a_loss(made):
    row = table(ablation_trials(made)).rows[1]
    assert effect_of(row, Measure(name="loss", direction="minimize", worst=9.0)) == "harms"
    assert effect_of(row, Measure(name="score", direction="maximize", worst=0.0)) == "carries"
    assert (
        effect_of(replace(row, difference=None), Measure(name="loss", direction="minimize", worst=9.0))
        == "unknown"
    )


def test_a_lost_seed_is_named_and_left_out_of_the_pairs(made):
    tests = {**TESTS, "shuffle": (None, *TESTS["shuffle"][1:]), "invert": (0.9, None, None, None)}
    ends = {"shuffle": {0: "diverged"}, "invert": dict.fromkeys((1, 2, 3), "diverged")}
    found = table(ablation_trials(made, tests, ends))
    rows = {row.method: row for row in found.rows}
    assert rows["shuffle"].note == "3 of 4 seeds, 1 diverged"
    assert rows["shuffle"].difference.interval.count == 3
    assert findings(found)["ranking"] == "unknown"
    assert "fewer than two seeds have both accuracies" in conclusions(found)[2].sentence
    assert "nothing is known about its ranking" in ablation_headline(found)


def test_nothing_is_concluded_before_all_trials_have_ended(made):
    tests = {**TESTS, "reinitialize": (*TESTS["reinitialize"][:3], None)}
    found = table(ablation_trials(made, tests, {"reinitialize": {3: "running"}}))
    assert conclusions(found) == []
    assert not found.compared
    assert "nothing is concluded yet" in ablation_headline(found)
    assert any("1 trials are still to come" in line for line in ablation_notes(found))
    assert table([]).rows == ()
    assert conclusions(table([])) == []


def test_a_trial_that_guesses_has_nothing_to_carry(made):
    trials = ablation_trials(made)
    for trial in trials:
        trial.facts = {**trial.facts, "at_chance": trial.config.selection.ablation == "none"}
    found = table(trials)
    assert is_guessing(found)
    assert conclusions(found) == []
    assert "no better than guessing" in ablation_headline(found)


def test_a_property_without_an_ablation_is_left_out(made):
    found = table(ablation_trials(made, {name: TESTS[name] for name in ABLATIONS[:-1]}))
    assert list(findings(found)) == ["places", "layer densities", "ranking"]
    assert "adjusted by Holm for 3 comparisons" in " ".join(ablation_notes(found))
