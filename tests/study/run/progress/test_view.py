"""The live view of a running study in a terminal; tables that fit 80 columns."""

import io
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cops_core.config import Control, Selection, TrialConfig
from cops_core.scores import SCORES
from search_spaces.question.rates import best_per_method
from study.analysis.comparisons import MethodComparison, comparisons
from study.analysis.configurations import by_configuration, comparable
from study.analysis.fairness import choices
from study.records.trial import StudyTrial
from study.run.progress.tally import Tally
from study.run.progress.view import TerminalView
from study.search.plan import Forecast
from study.views.tables import best_table, failure_table, show_p

from ...made_facts import made_facts

RATE = Decimal("0.99")
LONG = Selection(target="snip", controls=(Control(score="synflow", level=0.3),), rounds=50, scope="layer")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def seeded(ended):
    """Makes a configuration's trials: one per accuracy, with method `target`."""

    def make(configuration, accuracies, target="snip", selection=None, status="finished"):
        chosen = selection or Selection(target=target)
        config = TrialConfig(arm="freeze", selection=chosen, density="0.01")
        return [
            ended(
                10 * configuration + seed,
                status,
                (accuracy,),
                configuration=configuration,
                seed_index=seed,
                rate=RATE,
                config=config,
            )
            for seed, accuracy in enumerate(accuracies)
        ]

    return make


class Screen:
    """A live view in a terminal, with a study that sends its events."""

    def __init__(self, size, width=100, study="mine"):
        self.output, self.clock, self.to_come = io.StringIO(), [0.0], size
        console = Console(
            file=self.output, force_terminal=True, color_system=None, width=width, height=60, _environ={}
        )
        self.tally = Tally(lambda: Forecast(unknown=self.to_come), concurrency=2, now=lambda: self.clock[0])
        self.view = TerminalView(console, study, self.tally)

    def __enter__(self):
        self.view.__enter__()
        return self

    def __exit__(self, *exception):
        self.view.__exit__(*exception)

    def send(self, event, *what):
        self.to_come -= event == "started"
        for observer in (self.tally, self.view):
            getattr(observer, event)(*what)

    def run(self, trial, status="finished"):
        self.send("started", trial)
        trial.status = status
        self.send("ended", trial)

    def lines(self):
        """The output as lines of text."""
        return ESCAPES.sub("\n", self.output.getvalue()).splitlines()

    def frame(self):
        """What is drawn now."""
        self.output.truncate(0)
        self.output.seek(0)
        self.view.draw()
        return "\n".join(line.rstrip() for line in self.lines() if line.strip())


@pytest.fixture
def screen():
    """A view of a study of 8 trials in a terminal of 100 columns."""
    with Screen(8) as shown:
        yield shown


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_shows_progress_the_best_and_what_runs(ended, width):
    with Screen(8, width) as shown:
        done, running = (ended(n, "running", (0.25,), configuration=n, rate=RATE) for n in (1, 2))
        for trial in (done, running):
            shown.send("started", trial)
            for _ in range(3):
                shown.clock[0] += 2.0
                trial.add_row({**trial.rows[0], "epoch": len(trial.rows) + 1})
                shown.send("reported", trial, trial.rows[-1])
        done.status, done.rows[-1]["validation_accuracy"] = "finished", 0.875
        shown.send("ended", done)
        lines = shown.frame().splitlines()
        # 2 s an epoch: 6 epochs of one, and six trials of 9.3 (the other had 4), two at a time.
        assert re.fullmatch(r"mine +━+╸ +1/8 trials, 0:12, about 70 s left", lines[0])
        assert lines[1] == "1 finished"
        assert re.fullmatch(r"running freeze snip q=0.99 +epoch 4/10 25.00%", lines[2])
        assert lines[3] == "best so far"
        assert "87.50%" in lines[-1]


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("count", [1, 64])
def test_no_line_is_wider_than_the_terminal(ended, width, count):
    config = TrialConfig(
        arm="freeze",
        selection=LONG.model_copy(
            update={
                "controls": tuple(Control(score=s, level=0.123456) for s in ("grasp", "synflow", "magnitude"))
            }
        ),
        density="0.0005",
    )
    with Screen(5000, width, study="a-name-" * 14) as shown:
        for number in range(count):
            trial = ended(number, "running", (0.25,), configuration=number, rate=RATE, config=config)
            host = f"worker-{number}.a-long-domain.example.org"
            trial.facts["placed"] |= {"host": host, "gpus": 1.0, "visible_gpus": "3"}
            shown.send("started", trial)
            shown.send("reported", trial, trial.rows[0])
        failed = ended(5000, configuration=5000, reason="RuntimeError: " + "many words " * 40)
        shown.run(failed, "failed")
        lines = shown.lines()
        assert max(map(len, lines)) <= width
        (failure,) = {line for line in lines if line.startswith("trial 5000")}
        assert failure.startswith("trial 5000 (freeze snip q=0.99) failed: RuntimeError: many words")
        assert failure.endswith("…")
        text = shown.frame()
        assert max(map(len, text.splitlines())) <= width
        assert "a-name-a-n" in text
        assert "1/5000 trials" in text
        assert text.count("epoch 1/10") == min(count, 8)
        assert ("and 56 more" in text) == (count == 64)
        assert ("worker-0" in text) == (count == 64)  # with one machine its name is not needed
        assert "GPU 3" in text or count == 64


