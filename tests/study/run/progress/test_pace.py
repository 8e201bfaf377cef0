"""The estimated remaining time, compared with the true one: real plans on a simulated clock."""

import heapq
import math
import random
from dataclasses import dataclass
from decimal import Decimal

import pytest

from cops_core.config import TrialConfig
from search_spaces.question import Rates
from study.run.progress.pace import Pace, expected_epochs
from study.search.fixed_plan import FixedPlan
from study.search.plan import Forecast

TWO, FIVE = (Rates(tuple(map(Decimal, rates.split()))) for rates in ("0.9 0.99", "0.9 0.95 0.97 0.99 0.995"))
EPOCH_S = {"dense": 1.0, "prune": 0.5, "freeze": 0.8}  # as measured with LeNet on Fashion-MNIST
STARTUP_S, SETUP_S, SCORE_S = 8.0, 0.5, 0.75
AT = (0.1, 0.25, 0.5)


@dataclass
class Simulated:
    """A study that has run: its end, and at each event the time and the estimated remaining seconds."""

    end: float
    estimates: list

    def ratio(self, share):
        """The estimate divided by the true time, after this share of the time since the first epoch."""
        start = self.estimates[0][0]
        at = start + share * (self.end - start)
        when, left = next(found for found in self.estimates if found[0] >= at)
        return (left or 0.0) / (self.end - when)


def simulate(plan, workers=2, seed=0):
    """Run the plan on workers that start first, compute scores once, and change their speed."""
    draws, clock, queue, free = random.Random(seed), [0.0], [], list(range(workers))
    pace = Pace(lambda: plan.forecast, workers, lambda: clock[0])
    fresh, scores, quality, estimates = set(free), set(), {}, []

    def setup_s(trial):
        chosen = trial.config.selection
        wanted = {(name, trial.seed_index) for name in chosen.scores} if chosen is not None else set()
        missing = wanted - scores
        scores.update(wanted)
        return SETUP_S + SCORE_S * len(missing)

    def hand_out():
        while free and not plan.exhausted and not plan.waiting:
            worker, trial = free.pop(), plan.ask()
            pace.started(trial)
            epoch_s = EPOCH_S[trial.config.arm] * draws.uniform(1.0, 1.15)
            begins = clock[0] + setup_s(trial) + STARTUP_S * (worker in fresh)
            fresh.discard(worker)
            good = quality.setdefault(trial.configuration, draws.betavariate(4, 2))
            collapses = trial.config.arm == "prune" and draws.random() < 0.1
            first = begins + (0.0 if collapses else epoch_s)
            heapq.heappush(queue, (first, trial.number, trial, worker, epoch_s, good, collapses))

    hand_out()
    while queue:
        clock[0], _, trial, worker, epoch_s, good, collapses = heapq.heappop(queue)
        epoch = len(trial.rows) + 1
        accuracy = good * (1 - math.exp(-epoch / 2)) + draws.gauss(0, 0.02)
        trial.add_row({"epoch": epoch, "validation_accuracy": accuracy})
        stopped = plan.report(trial, trial.rows[-1])
        pace.reported(trial)
        if collapses or stopped or epoch == trial.config.training.epochs:
            trial.status = "collapsed" if collapses else "stopped" if stopped else "finished"
            plan.tell(trial)
            pace.ended(trial)
            free.append(worker)
            hand_out()
        else:
            later = clock[0] + epoch_s * draws.lognormvariate(0, 0.15)
            heapq.heappush(queue, (later, trial.number, trial, worker, epoch_s, good, False))
        estimates.append((clock[0], pace.left))
    return Simulated(clock[0], estimates)


LONG = "seeds without races, many baselines"
STUDIES = {
    "no race": {"question": TWO, "trials": 60, "stopping": "none"},
    LONG: {
        "question": FIVE,
        "trials": 66,
        "seeds": 3,
        "racing": False,
        "stopping": "none",
    },
    "early stopping": {"question": TWO, "trials": 300, "epochs": 9},
    "seeds that race": {"question": TWO, "trials": 60, "seeds": 4, "epochs": 9},
    "seeds that race, nothing stopped": {"question": TWO, "trials": 60, "seeds": 3, "stopping": "none"},
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind == LONG)) for kind in STUDIES]
)
def test_the_time_left_is_right_within_a_quarter_after_a_tenth(search_plan, kind):
    ratios = {share: [] for share in AT}
    for seed in range(4):
        study = simulate(search_plan(sampler="random", seed=seed, **STUDIES[kind]), seed=seed)
        for share in AT:
            ratios[share].append(study.ratio(share))
    # How many seeds a race will grant cannot be known before the best is found.
    low, high = (0.6, 1.7) if "that race" in kind else (0.75, 1.25)
    for share, found in ratios.items():
        assert all(low <= ratio <= high for ratio in sorted(found)[1:3]), (share, found)


