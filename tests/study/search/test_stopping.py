"""Which trials are stopped; a race that is rebuilt from its record makes the same decisions."""

import binascii
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cops_core.config import Selection, Training, TrialConfig
from study.records.trial import StudyTrial
from study.search.stopping import REDUCTION_FACTOR, STOPPINGS, Race

BEST = st.integers(0, 6)  # in tenths: ties are common


def replay(race, trials):
    """Rebuild a race from recorded trials; those that had just lost it are returned."""
    due = []
    for trial in trials:
        race.enter(trial)
        decisions = [race.report(trial, row) for row in trial.rows]
        if trial.has_ended:
            race.leave(trial)
        elif decisions and decisions[-1]:
            due.append(trial)
    return due


def make_trial(number, epochs, baseline=False):
    config = TrialConfig(
        arm="freeze", selection=Selection(target="snip"), density="0.01", training=Training(epochs=epochs)
    )
    return StudyTrial(number=number, config=config, baseline=baseline, start_sequence=number)


def one_epoch(race, trial, accuracy):
    """Whether the trial ends with this epoch."""
    row = {"epoch": len(trial.rows) + 1, "validation_accuracy": accuracy}
    trial.add_row(row)
    if race.report(trial, row):
        trial.status = "stopped"
    elif len(trial.rows) == trial.config.training.epochs:
        trial.status = "finished"
    if trial.has_ended:
        race.leave(trial)
    return trial.has_ended


def run_alone(race, trial, accuracies):
    race.enter(trial)
    for accuracy in accuracies:
        if one_epoch(race, trial, accuracy):
            break


