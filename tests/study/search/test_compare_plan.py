"""A plan that compares methods: equal budgets, in turns, then fresh seeds of what was chosen."""

from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.errors import InputError
from search_spaces import SearchSpace
from search_spaces.question import Compare, Pareto, Rates
from study.launch_settings import check_sizes
from study.search.enlarged import enlarged
from study.search.plan import repeat

from .proposed import finish
from .test_recall import copied, history

RATES = (Decimal("0.9"), Decimal("0.99"))
QUESTION = Compare(RATES, choosing_seeds=2, judging_seeds=3)


def sample(trial):
    """SNIP and a pair, pruned and frozen; the learning rate and the level are searched."""
    arm = trial.suggest_categorical("arm", ("prune", "freeze"))
    controls = ()
    if trial.suggest_categorical("pair", (False, True)):
        controls = (Control(score="magnitude", level=trial.suggest_float("level", 0.0, 1.0)),)
    rate = trial.suggest_float("lr", 0.01, 0.25, log=True)
    return TrialConfig(
        dataset="digits",
        arm=arm,
        selection=Selection(target="snip", controls=controls),
        training=Training(epochs=3, learning_rate=rate, weight_decay=1e-3),
    )


SPACE = SearchSpace("quickstart", sample, QUESTION, 60)
METHODS = ("prune snip", "freeze snip", "prune cops(snip; magnitude)", "freeze cops(snip; magnitude)")


@pytest.fixture
def plan(search_plan):
    """Makes a plan of three configurations of each method."""

    def make(space=SPACE, question=QUESTION, **changes):
        values = {"per_method": 3, "seeds": 2, "stopping": "none"}
        return search_plan(space, question=question, **{**values, **changes})

    return make


def quality(trial):
    """Better at 0.05; a little noise of the seed."""
    return 0.9 - abs(trial.config.training.learning_rate - 0.05) + 0.001 * (trial.config.seed % 7)


def groups(trials):
    found = defaultdict(set)
    for trial in trials:
        if trial.judges is None:
            found[trial.method, trial.rate].add(trial.configuration)
    return found


def test_every_method_has_the_same_number_of_configurations_and_the_same_seeds(plan):
    trials = history(plan(), quality, 10**6)
    found = groups(trials)
    assert set(found) == {("dense", None), *((method, rate) for method in METHODS for rate in RATES)}
    assert {len(configurations) for configurations in found.values()} == {3}
    seeds = {(t.seed_index, t.config.seed) for t in trials if t.judges is None}
    assert len(seeds) == 2
    assert not any(trial.baseline for trial in trials)


def test_what_validation_chose_is_trained_on_fresh_seeds_and_tested_once(plan):
    trials = history(plan(), quality, 10**6)
    judged = [trial for trial in trials if trial.judges is not None]
    assert judged == trials[-len(judged) :]
    assert len(judged) == 3 * 9
    assert all(trial.config.test for trial in judged)
    assert not any(trial.config.test for trial in trials if trial.judges is None)
    chosen = {trial.config.seed for trial in trials if trial.judges is None}
    assert len({trial.config.seed for trial in judged}) == 3
    assert not chosen & {trial.config.seed for trial in judged}
    for (method, rate), configurations in groups(trials).items():
        means = {
            number: sum(t.accuracy for t in trials if t.configuration == number and t.judges is None)
            for number in configurations
        }
        mine = {t.judges for t in judged if (t.method, t.rate) == (method, rate)}
        assert mine == {max(means, key=means.get)}
    for trial in judged:
        first = next(t for t in trials if t.configuration == trial.judges)
        assert trial.config.changed(seed=first.config.seed, test=False) == first.config
        assert trial.parameters == first.parameters


def test_methods_take_turns(plan):
    trials = [t for t in history(plan(), quality, 10**6) if t.seed_index == 0 and t.judges is None]
    assert len(trials) == 27
    for turn in range(3):
        counts = Counter((t.method, t.rate) for t in trials[9 * turn : 9 * turn + 9])
        assert set(counts.values()) == {1}
        assert len(counts) == 9


def test_a_turn_has_a_middle_and_an_end(plan):
    subject, middles = plan(seeds=1), []
    while not subject.exhausted:
        middles.append(subject.mid_turn)
        finish(subject, subject.ask(), 0.5)
    turn = [False, *[True] * 8]
    assert middles == [*turn * 3, *[False] * 27]


def test_a_turn_includes_every_seed(plan):
    subject = plan()
    for _ in range(9):
        finish(subject, subject.ask(), 0.5)
    assert subject.mid_turn  # one seed each would be no result
    while subject.mid_turn:
        subject.ask()
    assert len(subject.queue.proposed) == 9
    assert all(len(each.trials) == 2 for each in subject.queue.proposed)
    assert subject.in_turns


def test_the_first_configuration_of_each_method_has_the_middle_of_the_space(plan):
    trials = history(plan(), quality, 18)
    assert {t.config.training.learning_rate for t in trials} == {0.05}
    assert {t.config.training.weight_decay for t in trials} == {1e-3}  # also of the baselines


def test_each_method_has_a_history_of_its_own(plan):
    subject = plan()
    history(subject, quality, 10**6)
    known = subject.histories
    assert sorted(known) == sorted(["dense", *(f"{rate} {method}" for rate in RATES for method in METHODS)])
    for name, study in known.items():
        assert len(study.trials) == 3, name
        assert all(trial.state.is_finished() for trial in study.trials)


