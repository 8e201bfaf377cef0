"""A study whose time is over ends cleanly: at once, or after the turn over its methods."""

import pytest

from cops_core.config import TrialConfig
from cops_core.identity import trial_identity
from study.run.study_run import StudyRun
from study.run.summary import early_ends
from study.run.time_limit import TimeLimit
from study.search.fixed_plan import FixedPlan

from .command import cops

COUNT = 9


class TurnPlan(FixedPlan):
    """Turns of several trials."""

    def __init__(self, turn):
        super().__init__([TrialConfig(seed=seed) for seed in range(COUNT)])
        self.turn = turn

    @property
    def mid_turn(self):
        return self._number % self.turn > 0


class Launch:
    """A run with a time limit of an hour, and a clock that the test sets."""

    def __init__(self, turn=1, limit="1h", resume="cops resume mine"):
        self.time, self.said = 100.0, []
        self.run = StudyRun(TurnPlan(turn), lambda config: trial_identity(config, "data"))
        self.run.watch([])
        self.limit = TimeLimit(limit, self.run, resume, self.said.append, 100.0, lambda: self.time)

    def at(self, minutes):
        self.time = 100.0 + 60 * minutes
        self.limit.tick()

    def next(self, count=1):
        return [self.run.next_trial() for _ in range(count)]

    def end(self, trials):
        for trial in trials:
            self.run.end(trial, "finished")


def test_when_the_time_is_over_no_trial_is_handed_out_and_running_ones_are_interrupted():
    launch = Launch()
    first, second = launch.next(2)
    launch.end([first])
    launch.at(59.9)
    assert not launch.run.stopped_because
    launch.at(60)
    assert launch.run.has_ended
    assert launch.next() == [None]
    launch.run.interrupt()  # as the runner does at its end
    assert second.status == "interrupted"
    assert early_ends(launch.run) == ["its time limit of 1h is over; cops resume mine continues it"]
    assert not launch.run.complete
    launch.at(61)
    assert launch.said == ["its time limit of 1h is over: running trials write a checkpoint"]


def test_a_turn_is_completed_and_its_trials_run_to_their_ends():
    launch = Launch(turn=3)
    trials = launch.next(4)
    launch.end(trials[:2])
    launch.at(60)
    assert "after this turn" in launch.said[0]
    assert not launch.run.has_ended
    trials += launch.next(2)
    assert None not in trials
    assert launch.next() == [None]  # the turn is complete, the next one is not begun
    launch.run.requeue(trials[2], "its worker died")
    assert launch.next() == [trials[2]]  # it belongs to the turn
    launch.end(trials[2:5])
    assert not launch.run.has_ended
    launch.end(trials[5:])
    assert launch.run.has_ended
    assert [trial.status for trial in launch.run.trials] == ["finished"] * 6
    assert early_ends(launch.run) == ["its time limit of 1h is over; cops resume mine continues it"]
    assert not launch.run.complete


def test_between_two_turns_the_study_ends_at_once():
    launch = Launch(turn=3)
    launch.next(3)
    launch.at(60)
    assert launch.run.has_ended
    assert launch.next() == [None]


def test_the_last_turn_of_a_plan_completes_the_study():
    launch = Launch(turn=COUNT)
    trials = launch.next(COUNT - 1)
    launch.at(60)
    trials += launch.next()
    launch.end(trials)
    assert launch.run.complete
    assert early_ends(launch.run) == []


def test_a_study_that_has_ended_or_has_no_limit_is_not_touched():
    done = Launch()
    done.end(done.next(COUNT))
    done.at(60)
    assert early_ends(done.run) == done.said == []
    assert done.run.complete
    endless = Launch(limit=None)
    endless.at(10**6)
    assert not endless.run.has_ended


def test_a_caller_may_name_the_command_itself():
    launch = Launch(resume=None)
    launch.at(60)
    assert early_ends(launch.run) == ["its time limit of 1h is over"]


@pytest.mark.slow
def test_a_launch_ends_cleanly_and_is_resumed(tmp_path):
    words = ["quickstart", "--epochs", 200, "--trials", 7, "--stopping", "none", "--home", tmp_path / "home"]
    ended = cops(tmp_path, "launch", *words, "--time-limit", "12s")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    text = " ".join(ended.stdout.split())
    assert "at most 12s" in text
    (line,) = [line for line in ended.stdout.split("\n") if "the study ended early" in line]
    assert "its time limit of 12s is over" in line
    assert text.count("cops resume quickstart") == 1
    assert ": 7 finished" not in text  # on a busy machine none may have started
    resumed = cops(tmp_path, "resume", "quickstart", "--home", tmp_path / "home")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "at most" not in resumed.stdout
    assert "7 of 7 trials" in resumed.stdout


@pytest.mark.slow
def test_an_experiment_has_the_same_setting(tmp_path):
    words = ["experiment", "headline", "--dataset", "digits", "--home", tmp_path / "home"]
    ended = cops(tmp_path, *words, "--rates", "0.9", "--time-limit", "0.1s")
    assert ended.returncode == 2
    line = ended.stderr.strip().splitlines()[-1]
    assert "not finished (its time limit of 0.1s is over): run the same command again" in line
    refused = cops(tmp_path, *words, "--time-limit", "soon")
    assert refused.returncode == 2
    assert "write e.g. 2h" in refused.stderr
