"""A running study hands out trials and tells its observers everything, once."""

from study.observer import Observer
from study.run import StudyRun

ROW = {"epoch": 1, "validation_accuracy": 0.5}


class Recorder(Observer):
    def __init__(self):
        self.events = []

    def started(self, trial):
        self.events.append(("started", trial.number))

    def reported(self, trial, row):
        self.events.append(("reported", trial.number, row["epoch"]))

    def ended(self, trial):
        self.events.append(("ended", trial.number, trial.status))


def test_observers_hear_of_every_event_once(proposer):
    recorder = Recorder()
    run = StudyRun(proposer(trials=7), [recorder])
    trial = run.next_trial()
    run.report(trial, ROW, {"parameters": 10})
    run.report(trial, ROW, None)  # a trial that went on elsewhere reports its last epoch again
    run.report(trial, {**ROW, "epoch": 2}, None)
    run.end(trial, "finished")
    assert recorder.events == [
        ("started", 0),
        ("reported", 0, 1),
        ("reported", 0, 2),
        ("ended", 0, "finished"),
    ]
    assert trial.facts == {"parameters": 10}


def test_a_study_is_complete_when_every_trial_came_to_an_end_of_its_own(proposer):
    run = StudyRun(proposer(trials=7), [])
    while (trial := run.next_trial()) is not None:
        assert not run.complete
        run.report(trial, ROW, None)
        run.end(trial, "stopped" if trial.number else "finished")
    assert run.over
    assert run.complete
    run.trials[3].status = "failed"
    assert not run.complete


def test_an_interrupted_study_says_which_trials_it_cut_off(proposer):
    recorder = Recorder()
    run = StudyRun(proposer(trials=7), [recorder])
    run.end(run.next_trial(), "finished")
    run.next_trial()
    run.interrupt()
    assert recorder.events[-1] == ("ended", 1, "interrupted")
    assert [event[0] for event in recorder.events].count("ended") == 2
    assert not run.complete


def test_a_space_that_fails_ends_the_study_and_keeps_its_trials(proposer):
    from search_spaces import find_space
    from search_spaces.base import SearchSpace

    def space(trial):
        if trial.number > 2:
            raise KeyError("gone")
        return find_space("quickstart").sample(trial)

    quickstart = find_space("quickstart")
    run = StudyRun(proposer(SearchSpace("mine", space, quickstart.question, 24)), [])
    trials = []
    while (trial := run.next_trial()) is not None:
        trials.append(trial)
    assert run.over
    assert "KeyError" in str(run.space_error)
    assert 7 < len(trials) < 24
    assert run.trials == trials
