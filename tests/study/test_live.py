"""What a person sees: a live view in a terminal, nothing of it in a pipe."""

import io
from decimal import Decimal

import pytest
from rich.console import Console

from study.live import LiveView, best_table


def view(ended, **terminal):
    output = io.StringIO()
    console = Console(file=output, **terminal)
    running = ended(2, "running", (0.25,), rate=Decimal("0.99"))
    running.ended = None
    done = ended(1, accuracies=(0.875,), rate=Decimal("0.99"))
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


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal(ended, width):
    output = io.StringIO()
    trials = [ended(number, rate=Decimal(rate)) for number, rate in enumerate(("0.95", "0.99"))]
    Console(file=output, width=width).print(best_table(trials, "best"))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[:3] for line in lines if "freeze" in line] == [["0.99", "freeze", "snip"]] * 2
