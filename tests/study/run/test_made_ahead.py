"""Proposals that are made ahead depend on the order of events: not on time, and not on kills."""

import random
import time

import pytest

from cops_core.identity import trial_identity
from search_spaces import find_space
from search_spaces.base import SearchSpace
from search_spaces.question import Pareto
from study.records.trial import StudyTrial
from study.run.study_run import StudyRun
from study.search import queue
from study.search.sampling import Histories

TRIALS = 30


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Proposals are made ahead from the tenth configuration on."""
    monkeypatch.setattr(queue, "FIRST_AHEAD", 10)
    monkeypatch.setattr(queue, "AHEAD", 3)


@pytest.fixture
def uneven(monkeypatch):
    """Each use of the sampler takes another time."""
    ask, tell = Histories.ask, Histories.tell

    def late(method):
        def call(*arguments):
            time.sleep(random.random() * 0.004)
            return method(*arguments)

        return call

    monkeypatch.setattr(Histories, "ask", late(ask))
    monkeypatch.setattr(Histories, "tell", late(tell))


def launched(search_plan, recorded=(), **changes):
    run = StudyRun(search_plan(trials=TRIALS, **changes), lambda config: trial_identity(config, "data"))
    run.recall([StudyTrial.from_record(trial.record()) for trial in recorded])
    run.watch([])
    return run


def drive(run, draws, concurrency, ends):
    """End so many trials. Which trial ends next, and how, is random."""
    running = [trial for trial in run.trials if not trial.has_ended and trial not in run._unfinished]
    while ends and not run.has_ended:
        while len(running) < concurrency and (trial := run.next_trial()) is not None:
            running.append(trial)
        running.sort(key=lambda trial: trial.number)
        trial = running.pop(draws.randrange(len(running)))
        run.report(trial, [{"epoch": 1, "validation_accuracy": draws.random()}], None)
        run.end(trial, draws.choice(["finished"] * 8 + ["diverged", "failed"]))
        ends -= 1


def proposed(run):
    return [(trial.number, trial.configuration, trial.config, trial.start_sequence) for trial in run.trials]


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("changes", [{}, {"seeds": 2}, {"sampler": "qmc"}, {"question": Pareto()}], ids=str)
def test_the_same_completions_give_the_same_proposals(search_plan, uneven, concurrency, changes):
    first, second = (launched(search_plan, epochs=1, stopping="none", **changes) for _ in range(2))
    for run in (first, second):
        drive(run, random.Random(7), concurrency, 10**6)
    assert proposed(first) == proposed(second)
    assert len({trial.configuration for trial in first.trials}) == TRIALS


@pytest.mark.parametrize("changes", [{}, {"seeds": 2, "question": Pareto()}, {"sampler": "nsga2"}], ids=str)
def test_a_study_that_was_killed_proposes_the_same(search_plan, uneven, changes):
    for seed in range(5):
        draws = random.Random(seed)
        concurrency, ends, later = draws.randint(1, 4), draws.randrange(5, 28), draws.randrange(5, 15)
        whole = launched(search_plan, epochs=1, stopping="none", **changes)
        drive(whole, draws, concurrency, ends)
        again = launched(search_plan, whole.trials, epochs=1, stopping="none", **changes)
        drive(whole, random.Random(seed), concurrency, later)
        drive(again, random.Random(seed), concurrency, later)
        assert proposed(again) == proposed(whole)


def ended(run, accuracy, until):
    """One trial at a time until the configuration `until` is handed out, which is returned."""
    while (trial := run.next_trial()).configuration < until:
        run.report(trial, [{"epoch": 1, "validation_accuracy": accuracy(trial.number)}], None)
        run.end(trial, "finished")
    return trial


@pytest.mark.parametrize(("changed", "same"), [(17, True), (18, True), (16, False)])
def test_a_proposal_is_made_from_the_results_before_its_third_predecessor_started(search_plan, changed, same):
    runs = [launched(search_plan, epochs=1, stopping="none", question=Pareto()) for _ in range(2)]
    bases = (lambda number: 0.5 + number / 100, lambda number: 0.5 + number / 100 - 0.5 * (number == changed))
    made = [ended(run, accuracy, 20).config for run, accuracy in zip(runs, bases, strict=True)]
    assert (made[0] == made[1]) is same


def test_a_study_of_a_version_that_made_none_ahead_resumes(search_plan, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(queue, "FIRST_AHEAD", 10**9)
        old = launched(search_plan, epochs=1, stopping="none")
        drive(old, random.Random(1), 2, 20)
    again = launched(search_plan, old.trials, epochs=1, stopping="none")
    assert proposed(again) == proposed(old)
    drive(again, random.Random(2), 2, 10**6)
    assert len(again.trials) == TRIALS


def test_what_is_exported_has_no_configuration_that_was_not_handed_out(search_plan):
    run = launched(search_plan, epochs=1, stopping="none", question=Pareto())
    drive(run, random.Random(0), 2, 15)
    (study,) = run.plan.histories.values()
    handed = {trial.configuration for trial in run.trials}
    assert {trial.user_attrs["configuration"] for trial in study.trials} <= handed


def test_a_space_that_fails_ahead_ends_the_study_when_that_configuration_is_due(search_plan):
    quickstart, late = find_space("quickstart"), []

    def fails_late(trial):
        if late and trial.number >= late[0]:
            raise ValueError("not today")
        return quickstart.sample(trial)

    space = SearchSpace("quickstart", fails_late, Pareto(), TRIALS)
    run = StudyRun(search_plan(space, trials=TRIALS, epochs=1, stopping="none"), str)
    run.watch([])
    ended(run, lambda number: 0.5, 15)
    assert run.plan.histories  # waits for what is being made
    late.append(0)
    while (trial := run.next_trial()) is not None:
        assert run.space_error is None
    assert trial is None
    assert "not today" in str(run.space_error)
    assert len(run.trials) == 15 + 1 + queue.AHEAD