def best_third(rung, mine):
    """The slow oracle: sort the rung, best first; the trial must be among its third, at least the best."""
    ordered = sorted(rung, reverse=True)
    return mine in ordered[: max(1, len(ordered) // 3)]


class Asha:
    """The slow oracle: lists of what each trial reported, and arithmetic on them."""

    def __init__(self, first):
        self.first = first
        self.curves = {}

    def stops(self, number, epoch, accuracy):
        self.curves.setdefault(number, {})[epoch] = accuracy
        rungs = [self.first * 3**level for level in range(12)]
        return epoch in rungs and not best_third(
            [curve[epoch] for curve in self.curves.values() if epoch in curve], accuracy
        )


@st.composite
def races(draw):
    """Epochs of the longest trial; for each trial its accuracies, its epochs, whether it is a baseline."""
    epochs = draw(st.sampled_from([1, 2, 3, 9, 11, 18, 27]))
    lengths = st.sampled_from(sorted({1, max(1, epochs // 2), epochs}))
    trials = []
    for _ in range(draw(st.integers(1, 14))):
        length = draw(st.one_of(st.just(epochs), lengths))
        start, slope = draw(BEST), draw(st.sampled_from([0, 0, 1, 2]))
        curve = [(start + slope * epoch // 3) / 10 for epoch in range(length)]
        trials.append((curve, draw(st.integers(0, 5)) == 0))
    return epochs, trials


@settings(deadline=None, max_examples=60)
@given(races(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_every_decision_of_asha_equals_the_oracles(drawn, chance, at_once):
    """Trials run at once, and report in any order."""
    epochs, curves = drawn
    race, oracle = Race("asha", epochs, "test"), Asha(max(1, epochs // 9))
    waiting = [(make_trial(n, len(curve), baseline), curve) for n, (curve, baseline) in enumerate(curves)]
    running = []
    while waiting or running:
        if waiting and len(running) < at_once:
            running.append(waiting.pop(0))
            race.enter(running[-1][0])
            continue
        chosen = chance.randrange(len(running))
        trial, curve = running[chosen]
        epoch = len(trial.rows) + 1
        expected = oracle.stops(trial.number, epoch, curve[epoch - 1])
        ended = one_epoch(race, trial, curve[epoch - 1])
        assert (trial.status == "stopped") is (expected and not trial.baseline and epoch < len(curve))
        if ended:
            del running[chosen]


@pytest.mark.parametrize("stopping", ["asha", "hyperband"])
@settings(deadline=None, max_examples=60)
@given(drawn=races(), cut=st.floats(0, 1))
def test_a_rebuilt_race_decides_like_the_original_one(stopping, drawn, cut):
    epochs, curves = drawn
    whole, history = Race(stopping, epochs, "study/0.99"), []
    trials = [make_trial(number, len(curve), baseline) for number, (curve, baseline) in enumerate(curves)]
    for trial, (curve, _) in zip(trials, curves, strict=True):
        run_alone(whole, trial, curve)
        history += [trial.number] * len(trial.rows)

    kept = int(cut * len(history))  # so many epochs are on record, and no end of the trial that was cut
    recorded = []
    for number in sorted(set(history[:kept])):
        trial = make_trial(number, len(curves[number][0]), curves[number][1])
        for row in trials[number].rows[: history[:kept].count(number)]:
            trial.add_row(row)
        recorded.append(trial)
    for trial in recorded[:-1]:
        trial.status = trials[trial.number].status
    rebuilt = Race(stopping, epochs, "study/0.99")
    due = replay(rebuilt, recorded)

    for trial in recorded[-1:]:
        stopped_there = trials[trial.number].status == "stopped" and trial.rows == trials[trial.number].rows
        assert due == ([trial] if stopped_there else [])
        for accuracy in [] if due else curves[trial.number][0][len(trial.rows) :]:
            if one_epoch(rebuilt, trial, accuracy):
                break
        assert trial.rows == trials[trial.number].rows
    for number in range(len(recorded), len(curves)):
        trial = make_trial(number, len(curves[number][0]), curves[number][1])
        run_alone(rebuilt, trial, curves[number][0])
        assert (trial.status, trial.rows) == (trials[number].status, trials[number].rows)


@pytest.mark.parametrize("stopping", ["asha", "hyperband"])
def test_a_race_of_trials_that_ran_at_once_is_rebuilt_as_well(stopping):
    """The rungs have the same accuracies, in any order of the reports."""
    chance = random.Random(3)
    curves = [[chance.random() for _ in range(9)] for _ in range(40)]
    whole, trials = Race(stopping, 9, "test"), [make_trial(number, 9) for number in range(40)]
    for trial in trials[:24]:
        whole.enter(trial)
    running = list(trials[:24])
    while running:
        trial = chance.choice(running)
        if one_epoch(whole, trial, curves[trial.number][len(trial.rows)]):
            running.remove(trial)
    rebuilt = Race(stopping, 9, "test")
    assert replay(rebuilt, trials[:24]) == []
    for number in range(24, 40):
        again = make_trial(number, 9)
        run_alone(whole, trials[number], curves[number])
        run_alone(rebuilt, again, curves[number])
        assert (again.status, again.rows) == (trials[number].status, trials[number].rows)
    assert len({len(trial.rows) for trial in trials[24:]}) > 1


def test_a_baseline_counts_but_is_never_stopped():
    race = Race("asha", 9, "test")
    run_alone(race, make_trial(0, 9), [0.5] * 9)
    baseline = make_trial(1, 9, baseline=True)
    run_alone(race, baseline, [0.4] * 9)
    assert (baseline.status, len(baseline.rows)) == ("finished", 9)
    between = make_trial(2, 9)  # third of three, were it not for the baseline: second of two
    run_alone(race, between, [0.45] * 9)
    assert (between.status, len(between.rows)) == ("stopped", 1)
    for number in range(3, 6):
        run_alone(race, make_trial(number, 9), [0.1] * 9)
    second = make_trial(6, 9)  # of seven, two continue; of four, without the baselines, it would be one
    run_alone(race, second, [0.46] * 9)
    assert len(second.rows) > 1


def test_the_last_epoch_never_stops():
    race = Race("asha", 9, "test")
    run_alone(race, make_trial(0, 9), [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9])
    late = make_trial(1, 9)
    run_alone(race, late, [0.2] * 9)  # ahead at the epochs 1 and 3, behind at 9
    assert (late.status, len(late.rows)) == ("finished", 9)
    short = make_trial(2, 3)
    run_alone(race, short, [0.3, 0.3, 0.0])  # behind at 3, which is its own last
    assert (short.status, len(short.rows)) == ("finished", 3)


def test_without_early_stopping_every_trial_runs_to_its_end():
    race = Race("none", 9, "test")
    trials = [make_trial(number, 9) for number in range(6)]
    for trial in trials:
        run_alone(race, trial, [1 / (1 + trial.number)] * 9)
    assert {trial.status for trial in trials} == {"finished"}


def test_hyperband_compares_within_brackets_of_their_own_first_rung():
    """Of trials that are worse and worse, each is stopped at its bracket's first rung but the first."""
    epochs, name = 27, "test"
    race, trials = Race("hyperband", epochs, name), [make_trial(number, epochs) for number in range(40)]
    for trial in trials:
        run_alone(race, trial, [1 / (1 + trial.number)] * epochs)
    shares = [9, 5, 3]  # ceil(3 * 3^s / (s + 1)) for s = 2, 1, 0
    seen = set()
    for trial in trials:
        place = binascii.crc32(f"{name}_{trial.number}".encode()) % sum(shares)
        bracket = 0 if place < 9 else 1 if place < 14 else 2
        first_rung = 3 * REDUCTION_FACTOR**bracket
        expected = epochs if bracket not in seen or first_rung == epochs else first_rung
        assert len(trial.rows) == expected
        seen.add(bracket)
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("stopping", STOPPINGS)
@pytest.mark.parametrize("epochs", range(1, 40))
def test_every_race_can_be_run(stopping, epochs):
    race = Race(stopping, epochs, "test")
    for number in range(3):
        run_alone(race, make_trial(number, epochs), [0.5 - number / 10] * epochs)
