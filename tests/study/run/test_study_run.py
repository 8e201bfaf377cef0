"""A running study hands out trials and informs its observers of every event once."""

import random
from decimal import Decimal

import pytest
from optuna import TrialPruned

from cops_core.config import Selection, TrialConfig
from cops_core.errors import InputError
from cops_core.identity import trial_identity
from search_spaces import find_space
from search_spaces.base import SearchSpace
from search_spaces.question import Pareto, Rates, Smallest
from study.records.observer import Observer
from study.records.trial import StudyTrial
from study.run.prepare import end_rejected
from study.run.study_run import StudyRun

from ..made_facts import made_facts

ROW = {"epoch": 1, "validation_accuracy": 0.5}


def identify(config):
    return trial_identity(config, "data")


class Recorder(Observer):
    def __init__(self):
        self.events = []

    def recalled(self, trials):
        self.events.append(("recalled", [trial.number for trial in trials]))

    def started(self, trial):
        self.events.append(("started", trial.number))

    def reported(self, trial, row):
        self.events.append(("reported", trial.number, row["epoch"]))

    def ended(self, trial):
        self.events.append(("ended", trial.number, trial.status))


@pytest.fixture
def started(search_plan):
    """Makes a run of a plan, with an observer."""

    def make(plan=None, recorded=(), **options):
        run, recorder = StudyRun(plan or search_plan(trials=9), identify, **options), Recorder()
        run.recall(recorded)
        run.watch([recorder])
        return run, recorder

    return make


def finish(run, trial, status="finished", accuracy=0.5):
    run.report(trial, [{**ROW, "validation_accuracy": accuracy}], None)
    run.end(trial, status)


def test_observers_receive_every_event_once(started):
    run, recorder = started()
    trial = run.next_trial()
    run.report(trial, [ROW], made_facts(parameters=10))
    run.report(trial, [ROW, {**ROW, "epoch": 2}], None)  # resumed elsewhere: its last epoch is reported again
    run.end(trial, "finished")
    assert recorder.events == [
        ("recalled", []),
        ("started", 0),
        ("reported", 0, 1),
        ("reported", 0, 2),
        ("ended", 0, "finished"),
    ]
    assert trial.facts == made_facts(parameters=10)
    assert trial.identity == identify(trial.config)
    assert (trial.start_sequence, trial.finish_sequence) == (0, 1)


def test_a_study_is_complete_when_no_trial_failed_or_was_interrupted(started):
    run, _ = started()
    while (trial := run.next_trial()) is not None:
        assert not run.complete
        finish(run, trial, "stopped" if trial.number else "finished")
    assert run.has_ended
    assert run.complete
    run.trials[3].status = "failed"
    assert not run.complete


def test_an_interrupted_study_reports_its_interrupted_trials(started):
    run, recorder = started()
    run.end(run.next_trial(), "finished")
    cut = run.next_trial()
    run.interrupt()
    assert recorder.events[-1] == ("ended", 1, "interrupted")
    assert [event[0] for event in recorder.events].count("ended") == 2
    assert not run.complete
    assert cut.finish_sequence is None  # the sampler does not receive it: it will be resumed


def interrupted(run, count):
    """The records of a study with `count` ended and two running trials."""
    for number in range(count):
        finish(run, run.next_trial(), accuracy=0.5 + 0.01 * number)
    running = [run.next_trial(), run.next_trial()]
    run.report(running[0], [ROW], None)
    return [StudyTrial.from_record(trial.record()) for trial in run.trials]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_interrupted_trials_run_first_and_then_the_same_as_without_an_interruption(started, count):
    whole, _ = started()
    records = interrupted(whole, count)
    again, recorder = started(recorded=records)
    assert recorder.events == [("recalled", list(range(count + 2)))]
    resumed = [again.next_trial(), again.next_trial()]
    assert [trial.number for trial in resumed] == [count, count + 1]
    assert [len(trial.rows) for trial in resumed] == [1, 0]
    for run in (whole, again):
        for trial in run.trials[-2:]:
            finish(run, trial)
    expected, found = whole.next_trial(), again.next_trial()
    assert (found.number, found.identity, found.start_sequence) == (
        count + 2,
        expected.identity,
        expected.start_sequence,
    )


def test_an_interrupted_trial_is_resumed(started):
    whole, _ = started()
    whole.next_trial()
    whole.interrupt()
    records = [StudyTrial.from_record(trial.record()) for trial in whole.trials]
    again, _ = started(recorded=records)
    trial = again.next_trial()
    assert (trial.number, trial.status, trial.reason, trial.ended) == (0, "running", "", None)


