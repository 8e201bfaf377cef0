"""Which trial comes next, and what the sampler receives."""

import math
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from cops_core.config import Selection, Training, TrialConfig
from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from search_spaces.baselines import BASELINES, DENSE
from search_spaces.question import Pareto, Rates, Smallest
from study.search.methods import Method, Methods
from study.search.slots import slots

from .proposed import RATES, finish, run_all


def test_a_study_starts_with_the_baselines(search_plan):
    trials = run_all(search_plan())
    assert [trial.title for trial in trials[:7]] == [
        "dense",
        *(f"prune snip q={rate}" for rate in RATES),
        *(f"freeze snip q={rate}" for rate in RATES),
    ]
    assert [trial.baseline for trial in trials] == [True] * 7 + [False] * 17
    assert trials[0].rate is None


def test_the_dense_trial_runs_once_and_belongs_to_no_rate(search_plan):
    trials = run_all(search_plan())
    assert [trial.number for trial in trials if trial.config.arm == "dense"] == [0]


@hypothesis_settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 4), st.integers(0, 9))
def test_trials_are_spread_evenly_over_the_rates(count, more):
    rates = tuple(Decimal(90 + index) / 100 for index in range(count))
    methods = Methods((), tuple(Method(b.name, ({},), True, b, is_dense=b is DENSE) for b in BASELINES))
    plan = list(slots(Rates(rates), methods, 1 + 2 * count + more))
    shares = Counter(slot.rate for slot in plan if slot.rate is not None)
    assert len(plan) == 1 + 2 * count + more
    assert set(shares) == set(rates)
    assert max(shares.values()) - min(shares.values()) <= 1


def test_too_few_trials_for_the_baselines_are_refused(search_plan):
    with pytest.raises(InputError, match="write 7 or more"):
        search_plan(trials=6)


def test_each_rate_has_a_history_of_its_own(search_plan):
    subject = search_plan()
    trials = run_all(subject)
    for rate, study in subject.histories.items():
        received = [trial.params for trial in study.trials]
        assert received == [trial.parameters for trial in trials if str(trial.rate) == rate]
        assert len(received) in (7, 8)
    assert all(trial.config.density == 1 - trial.rate for trial in trials[1:])


def test_baselines_outside_the_space_run_outside_the_history(search_plan):
    subject = search_plan("score_pairs", trials=10)
    trials = run_all(subject)
    assert sum(trial.baseline for trial in trials) == 7
    assert sum(len(study.trials) for study in subject.histories.values()) == 3


def test_pareto_searches_the_density_between_its_bounds(search_plan):
    subject = search_plan(question=Pareto(), trials=40)
    trials = run_all(subject)
    densities = {trial.config.density for trial in trials if not trial.baseline}
    assert len(densities) > 30
    assert all(Decimal("0.0005") <= density <= Decimal("0.5") for density in densities)
    (study,) = subject.histories.values()
    assert [trial.values for trial in study.trials] == [[0.5, t.density] for t in trials[1:]]


def test_the_same_seed_and_history_give_the_same_proposals(search_plan):
    def configurations(seed):
        return [trial.config for trial in run_all(search_plan(seed=seed), lambda t: 1.0 / (t.number + 1))]

    assert configurations(3) == configurations(3)
    assert configurations(3) != configurations(4)


def test_a_proposal_depends_on_the_history(search_plan):
    def configurations(sign):
        value = lambda t: 0.5 + sign * t.config.training.learning_rate  # noqa: E731
        return [trial.config for trial in run_all(search_plan(trials=60), value)]

    better, worse = configurations(+1), configurations(-1)
    assert better[:10] == worse[:10]
    assert better != worse


def test_epochs_and_seed_are_the_studys(search_plan):
    trials = run_all(search_plan(epochs=3, seed=5))
    assert {trial.config.training.epochs for trial in trials} == {3}
    assert len({trial.config.seed for trial in trials}) == 1
    assert trials[0].config.seed != run_all(search_plan(seed=6))[0].config.seed


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("finished", TrialState.COMPLETE),
        ("stopped", TrialState.PRUNED),
        ("diverged", TrialState.COMPLETE),
        ("collapsed", TrialState.COMPLETE),
        ("infeasible", TrialState.COMPLETE),
        ("failed", TrialState.FAIL),
        ("out_of_memory", TrialState.FAIL),
        ("killed", TrialState.FAIL),
    ],
)
def test_the_sampler_receives_the_true_outcome(search_plan, status, state):
    subject = search_plan(question=Rates(RATES[:1]), trials=5)
    subject.ask()
    trial = finish(subject, subject.ask(), 0.7, status, epochs=2)
    (study,) = subject.histories.values()
    received = study.trials[trial.number - 1]
    assert received.state == state
    if state == TrialState.PRUNED:
        assert received.intermediate_values == {2: 0.7}
    violated = {name for name, value in received.constraints.items() if value > 0}
    assert violated == {status} & {"diverged", "collapsed", "infeasible"}


