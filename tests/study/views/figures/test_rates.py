"""Accuracy against the rate: which points make a line, and what a panel shows."""

import numpy as np
import pytest

from study.analysis.configurations import by_configuration
from study.views.figures.rates import MOST_LINES, accuracy_by_rate, curves
from study.views.figures.style import score_ink


def drawn_lines(axes):
    """Lines with markers: those of methods."""
    return [line for line in axes.get_lines() if line.get_marker() not in ("None", None, "")]


def lines_of(trials):
    return {line.label: [point.number for point in line.points] for line in curves(by_configuration(trials))}


def test_a_point_is_the_best_of_its_line_at_its_rate(made):
    trials = [
        *made(0, (0.9,), arm="dense"),
        *made(1, (0.5,), rate="0.99"),
        *made(2, (0.7,), rate="0.99"),
        *made(3, (0.6,), rate="0.9"),
        *made(4, (0.65,), "snip+synflow", rate="0.99"),
        *made(5, (0.75,), "snip+magnitude", rate="0.99"),
        *made(6, (0.4,), "grasp", rate="0.99"),
        *made(7, (0.99,), "grasp", rate="0.99", status="stopped"),
    ]
    assert lines_of(trials) == {"snip": [3, 2], "cops(snip; best control)": [5], "grasp": [6]}


def test_where_the_rate_is_searched_a_line_is_a_front(made):
    drawn = [("0.9", 0.8), ("0.95", 0.7), ("0.97", 0.75), ("0.99", 0.5)]
    trials = [
        trial
        for number, (rate, accuracy) in enumerate(drawn)
        for trial in made(number, (accuracy,), rate=rate, axis=False)
    ]
    assert lines_of(trials) == {"snip": [0, 2, 3]}


def test_each_arm_has_a_panel_and_each_target_a_colour(studies):
    figure = accuracy_by_rate(by_configuration(studies["rates and seeds"]))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["prune", "freeze"]
    colours = {line.get_label(): line.get_color() for line in drawn_lines(figure.axes[1])}
    assert colours["snip"] == colours["cops(snip; best control)"] == score_ink("snip")["color"]
    dashes = {line.get_label(): line.get_linestyle() for line in drawn_lines(figure.axes[1])}
    assert dashes["snip"] == "-"
    assert dashes["cops(snip; best control)"] == "--"
    fillings = {line.get_label(): line.get_markerfacecolor() for line in drawn_lines(figure.axes[1])}
    assert fillings["cops(snip; best control)"] == "white" != fillings["snip"]


def test_points_and_bands_are_means_and_intervals(made):
    trials = [*made(1, (0.5, 0.6, 0.7), rate="0.9"), *made(2, (0.3, 0.4, 0.5), rate="0.99")]
    axes = accuracy_by_rate(by_configuration(trials)).axes[0]
    (line,) = drawn_lines(axes)
    assert line.get_ydata()[::-1] == pytest.approx([0.6, 0.4])  # the lowest density is drawn first
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    half_width = 4.302652729911275 * 0.1 / np.sqrt(3)  # Student's t of two degrees of freedom
    assert band.max() == pytest.approx(0.6 + half_width)
    assert band.min() == pytest.approx(0.4 - half_width)


def test_a_single_seed_has_no_band(made):
    axes = accuracy_by_rate(by_configuration([*made(1, (0.5,)), *made(2, (0.4,), rate="0.9")])).axes[0]
    assert not axes.collections


def test_a_line_is_broken_where_a_rate_is_missing(made):
    trials = [
        *(
            trial
            for place, rate in enumerate(("0.9", "0.95", "0.99"))
            for trial in made(place, (0.5,), rate=rate)
        ),
        *made(5, (0.4,), "grasp", rate="0.9"),
        *made(6, (0.4,), "grasp", rate="0.99"),
    ]
    lines = {
        line.get_label(): line for line in drawn_lines(accuracy_by_rate(by_configuration(trials)).axes[0])
    }
    assert np.isnan(lines["grasp"].get_ydata()).tolist() == [False, True, False]
    assert not np.isnan(lines["snip"].get_ydata()).any()


def test_a_second_row_shows_details_where_pruning_collapsed(made):
    near = [*made(0, (0.9,), arm="dense"), *made(1, (0.85,)), *made(2, (0.8,), arm="prune")]
    far = [*near, *made(3, (0.1,), "grasp", arm="prune")]
    assert len(accuracy_by_rate(by_configuration(near)).axes) == 2
    close = accuracy_by_rate(by_configuration(far)).axes[2:]
    assert len(close) == 2
    assert close[0].get_ylim()[0] == pytest.approx(0.9 - 0.15)


def test_with_too_many_lines_the_worst_are_left_out(made):
    trials = [
        trial
        for number in range(MOST_LINES + 3)
        for trial in made(number, (0.9 - 0.02 * number,), selection={"rounds": 2 + number})
    ]
    axes = accuracy_by_rate(by_configuration(trials)).axes[0]
    assert len(drawn_lines(axes)) == MOST_LINES
    assert axes.get_title() == f"freeze, the best {MOST_LINES} of {MOST_LINES + 3} lines"
    assert min(line.get_ydata().min() for line in drawn_lines(axes)) > 0.9 - 0.02 * MOST_LINES


def test_an_interval_does_not_stretch_the_axis_beyond_0_and_1(made):
    trials = [*made(1, (0.1, 0.9)), *made(2, (0.1, 0.9), rate="0.9")]
    axes = accuracy_by_rate(by_configuration(trials)).axes[0]
    low, high = axes.get_ylim()
    assert low >= -0.02
    assert high <= 1.02