def test_a_trial_that_had_just_lost_its_race_is_not_resumed(started, search_plan):
    whole, _ = started(search_plan(trials=12, epochs=9))
    while (trial := whole.next_trial()).baseline:
        finish(whole, trial, accuracy=0.9)
    assert whole.report(trial, [{**ROW, "validation_accuracy": 0.1}], None)  # lost; and here the driver dies
    records = [StudyTrial.from_record(one.record()) for one in whole.trials]
    again, recorder = started(search_plan(trials=12, epochs=9), recorded=records)
    assert recorder.events[-1] == ("ended", trial.number, "stopped")
    assert again.next_trial().number == trial.number + 1


def test_an_existing_result_is_reused_and_the_next_trial_handed_out(started):
    def reuse(trial):
        if trial.number not in (1, 2):
            return False
        trial.rows, trial.stamps, trial.status = [dict(ROW), {**ROW, "epoch": 2}], [1, 2], "finished"
        trial.reused_from = "other/1"
        return True

    run, recorder = started(settle=[reuse])
    finish(run, run.next_trial())
    assert run.next_trial().number == 3
    assert [event for event in recorder.events if event[1] == 1] == [
        ("started", 1),
        ("reported", 1, 1),
        ("reported", 1, 2),
        ("ended", 1, "finished"),
    ]


def test_a_trial_whose_worker_died_is_handed_out_again_before_any_new_one(started):
    run, recorder = started()
    first, second = run.next_trial(), run.next_trial()
    run.requeue(first, "its worker died")
    assert run.next_trial() is first
    assert run.next_trial().number == 2
    assert [event for event in recorder.events if event[0] == "started"] == [("started", n) for n in range(3)]
    assert second.status == "running"


def test_too_many_failures_end_the_study_with_a_clear_message(started):
    run, _ = started(failure_share=0.4)  # of 9 trials: more than 3.6
    for number in range(4):
        assert not run.stopped_because
        trial = run.next_trial()
        assert trial.number == number
        run.end(trial, "killed" if number % 2 else "failed")
    assert "4 of 9 trials failed" in run.stopped_because
    assert "40%" in run.stopped_because
    assert "--retry" in run.stopped_because
    assert run.has_ended
    assert run.next_trial() is None


def test_collapse_divergence_and_infeasible_levels_are_not_failures(started):
    run, _ = started(failure_share=0.0)
    for status in ("diverged", "collapsed", "infeasible", "diverged", "stopped"):
        finish(run, run.next_trial(), status)
    assert not run.stopped_because


def test_a_space_that_fails_ends_the_study_and_keeps_its_trials(started, search_plan):
    quickstart = find_space("quickstart")

    def space(trial):
        if launched and trial.number > 2:
            raise KeyError("gone")
        return quickstart.sample(trial)

    launched = []  # the draws before a study find nothing
    run, _ = started(search_plan(SearchSpace("mine", space, quickstart.question, 24)))
    launched.append(True)
    trials = []
    while (trial := run.next_trial()) is not None:
        trials.append(trial)
    assert not run.has_ended  # running trials may have to run again
    for trial in trials:
        finish(run, trial)
    assert run.has_ended
    assert "KeyError" in str(run.space_error)
    assert 7 < len(trials) < 24
    assert run.trials == trials


def test_a_plan_that_is_not_the_recorded_one_is_refused(started, search_plan):
    whole, _ = started()
    records = interrupted(whole, 8)
    with pytest.raises(InputError, match="has changed since trial"):
        started(search_plan(trials=9, seed=1), recorded=records)


def test_failures_of_earlier_launches_do_not_count(started):
    whole, _ = started(failure_share=0.4)
    for _ in range(4):
        whole.end(whole.next_trial(), "failed")
    records = [StudyTrial.from_record(trial.record()) for trial in whole.trials]
    again, _ = started(recorded=records, failure_share=0.4)
    for _ in range(3):
        finish(again, again.next_trial())
    again.end(again.next_trial(), "failed")
    assert not again.stopped_because


def test_a_missing_record_is_named(started):
    whole, _ = started()
    records = interrupted(whole, 5)
    with pytest.raises(InputError, match="the record of configuration 2 of 'test' is missing"):
        started(recorded=records[:2] + records[3:])


def test_other_data_than_before_is_refused(started):
    whole, _ = started()
    records = interrupted(whole, 2)
    records[1].identity = "of other data"
    with pytest.raises(InputError, match=r"trial 1 is not the recorded one.*--data-root"):
        started(recorded=records)


def test_a_space_that_fails_on_the_last_trial_leaves_the_study_incomplete(started, search_plan):
    quickstart = find_space("quickstart")

    def space(trial):
        if launched and trial.number == 4:
            raise KeyError("gone")
        return quickstart.sample(trial)

    launched = []
    question = Rates((Decimal("0.9"),))
    run, _ = started(search_plan(SearchSpace("mine", space, question, 6), trials=6, question=question))
    launched.append(True)
    while (trial := run.next_trial()) is not None:
        finish(run, trial)
    assert run.space_error is not None
    assert run.has_ended
    assert not run.complete


