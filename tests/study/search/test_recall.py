"""A recorded study resumes with the same trials as without an interruption."""

import pytest

from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from study.records.trial import StudyTrial

from .proposed import finish


def history(subject, accuracy, count):
    """The first `count` trials of a study, one at a time, with the events that a run would number."""
    trials, event = [], 0
    while len(trials) < count and not subject.exhausted:
        trial = subject.ask()
        trial.start_sequence, trial.finish_sequence = event, event + 1
        event += 2
        trials.append(finish(subject, trial, accuracy(trial)))
    return trials


def copied(trials):
    return [StudyTrial.from_record(trial.record()) for trial in trials]


def describe(trial):
    return trial.number, trial.configuration, trial.seed_index, trial.config, trial.rate, trial.baseline


def noisy(trial):
    selection = trial.config.selection
    base = 0.5 if selection is None else {"snip": 0.8, "grasp": 0.6}.get(selection.target, 0.7)
    return base - trial.config.training.learning_rate + 0.01 * (trial.config.seed % 7)


@pytest.mark.parametrize("changes", [{}, {"seeds": 3}, {"seeds": 3, "racing": False}, {"sampler": "qmc"}])
@pytest.mark.parametrize("cut", [1, 8, 17])
def test_a_recalled_study_continues_with_the_same_trials(search_plan, changes, cut):
    whole = history(search_plan(trials=20, **changes), noisy, 10**6)
    again = search_plan(trials=20, **changes)
    for trial in copied(whole[:cut]):
        again.recall(trial)
        again.tell(trial)
    rest = history(again, noisy, 10**6)
    assert [describe(t) for t in rest] == [describe(t) for t in whole[cut:]]


def test_more_trials_of_a_study_are_the_next_ones(search_plan):
    few, many = history(search_plan(trials=12), noisy, 99), history(search_plan(trials=20), noisy, 99)
    assert [describe(t) for t in few] == [describe(t) for t in many[:12]]


def test_a_space_that_changed_is_refused_with_the_difference(search_plan):
    from search_spaces import find_space

    quickstart = find_space("quickstart")
    trials = history(search_plan(), noisy, 9)

    def space(trial):
        config = quickstart.sample(trial)
        return config.changed(training=config.training.model_copy(update={"momentum": 0.5}))

    changed = search_plan(SearchSpace("quickstart", space, quickstart.question, 24))
    dense, *_ = copied(trials)
    with pytest.raises(InputError, match=r"has changed since trial 0 .*training\.momentum 0\.9, now 0\.5"):
        changed.recall(dense)