def test_a_resumed_study_begins_where_it_was(ended, screen):
    over = [ended(number, configuration=number, rate=RATE) for number in range(3)]
    half = ended(3, "running", (0.25,), configuration=3, rate=RATE)
    screen.to_come = 4
    screen.send("recalled", [*over, half])
    assert "3/8" in screen.frame()
    assert "90.00%" in screen.frame()
    assert "running" not in screen.frame()  # it waits to be resumed
    screen.send("resumed", half)
    assert "3/8" in screen.frame()
    assert screen.frame().count("running") == 1
    half.status = "finished"
    screen.send("ended", half)
    assert "4/8" in screen.frame()


def test_a_trial_that_was_interrupted_with_its_study_has_not_ended(ended, screen):
    screen.run(ended(0, "running", (0.25,), rate=RATE), "interrupted")
    assert "0/8" in screen.frame()


def test_a_trial_that_lost_its_worker_is_printed_and_waits_to_be_resumed(ended, screen):
    trial = ended(0, "running", (0.25,), rate=RATE)
    screen.send("started", trial)
    screen.send("lost", trial, "its worker or node died")
    assert "trial 0 (freeze snip q=0.99) will be resumed elsewhere: its worker or node died" in screen.lines()
    assert "running" not in screen.frame()
    screen.send("resumed", trial)
    assert "running" in screen.frame()
    assert "0/8" in screen.frame()


def test_a_study_that_needed_fewer_trials_is_done(ended, screen):
    for number in range(3):
        screen.run(ended(number, configuration=number, rate=RATE))
    assert "3/8" in screen.frame()
    screen.to_come = 1  # races left the others out
    screen.run(ended(3, configuration=3, rate=RATE))
    assert "4/4" in screen.frame()


def test_counts_say_how_trials_ended(ended, screen):
    for number, status in enumerate(("finished", "stopped", "stopped", "collapsed")):
        screen.run(ended(number, configuration=number, reused_from="other/1" * (number == 0)), status)
    assert "1 finished, 2 stopped, 1 collapsed (1 reused)" in screen.frame().splitlines()


def test_a_better_trial_is_shown_immediately(ended, screen):
    for number, accuracy in enumerate((0.5, 0.75)):
        screen.run(ended(number, accuracies=(accuracy,), configuration=number, rate=RATE))
        assert f"{accuracy:.2%}" in screen.frame()
    assert "50.00%" not in screen.frame()


def test_a_configuration_has_the_seeds_that_have_ended(seeded, screen):
    trials = seeded(0, (0.5, 0.7, 0.1))
    trials[2].status = "running"
    for trial in trials:
        screen.send("started", trial)
    for trial in trials[:2]:
        screen.send("ended", trial)
    # The interval of 0.5 and 0.7: 0.1 * 12.7062, Student's t with one degree of freedom.
    assert "60.00% ± 127.06% (2)" in screen.frame()
    assert "seed 2" in screen.frame()


def printed(table, width):
    output = io.StringIO()
    Console(file=output, width=width).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal(ended, width):
    trials = [ended(n, configuration=n, rate=Decimal(rate)) for n, rate in enumerate(("0.95", "0.99"))]
    found = by_configuration(trials)
    lines = printed(best_table(choices(found, found), "best"), width)
    assert lines[1].split() == ["rate", "method", "accuracy", "tried", "trained", "factor", "trial"]
    assert [line.split() for line in lines[2:]] == [
        ["0.99", "freeze", "snip", "90.00%", "1", "100", "10.0", "0"],
        [],
        ["0.99", "freeze", "snip", "90.00%", "1", "100", "10.0", "1"],
    ]