def drive(run, draws, concurrency, events):
    """Run until `events` trials have ended; which trial ends next, and how, is random."""
    handed = []
    while events and not run.has_ended:
        while len(handed) < concurrency and (trial := run.next_trial()) is not None:
            handed.append(trial)
        if not handed:
            break
        trial = handed.pop(draws.randrange(len(handed)))
        lost = False
        for epoch in range(len(trial.rows) + 1, trial.config.training.epochs + 1):
            accuracy = draws.random() * (0.2 if trial.seed_index else 1.0)
            lost = run.report(trial, [{"epoch": epoch, "validation_accuracy": accuracy}], None)
            if lost:
                break
        run.end(trial, "stopped" if lost else draws.choice(["finished"] * 8 + ["diverged", "failed"]))
        events -= 1


def state(plan):
    """Everything that a plan's next steps depend on."""
    studies = plan.histories.values()
    return (
        [(c.number, c.granted, c.finished, [t.number for t in c.trials]) for c in plan.queue.proposed],
        [[(t.state, t.values, t.params, t.intermediate_values) for t in study.trials] for study in studies],
        plan.waiting,
        plan.exhausted,
    )


@pytest.mark.parametrize("concurrency", [1, 2, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seeds": 3},
        {"seeds": 3, "racing": False, "stopping": "hyperband"},
        {"seeds": 2, "stopping": "none", "sampler": "qmc"},
        {"seeds": 2, "question": Pareto(), "sampler": "nsga2"},
        {"seeds": 2, "question": Smallest()},
    ],
    ids=str,
)
def test_a_plan_that_is_rebuilt_from_records_is_the_one_that_ran(started, search_plan, concurrency, changes):
    for seed in range(4):
        draws = random.Random(seed)
        whole, _ = started(search_plan(trials=14, epochs=9, **changes))
        drive(whole, draws, concurrency, draws.randrange(1, 40))
        records = [StudyTrial.from_record(trial.record()) for trial in whole.trials]
        again, _ = started(search_plan(trials=14, epochs=9, **changes), recorded=records)
        assert state(again.plan) == state(whole.plan)
        assert again._event == whole._event


def rejecting(trial):
    """A space that rejects every other draw, from the first on."""
    if trial.suggest_float("x", 0, 1) < 0.5:
        raise TrialPruned("too small")
    return TrialConfig(arm="freeze", selection=Selection(target="snip"))


@pytest.fixture
def rejecting_plan(search_plan):
    return lambda: search_plan(SearchSpace("mine", rejecting, Rates(), 24), trials=24, seeds=2, racing=False)


def run_to_end(run):
    while (trial := run.next_trial()) is not None:
        finish(run, trial)


def test_a_rejected_trial_is_recorded_and_not_handed_out(rejecting_plan, started):
    run, recorder = started(rejecting_plan(), settle=[end_rejected])
    handed_out = []
    while (trial := run.next_trial()) is not None:
        handed_out.append(trial)
        finish(run, trial)
    rejected = [trial for trial in run.trials if trial.status == "rejected"]
    assert rejected
    assert not any(trial.rejected for trial in handed_out)
    assert {trial.reason for trial in rejected} == {"TrialPruned: too small"}
    for trial in rejected:
        assert recorder.events.count(("started", trial.number)) == 1
        assert recorder.events.count(("ended", trial.number, "rejected")) == 1
    assert (len({trial.configuration for trial in run.trials}), run.complete) == (24, True)


def test_a_resumed_study_ends_a_rejected_trial_once(rejecting_plan, started):
    """Its driver may die after the record of its start, before that of its end."""
    whole, _ = started(rejecting_plan(), settle=[end_rejected])
    run_to_end(whole)
    first = next(trial for trial in whole.trials if trial.rejected)
    for died in (False, True):
        recorded = [StudyTrial.from_record(t.record()) for t in whole.trials[: first.number + 1]]
        if died:
            recorded[-1].status, recorded[-1].finish_sequence = "running", None
        resumed, recorder = started(rejecting_plan(), recorded, settle=[end_rejected])
        assert recorder.events[1:] == [("ended", first.number, "rejected")] * died
        run_to_end(resumed)
        assert not any(("started", first.number) == event[:2] for event in recorder.events)
        same = [(t.config, t.parameters, t.status, t.reason) for t in resumed.trials]
        assert same == [(t.config, t.parameters, t.status, t.reason) for t in whole.trials]