def test_each_method_stops_its_own_trials(plan):
    """Elsewhere one bad method would be stopped for the sake of another."""

    def good_or_bad(trial):
        return 0.9 if trial.config.arm == "prune" else 0.2

    subject = plan(stopping="asha", seeds=1, per_method=4)
    stopped = []
    while not subject.exhausted:
        trial = subject.ask()
        if trial.judges is None and subject.report(
            trial, {"epoch": 1, "validation_accuracy": good_or_bad(trial)}
        ):
            stopped.append(trial.method)
        finish(subject, trial, good_or_bad(trial))
    assert stopped == []  # within a method all are equally good


@pytest.mark.parametrize("cut", [1, 17, 30, 54, 60, 80])
def test_a_recalled_study_continues_with_the_same_trials(plan, cut):
    whole = history(plan(), quality, 10**6)
    again = plan()
    repeat(again, copied(whole[:cut]))
    rest = history(again, quality, 10**6)

    def describe(trial):
        return trial.number, trial.configuration, trial.seed_index, trial.config, trial.rate, trial.judges

    assert [describe(t) for t in rest] == [describe(t) for t in whole[cut:]]


def test_what_was_chosen_stays_chosen_when_a_failed_trial_is_repeated(plan):
    whole = history(plan(), quality, 10**6)
    recorded = copied(whole)
    again = recorded[4]
    again.status, again.finish_sequence = "running", None
    subject = plan()
    repeat(subject, recorded)
    assert not subject.exhausted  # the trial that runs again
    finish(subject, again, 1.0)
    assert subject.exhausted


def test_a_method_without_a_result_is_not_judged(plan):
    subject, trials = plan(), []
    while not subject.exhausted:
        trial = subject.ask()
        bad = trial.method == "freeze snip" and trial.rate == RATES[1]
        trials.append(finish(subject, trial, 0.5, "diverged" if bad else "finished"))
    judged = {(t.method, t.rate) for t in trials if t.judges is not None}
    assert len(judged) == 8
    assert ("freeze snip", RATES[1]) not in judged


def test_stopped_configurations_are_not_chosen(plan):
    subject, trials = plan(seeds=1), []
    while not subject.exhausted:
        trial = subject.ask()
        best = trial.judges is None and trial.configuration >= 9
        trials.append(finish(subject, trial, 0.9 if best else 0.5, "stopped" if best else "finished"))
    assert {t.judges for t in trials if t.judges is not None} == set(range(9))


def test_more_configurations_follow_the_first_ones_until_the_methods_are_judged(plan, settings):
    few, many = history(plan(), quality, 10**6), history(plan(per_method=5), quality, 10**6)
    first = [t for t in few if t.judges is None]
    assert [t.config for t in first] == [t.config for t in many[: len(first)]]

    def again(recorded, each):
        return enlarged(SPACE, settings(question=QUESTION, per_method=each, seeds=2), recorded).per_method

    assert again(first, 5) == 5
    assert again(first, 2) == 3  # what has started is not taken back
    assert again(first[: len(first) - 3], 2) == 3
    assert again(few, 3) == 3
    with pytest.raises(InputError, match="has judged its methods on the test part"):
        again(few, 5)


def test_a_grid_tries_everything_once(plan):
    def finite(trial):
        config = sample_of(trial.suggest_categorical("arm", ("prune", "freeze")))
        rate = trial.suggest_categorical("learning_rate", (0.05, 0.1, 0.2))
        return config.changed(training=Training(epochs=3, learning_rate=rate))

    def sample_of(arm):
        return TrialConfig(dataset="digits", arm=arm, selection=Selection(target="magnitude"))

    space = SearchSpace("quickstart", finite, QUESTION, 60)
    trials = history(plan(space, sampler="grid", per_method=None, seeds=1), quality, 10**6)
    assert {len(numbers) for numbers in groups(trials).values()} == {3}
    searched = history(plan(space, Rates(RATES), sampler="grid", per_method=None, seeds=1), quality, 10**6)
    points = Counter((t.method, t.rate, t.config.training.learning_rate) for t in searched)
    assert len(points) == 3 * (1 + 4 * 2)
    assert set(points.values()) == {1}
    assert not any(t.judges for t in searched)


def test_a_named_method_is_recorded_with_its_name(plan):
    named = {"FreezeNet": {"arm": "freeze", "pair": False}, "pairs": {"pair": True}}
    space = SearchSpace("quickstart", sample, QUESTION, 60, methods=named, baselines=())
    trials = history(plan(space), quality, 10**6)
    assert {trial.method for trial in trials} == set(named)
    assert {trial.named for trial in copied(trials)} == set(named)
    assert len({t.config.arm for t in trials if t.method == "pairs"}) == 2


@pytest.mark.parametrize(
    ("asked", "question", "message"),
    [
        ({"trials": 9}, QUESTION, "--trials is not for --objective compare: write --per-method"),
        ({"seeds": 9}, QUESTION, "--choosing-seeds and --judging-seeds"),
        ({"per_method": 9}, Rates(), "--per-method belongs to --objective compare"),
        ({"per_method": 9, "sampler": "grid"}, QUESTION, "leave --per-method out"),
        ({"sampler": "grid"}, Pareto(), "--sampler grid is for studies at given rates"),
    ],
)
def test_sizes_are_given_where_they_are_decided(asked, question, message):
    with pytest.raises(InputError, match=message):
        check_sizes(asked, question, asked.get("sampler", ""))


@pytest.mark.parametrize(
    ("field", "value"), [("choosing_seeds", 0), ("judging_seeds", 1), ("judging_seeds", 10**6)]
)
def test_wrong_numbers_of_seeds_are_refused(field, value):
    with pytest.raises(InputError, match=f"--{field.replace('_', '-')} {value} is not between"):
        Compare(**{field: value})