@pytest.mark.parametrize("width", [80, 140])
def test_several_seeds_show_interval_and_p_value(seeded, width):
    trials = [
        *seeded(0, (0.90, 0.92, 0.94), "snip"),
        *seeded(1, (0.89, 0.90, 0.91), "grasp"),  # 0.01, 0.02 and 0.03 below: t = 2 * sqrt(3), p = 0.0742
        *seeded(2, (0.90, 0.92, 0.93), selection=LONG),  # 0, 0 and 0.01 below: t = 1, p = 0.4226
        *seeded(3, (0.99,), "synflow"),  # lost its race: it is not compared
    ]
    found = by_configuration(trials)
    best = choices(best_per_method(comparable(found)), found)
    lines = printed(best_table(best, "best", comparisons(best)), width)
    assert lines[1].split() == ["rate", "method", "accuracy", "p", "tried", "trained", "config"]
    rows = [line for line in lines if "±" in line]
    # Half widths: 4.3027 * sd / sqrt(3). p: Holm doubles the smaller one.
    assert [row.split("%", 1)[0][-5:] + "%" + row.split("%", 1)[1] for row in rows] == [
        "92.00% ± 4.97% (3)   best      1      100       0",
        "91.67% ± 3.79% (3)  0.423      1      100       2",
        "90.00% ± 2.48% (3)  0.148      1      100       1",
    ]
    left, right = lines[1].index("method"), min(row.index("9") for row in (row[5:] for row in rows)) + 5
    methods = " ".join(line[left:right].strip() for line in lines[2:])
    assert methods.split() == [
        *("freeze", "snip"),
        *("freeze", "cops(snip;", "synflow", "0.3)", "per", "layer,", "50", "rounds"),
        *("freeze", "grasp"),
    ]


@given(
    st.permutations(sorted(SCORES)),
    st.integers(1, 4),
    st.sampled_from([1, 100]),
    st.booleans(),
    st.lists(st.floats(0, 1), min_size=1, max_size=12),
)
def test_no_method_is_cut_in_eighty_columns(scores, count, rounds, per_layer, accuracies):
    controls = tuple(Control(score=score, level=0.123) for score in scores[1:count])
    scope = "layer" if per_layer else "global"
    selection = Selection(target=scores[0], controls=controls, rounds=rounds, scope=scope)
    config = TrialConfig(arm="freeze", selection=selection, density="0.0005")
    facts = made_facts(trained_parameters=138_357_544, compression=2000.0)
    trials = [
        StudyTrial(
            number=seed,
            configuration=configuration,
            seed_index=seed,
            config=config,
            rate=Decimal("0.9995"),
            status="finished",
            rows=[{"validation_accuracy": accuracy}],
            facts=facts,
        )
        for configuration in (1998, 1999)
        for seed, accuracy in enumerate(accuracies)
    ]
    first, second = by_configuration(trials)
    compared = [MethodComparison(first, second, 0.0, 0.5, False)] if len(accuracies) > 1 else []
    lines = printed(best_table(choices([first, second], [first, second]), "best", compared), 80)
    first_lines = re.compile(r"^0\.9995 +(.*?) +\d+\.\d\d%.*$")
    shown = "".join(first_lines.sub(r"\1", line) for line in lines[2:])
    method = trials[0].config.detailed_method
    assert shown.replace(" ", "") == 2 * method.replace(" ", "")


def test_stored_bytes_are_shown_where_they_are_the_cost(seeded):
    trials = [*seeded(0, (0.9,)), *seeded(1, (0.8, 0.9))]
    for trial, size in zip(trials, (4096, 1000, 1001), strict=True):
        trial.facts["accounting"]["artifact_bytes"] = size
    found = by_configuration(trials)
    table = best_table(choices(found, found), "front", show_bytes=True)
    text = "\n".join(printed(table, 80))
    assert "4,096" in text
    assert "1,000" in text  # the mean of two seeds, 1,000.5, to the even number


def test_a_p_value_is_never_zero():
    assert [show_p(p) for p in (1.0, 0.0504, 0.001, 0.0009, 0.0)] == [
        *("1.000", "0.050", "0.001", "<0.001", "<0.001")
    ]


def test_failures_are_shown_in_full(ended):
    reason = "RuntimeError: " + " ".join(f"word{number}" for number in range(30)) + " [/bold] [red]"
    lines = printed(failure_table([ended(7, "out_of_memory", (), reason=reason)]), 80)
    assert lines[0].split() == ["trial", "status", "configuration", "reason"]
    left = lines[0].index("reason")
    assert " ".join(line[left:].strip() for line in lines[1:]) == reason
    assert lines[1].split()[:2] == ["7", "out_of_memory"]
