"""What a person sees: a live view in a terminal, nothing of it in a pipe; tables that fit 80 columns."""

import io
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cops_core.config import Control, Selection, TrialConfig
from cops_core.scores import SCORES
from study.configurations import Comparison, best_per_method, by_configuration, comparisons
from study.ledger.trial import StudyTrial
from study.live import LiveView
from study.tables import best_table, failure_table, show_p

RATE = Decimal("0.99")
LONG = Selection(target="snip", controls=(Control(score="synflow", level=0.3),), rounds=50, scope="layer")


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


@pytest.fixture
def live():
    """A live view in a terminal of 100 columns, and what it writes there."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system=None, width=100, height=40)
    return LiveView(console, "mine", total=8), output


def last_frame(output):
    """What was drawn last before the view was cleared."""
    return output.getvalue().rpartition("mine")[2]


def view(ended, **terminal):
    output = io.StringIO()
    console = Console(file=output, **terminal)
    running = ended(2, "running", (0.25,), configuration=2, rate=RATE)
    running.ended = None
    done = ended(1, accuracies=(0.875,), configuration=1, rate=RATE)
    with LiveView(console, "mine", total=8) as live:
        for trial in (done, running):
            live.started(trial)
        live.ended(done)
        live._draw()
    return output.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_shows_progress_the_best_and_what_runs(ended, width):
    text = view(ended, force_terminal=True, color_system=None, width=width, height=40)
    assert "1/8" in text
    assert "left" in text
    assert "freeze snip q=0.99" in text
    assert "epoch 1/10" in text
    assert "25.0%" in text
    assert "best so far" in text
    assert "87.50%" in text


def test_a_pipe_shows_nothing(ended):
    assert view(ended, force_terminal=False) == ""


def test_a_resumed_study_begins_where_it_was(ended, live):
    shown, output = live
    over = [ended(number, configuration=number, rate=RATE) for number in range(3)]
    half = ended(3, "interrupted", (0.25,), configuration=3, rate=RATE)
    with shown:
        shown.resumed([*over, half])
        shown._draw()
        assert "3/8" in last_frame(output)
        assert "90.00%" in last_frame(output)
        assert "running" not in last_frame(output)
        half.status = "running"  # it goes on
        shown.started(half)
        shown._draw()
        assert "3/8" in last_frame(output)
        assert last_frame(output).count("running") == 1
        half.status = "finished"
        shown.ended(half)
        shown._draw()
        assert "4/8" in last_frame(output)


def test_a_trial_that_the_end_of_the_study_interrupts_is_not_over(ended, live):
    shown, output = live
    trial = ended(0, "running", (0.25,), rate=RATE)
    with shown:
        shown.started(trial)
        trial.status = "interrupted"
        shown.ended(trial)
    assert "0/8" in last_frame(output)


def test_a_study_that_needed_fewer_trials_is_done(ended, live):
    shown, output = live
    with shown:
        for number in range(3):
            trial = ended(number, configuration=number, rate=RATE)
            shown.started(trial)
            shown.ended(trial)
        shown._draw()
        assert "3/8" in last_frame(output)
    assert "3/3" in last_frame(output)


def test_a_better_trial_takes_its_place_at_once(ended, live):
    shown, output = live
    with shown:
        for number, accuracy in enumerate((0.5, 0.75)):
            shown.ended(ended(number, accuracies=(accuracy,), configuration=number, rate=RATE))
            shown._draw()
            assert f"{accuracy:.2%}" in last_frame(output)
        assert "50.00%" not in last_frame(output)


def test_a_configuration_counts_with_the_seeds_that_are_over(seeded, live):
    shown, output = live
    trials = seeded(0, (0.5, 0.7, 0.1))
    trials[2].status = "running"
    with shown:
        for trial in trials:
            shown.started(trial)
        for trial in trials[:2]:
            shown.ended(trial)
        shown._draw()
        # The interval of 0.5 and 0.7: 0.1 * 12.7062, Student's t with one degree of freedom.
        assert "60.00% ± 127.06% (2)" in last_frame(output)
        assert "seed 2" in last_frame(output)


def printed(table, width):
    output = io.StringIO()
    Console(file=output, width=width).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal(ended, width):
    trials = [ended(n, configuration=n, rate=Decimal(rate)) for n, rate in enumerate(("0.95", "0.99"))]
    lines = printed(best_table(by_configuration(trials), "best"), width)
    assert lines[1].split() == ["rate", "method", "accuracy", "density", "trained", "factor", "trial"]
    assert [line.split() for line in lines[2:]] == [
        ["0.99", "freeze", "snip", "90.00%", "0.01", "100", "10.0", "0"],
        [],
        ["0.99", "freeze", "snip", "90.00%", "0.01", "100", "10.0", "1"],
    ]


@pytest.mark.parametrize("width", [80, 140])
def test_several_seeds_show_interval_deviation_and_p_value(seeded, width):
    trials = [
        *seeded(0, (0.90, 0.92, 0.94), "snip"),
        *seeded(1, (0.89, 0.90, 0.91), "grasp"),  # 0.01, 0.02 and 0.03 below: t = 2 * sqrt(3), p = 0.0742
        *seeded(2, (0.90, 0.92, 0.93), selection=LONG),  # 0, 0 and 0.01 below: t = 1, p = 0.4226
        *seeded(3, (0.99,), "synflow"),  # raced out: it is not compared
    ]
    best = best_per_method(by_configuration(trials))
    lines = printed(best_table(best, "best", comparisons(best)), width)
    assert lines[1].split() == ["rate", "method", "accuracy", "sd", "p", "trained", "config"]
    rows = [line for line in lines if "±" in line]
    # Half widths: 4.3027 * sd / sqrt(3). p: Holm doubles the smaller one.
    assert [row.split("%", 1)[0][-5:] + "%" + row.split("%", 1)[1] for row in rows] == [
        "92.00% ± 4.97% (3)  2.00%   best      100       0",
        "91.67% ± 3.79% (3)  1.53%  0.423      100       2",
        "90.00% ± 2.48% (3)  1.00%  0.148      100       1",
    ]
    left, right = lines[1].index("method"), min(row.index("9") for row in (row[5:] for row in rows)) + 5
    methods = " ".join(line[left:right].strip() for line in lines[2:])
    assert methods.split() == [
        *("freeze", "snip"),
        *("freeze", "cops(snip;", "synflow", "0.3)", "per", "layer", "in", "50", "rounds"),
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
    facts = {"trained_parameters": 138_357_544, "compression": 2000.0}
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
    compared = [Comparison(first, second, 0.0, 0.5)] if len(accuracies) > 1 else []
    lines = printed(best_table([first, second], "best", compared), 80)
    first_lines = re.compile(r"^0\.9995 +(.*?) +\d+\.\d\d%.*$")
    shown = "".join(first_lines.sub(r"\1", line) for line in lines[2:])
    method = trials[0].title.removesuffix(" q=0.9995")
    assert shown.replace(" ", "") == 2 * method.replace(" ", "")


def test_stored_bytes_are_shown_where_they_are_the_cost(seeded):
    trials = [*seeded(0, (0.9,)), *seeded(1, (0.8, 0.9))]
    for trial, size in zip(trials, (4096, 1000, 1001), strict=True):
        trial.facts["accounting"] = {"artifact_bytes": size}
    table = best_table(by_configuration(trials), "front", cost="bytes")
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