def test_many_places(search_plan):
    study = simulate(search_plan(question=TWO, trials=400, sampler="random", epochs=9), workers=16)
    assert all(0.75 <= study.ratio(share) <= 1.25 for share in AT)


@pytest.fixture
def configs():
    """Makes configurations of a fixed plan, dense, of 10 epochs."""

    def make(count):
        config = TrialConfig()
        training = config.training.model_copy(update={"epochs": 10})
        return [config.changed(training=training, seed=seed) for seed in range(count)]

    return make


def train(pace, trial, clock, epochs, seconds, status="running"):
    for _ in range(epochs):
        clock[0] += seconds
        trial.add_row({"epoch": len(trial.rows) + 1, "validation_accuracy": 0.5})
        pace.reported(trial)
    if status != "running":
        trial.status = status
        pace.ended(trial)


def test_there_is_no_estimate_before_an_observation(configs):
    plan, clock = FixedPlan(configs(4)), [0.0]
    pace = Pace(lambda: plan.forecast, 1, lambda: clock[0])
    trial = plan.ask()
    pace.started(trial)
    clock[0] += 20.0  # the worker starts
    train(pace, trial, clock, 1, 2.0)
    assert pace.left is None  # the time of an epoch is unknown
    train(pace, trial, clock, 1, 2.0)
    assert pace.left == pytest.approx(8 * 2 + 3 * 20)
    clock[0] += 1.5  # of a started epoch
    assert pace.left == pytest.approx(8 * 2 + 3 * 20 - 1.5)


def test_resumed_and_reused_trials_cost_nothing_and_do_not_change_the_pace(configs):
    plan, clock = FixedPlan(configs(6)), [0.0]
    pace = Pace(lambda: plan.forecast, 1, lambda: clock[0])
    done, half = plan.ask(), plan.ask()
    done.status = "finished"
    half.rows = [{"epoch": epoch, "validation_accuracy": 0.5} for epoch in range(1, 6)]
    pace.recalled([done, half])
    pace.started(half)  # its sixth epoch is next
    train(pace, half, clock, 5, 3.0, "finished")
    reused = plan.ask()
    reused.reused_from = "other/1"
    pace.started(reused)
    pace.ended(reused)
    assert pace.left == pytest.approx(3 * 30.0)


def test_a_trial_that_lost_its_place_is_to_be_trained_on(configs):
    plan, clock = FixedPlan(configs(2)), [0.0]
    pace = Pace(lambda: plan.forecast, 1, lambda: clock[0])
    trial = plan.ask()
    pace.started(trial)
    train(pace, trial, clock, 4, 1.0)
    pace.lost(trial)
    assert pace.left == pytest.approx(6 + 10)


def test_a_slower_machine_makes_it_longer(configs):
    plan, clock = FixedPlan(configs(50)), [0.0]
    pace = Pace(lambda: plan.forecast, 1, lambda: clock[0])
    for seconds in (1.0, 2.0):
        for _ in range(20):
            trial = plan.ask()
            pace.started(trial)
            train(pace, trial, clock, 10, seconds, "finished")
    assert 10 * 16 < pace.left <= 10 * 20  # ten trials: between the mean of all and the last


@pytest.mark.parametrize(
    ("rungs", "done", "expected"),
    [
        ((), 0, 9),
        ((), 4, 5),
        ((1, 3), 0, 1 + 2 / 3 + 6 / 9),
        ((1, 3), 1, 2 + 6 / 3),
        ((1, 3), 3, 6),
        ((9,), 0, 9),
    ],
)
def test_a_race_leaves_a_third_at_each_rung(rungs, done, expected):
    assert expected_epochs(9, rungs, done) == pytest.approx(expected)


def test_a_plan_forecasts_its_trials(search_plan):
    plan = search_plan(question=TWO, trials=9, seeds=3, epochs=9)
    baselines = plan.forecast.certain
    assert [config.arm for config in baselines] == 3 * ["dense"] + 6 * ["prune"] + 6 * ["freeze"]
    assert {config.training.epochs for config in baselines} == {9}
    assert plan.forecast == Forecast(certain=baselines, unknown=4, further=[], most=2, rungs=(1, 3))
    for _ in range(15):
        plan.ask()
    proposal = plan.ask()
    assert plan.forecast == Forecast(certain=[], unknown=3, further=[2], most=2, rungs=(1, 3))
    proposal.add_row({"epoch": 9, "validation_accuracy": 0.9})
    proposal.status = "finished"
    plan.tell(proposal)
    assert plan.forecast.further == [1]
    assert plan.forecast.certain == [plan.trial_config(proposal.config, 0)]  # it was granted its second seed
    whole = search_plan(question=TWO, trials=9, seeds=3, racing=False, stopping="none").forecast
    assert (whole.unknown, whole.most, whole.rungs) == (12, 0, ())