def test_smallest_runs_the_dense_trial_alone_first(search_plan):
    subject = search_plan(question=Smallest(Decimal("0.9")), trials=9)
    dense = subject.ask()
    assert dense.config.arm == "dense"
    assert subject.waiting
    finish(subject, dense, 0.8)
    assert not subject.waiting
    poor = finish(subject, subject.ask(), 0.70)
    good = finish(subject, subject.ask(), 0.75)
    (study,) = subject.histories.values()
    received = {t.values[0]: t.constraints["accuracy"] for t in study.trials if t.values}
    assert received[poor.density] == pytest.approx(0.9 * 0.8 - 0.70)
    assert received[good.density] == pytest.approx(0.9 * 0.8 - 0.75)


@pytest.mark.parametrize("status", ["failed", "diverged", "killed"])
def test_smallest_is_blocked_without_a_dense_accuracy(search_plan, status):
    subject = search_plan(question=Smallest(), trials=9)
    finish(subject, subject.ask(), status=status)
    assert status in subject.blocked


def space_of(function):
    return SearchSpace("mine", function, Rates(RATES), trials=9)


def test_a_space_may_choose_the_density_unless_the_rates_are_an_axis(search_plan):
    def space(trial):
        return TrialConfig(arm="prune", selection=Selection(target="snip"), density=Decimal("0.125"))

    with pytest.raises(InputError, match="chooses the density"):
        search_plan(space_of(space), trials=9)
    trials = run_all(search_plan(space_of(space), question=Pareto(), trials=9))
    assert [trial.config.density for trial in trials[7:]] == [Decimal("0.125")] * 2


def test_a_wrong_configuration_of_a_space_is_one_line(search_plan):
    def space(trial):
        return TrialConfig(arm="prune", selection=Selection(target="synflo"))

    with pytest.raises(InputError, match="did you mean 'synflow'") as caught:
        search_plan(space_of(space), trials=9)
    assert "\n" not in str(caught.value)


def test_a_space_that_fails_later_is_named(search_plan):
    def space(trial):
        lr = trial.suggest_float("learning_rate", 0.01, 0.1)
        if calls.append(lr) or len(calls) > most[0]:
            raise ZeroDivisionError("late")
        return TrialConfig(
            arm="prune", selection=Selection(target="snip"), training=Training(learning_rate=lr)
        )

    calls: list[float] = []
    most = [math.inf]
    subject = search_plan(space_of(space), trials=9)
    most[0] = len(calls)
    with pytest.raises(InputError, match="space 'mine' fails: ZeroDivisionError: late"):
        run_all(subject)
    with pytest.raises(InputError, match="space 'mine' fails: ZeroDivisionError: late"):
        search_plan(space_of(space), trials=9)  # before it starts, where one of the first draws shows it


def test_pareto_may_compare_accuracy_with_stored_bytes(search_plan):
    subject = search_plan(question=Pareto(cost="bytes"), trials=9)
    trials = run_all(subject)
    (study,) = subject.histories.values()
    assert [t.values for t in study.trials] == [[0.5, 1000 * t.density] for t in trials[1:]]


def test_a_choice_that_json_would_change_is_refused(search_plan):
    def space(trial):
        trial.suggest_categorical("pair", [(1, 2), (3, 4)])
        return TrialConfig(arm="prune", selection=Selection(target="snip"))

    with pytest.raises(InputError, match=r"the choice .* of 'pair' cannot be recorded"):
        run_all(search_plan(space_of(space), trials=9))


def test_a_space_may_not_ask_for_the_test_images(search_plan):
    def space(trial):
        return TrialConfig(arm="prune", selection=Selection(target="snip"), test=True)

    with pytest.raises(InputError, match=r"asks for the test images.* evaluate with cops close"):
        search_plan(space_of(space), trials=9)


def test_an_infeasible_configuration_is_not_a_failure_when_bytes_count_either(search_plan):
    subject = search_plan(question=Pareto(cost="bytes"), trials=9)
    for _ in range(7):
        finish(subject, subject.ask())
    trial = subject.ask()
    trial.status = "infeasible"  # there is no network, and no epoch
    subject.tell(trial)
    (study,) = subject.histories.values()
    received = study.trials[-1]
    assert (received.state, received.values) == (TrialState.COMPLETE, [0.0, 1000.0])
    assert received.constraints["infeasible"] == 1.0
