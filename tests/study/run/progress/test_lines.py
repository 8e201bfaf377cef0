"""A study without a terminal: plain lines for a person, JSON lines for a program."""

import io
import json

import pytest
from rich.console import Console

from study.run.progress import plain
from study.run.progress.choose import choose_view
from study.run.progress.json_lines import JsonLines
from study.run.progress.plain import PlainLines
from study.run.progress.tally import Tally
from study.run.progress.view import TerminalView
from study.run.progress.words import time_left
from study.search.plan import Forecast


class FakeStudy:
    """Sends the events of a study of `size` trials to a view, an ended trial per second."""

    def __init__(self, size, make):
        self.output, self.clock, self.to_come = io.StringIO(), [0.0], size
        self.tally = Tally(lambda: Forecast(unknown=self.to_come), concurrency=1, now=lambda: self.clock[0])
        self.view = make(self.output, self.tally)
        self.send("recalled", [])

    def send(self, event, *what):
        self.to_come -= event == "started"
        for observer in (self.tally, self.view):
            getattr(observer, event)(*what)

    def run(self, trial, status="finished"):
        self.send("started", trial)
        self.clock[0] += 1.0
        trial.status = status
        self.send("ended", trial)
        self.view.tick()

    def lines(self):
        return self.output.getvalue().splitlines()


@pytest.fixture
def pipe():
    """Makes a plain view of a study of `size` trials."""
    return lambda size: FakeStudy(size, lambda output, tally: PlainLines(Console(file=output), "mine", tally))


@pytest.fixture
def events():
    """A view as JSON lines of a study of 8 trials."""
    return FakeStudy(8, lambda output, tally: JsonLines(output, {"name": "mine"}, tally))


def test_a_small_study_has_a_line_for_the_end_of_each_trial(ended, pipe):
    study = pipe(12)
    study.run(ended(0, accuracies=(0.5, 0.875)))
    study.run(ended(1, seed_index=1, reused_from="other/7"), "collapsed")
    study.run(ended(2), "interrupted")  # the study has ended
    assert study.lines() == [
        " 1/12  finished     87.50%     1.5 s  freeze snip q=0.99",
        " 2/12  collapsed    90.00%    reused  freeze snip q=0.99 seed 1",
    ]


def test_lines_say_how_long_is_left(ended, pipe):
    study = pipe(4)
    trial = ended(0, "running", ())
    study.send("started", trial)
    for epoch in range(1, 11):
        study.clock[0] += 6.0
        trial.add_row({"epoch": epoch, "validation_accuracy": 0.5})
        study.send("reported", trial, trial.rows[-1])
    trial.status = "finished"
    study.send("ended", trial)
    assert study.lines()[-1].endswith("freeze snip q=0.99  (about 3 min left)")


def test_failures_are_printed_immediately_on_one_line(ended, pipe):
    study = pipe(5000)
    study.run(ended(0, reason="RuntimeError: a\nreason [red] " + "with words " * 30), "failed")
    study.send("started", trial := ended(1, "running"))
    study.send("lost", trial, "its worker or node died")
    failed, lost = study.lines()
    assert failed.startswith("trial 0 (freeze snip q=0.99) failed: RuntimeError: a reason [red] with words")
    assert failed.count("with words") == 30
    assert lost == "trial 1 (freeze snip q=0.99) will be resumed elsewhere: its worker or node died"


def test_a_large_study_prints_totals_from_time_to_time(ended, pipe):
    study = pipe(5000)
    with study.view:
        for number in range(100):
            study.run(ended(number, configuration=number), "stopped" if number % 4 else "finished")
        assert len(study.lines()) == 3
    assert len(study.lines()) == 4  # the totals after the last ones
    assert [line.partition(" after")[0] for line in study.lines()] == [f"{n}/5000" for n in (30, 60, 90, 100)]
    assert study.lines()[0] == ("30/5000 after 0:30: 8 finished, 22 stopped; best 90.00% freeze snip q=0.99")


def test_thousands_of_failures_do_not_fill_the_log(ended, pipe):
    study = pipe(5000)
    for number in range(200):
        study.run(ended(number, reason="no"), "failed")
    failures = [line for line in study.lines() if line.startswith("trial ")]
    assert len(failures) == plain.MOST_FAILURES
    assert any("further failures" in line and "cops status mine" in line for line in study.lines())


def test_every_line_is_flushed_and_a_closed_pipe_loses_only_lines(ended):
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self):
            Pipe.flushed += 1
            if Pipe.flushed > 1:
                raise BrokenPipeError

    output = Pipe()
    study = FakeStudy(5, lambda _, tally: PlainLines(Console(file=output), "mine", tally))
    for number in range(3):
        study.run(ended(number))
    assert Pipe.flushed == 2
    assert study.tally.trials_ended == 3


def test_every_event_is_a_line_of_json(ended, events):
    trial = ended(0, "running", ())
    events.send("started", trial)
    trial.add_row({"epoch": 1, "train_loss": float("nan"), "validation_accuracy": 0.25})
    events.send("reported", trial, trial.rows[-1])
    events.send("lost", trial, "its worker or node died")
    events.send("resumed", trial)
    trial.status = "diverged"
    events.send("ended", trial)
    events.view.say("stopping")
    lines = [json.loads(line) for line in events.lines()]
    assert [line["event"] for line in lines] == [
        "study",
        "started",
        "epoch",
        "lost",
        "resumed",
        "ended",
        "note",
    ]
    assert all(line["time"] > 1e9 for line in lines)
    study, started, epoch, lost, _, over, _ = lines
    assert (study["name"], study["finished"], study["max_trials"]) == ("mine", 0, 8)
    assert (started["title"], started["epochs"]) == ("freeze snip q=0.99", 10)
    assert (epoch["validation_accuracy"], epoch["train_loss"]) == (0.25, None)
    assert lost["reason"] == "its worker or node died"
    assert (over["status"], over["validation_accuracy"], over["finished"], over["max_trials"]) == (
        "diverged",
        0.25,
        1,
        8,
    )


def test_which_view_a_study_has(settings):
    tally = Tally(Forecast)
    terminal = {"file": io.StringIO(), "force_terminal": True}
    views = [
        choose_view(Console(**terminal, _environ={"TERM": "xterm"}), None, settings(), tally),
        choose_view(Console(**terminal, _environ={"TERM": "dumb"}), None, settings(), tally),
        choose_view(Console(file=io.StringIO()), None, settings(), tally),
        choose_view(Console(**terminal), io.StringIO(), settings(), tally),
    ]
    assert list(map(type, views)) == [TerminalView, PlainLines, PlainLines, JsonLines]


def test_a_quiet_study_prints_nothing(ended, settings):
    output = io.StringIO()
    console = Console(file=output, quiet=True, force_terminal=True)
    study = FakeStudy(3, lambda _, tally: choose_view(console, None, settings(), tally))
    study.run(ended(0, reason="no"), "failed")
    assert output.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (3, "less than 10 s left"),
        (41, "about 50 s left"),
        (170, "about 3 min left"),
        (7000, "about 1.9 h left"),
        (200_000, "about 2.3 days left"),
    ],
)
def test_the_time_left_in_words(seconds, words):
    assert time_left(seconds) == words


def test_a_dry_run_has_no_events(run):
    code, out, err = run("launch", "quickstart", "--dry-run", "--json")
    assert (code, out) == (2, "")
    assert "--dry-run" in err
