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


class Told:
    """A view that is told of events as a study tells them, of so many trials, a trial per second."""

    def __init__(self, size, make):
        self.output, self.clock, self.to_come = io.StringIO(), [0.0], size
        self.tally = Tally(lambda: Forecast(unknown=self.to_come), at_once=1, now=lambda: self.clock[0])
        self.view = make(self.output, self.tally)
        self.tell("recalled", [])

    def tell(self, event, *what):
        self.to_come -= event == "started"
        for observer in (self.tally, self.view):
            getattr(observer, event)(*what)

    def run(self, trial, status="finished"):
        self.tell("started", trial)
        self.clock[0] += 1.0
        trial.status = status
        self.tell("ended", trial)
        self.view.tick()

    def lines(self):
        return self.output.getvalue().splitlines()


@pytest.fixture
def pipe():
    """Makes a plain view of a study of so many trials."""
    return lambda size: Told(size, lambda output, tally: PlainLines(Console(file=output), "mine", tally))


@pytest.fixture
def events():
    """A view as JSON lines of a study of 8 trials."""
    return Told(8, lambda output, tally: JsonLines(output, {"name": "mine"}, tally))


def test_a_small_study_has_a_line_for_the_end_of_each_trial(ended, pipe):
    told = pipe(12)
    told.run(ended(0, accuracies=(0.5, 0.875)))
    told.run(ended(1, seed_index=1, reused_from="other/7"), "collapsed")
    told.run(ended(2), "interrupted")  # the study has ended
    assert told.lines() == [
        " 1/12  finished     87.50%     1.5 s  freeze snip q=0.99",
        " 2/12  collapsed    90.00%    reused  freeze snip q=0.99 seed 1",
    ]


def test_lines_say_how_long_is_left(ended, pipe):
    told = pipe(4)
    trial = ended(0, "running", ())
    told.tell("started", trial)
    for epoch in range(1, 11):
        told.clock[0] += 6.0
        trial.add_row({"epoch": epoch, "validation_accuracy": 0.5})
        told.tell("reported", trial, trial.rows[-1])
    trial.status = "finished"
    told.tell("ended", trial)
    assert told.lines()[-1].endswith("freeze snip q=0.99  (about 3 min left)")


def test_failures_are_said_at_once_in_full_on_one_line(ended, pipe):
    told = pipe(5000)
    told.run(ended(0, reason="RuntimeError: a\nreason [red] " + "with words " * 30), "failed")
    told.tell("started", trial := ended(1, "running"))
    told.tell("lost", trial, "its worker or node died")
    failed, lost = told.lines()
    assert failed.startswith("trial 0 (freeze snip q=0.99) failed: RuntimeError: a reason [red] with words")
    assert failed.count("with words") == 30
    assert lost == "trial 1 (freeze snip q=0.99) goes on elsewhere: its worker or node died"


def test_a_large_study_sums_up_from_time_to_time(ended, pipe):
    told = pipe(5000)
    with told.view:
        for number in range(100):
            told.run(ended(number, configuration=number), "stopped" if number % 4 else "finished")
        assert len(told.lines()) == 3
    assert len(told.lines()) == 4  # what came after the last
    assert [line.partition(" after")[0] for line in told.lines()] == [f"{n}/5000" for n in (30, 60, 90, 100)]
    assert told.lines()[0] == ("30/5000 after 0:30: 8 finished, 22 stopped; best 90.00% freeze snip q=0.99")


def test_thousands_of_failures_do_not_fill_the_log(ended, pipe):
    told = pipe(5000)
    for number in range(200):
        told.run(ended(number, reason="no"), "failed")
    failures = [line for line in told.lines() if line.startswith("trial ")]
    assert len(failures) == plain.MOST_FAILURES
    assert "further failures have no line here: cops status mine" in told.lines()


def test_every_line_is_written_at_once_and_a_reader_that_goes_costs_nothing_else(ended):
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self):
            Pipe.flushed += 1
            if Pipe.flushed > 1:
                raise BrokenPipeError

    output = Pipe()
    told = Told(5, lambda _, tally: PlainLines(Console(file=output), "mine", tally))
    for number in range(3):
        told.run(ended(number))
    assert Pipe.flushed == 2
    assert told.tally.trials_ended == 3


def test_every_event_is_a_line_of_json(ended, events):
    trial = ended(0, "running", ())
    events.tell("started", trial)
    trial.add_row({"epoch": 1, "train_loss": float("nan"), "validation_accuracy": 0.25})
    events.tell("reported", trial, trial.rows[-1])
    events.tell("lost", trial, "its worker or node died")
    events.tell("resumed", trial)
    trial.status = "diverged"
    events.tell("ended", trial)
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


def test_a_quiet_study_says_nothing(ended, settings):
    output = io.StringIO()
    console = Console(file=output, quiet=True, force_terminal=True)
    told = Told(3, lambda _, tally: choose_view(console, None, settings(), tally))
    told.run(ended(0, reason="no"), "failed")
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
