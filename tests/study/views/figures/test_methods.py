"""The figure of compared methods: a panel for each network, a line or a row for each method."""

import warnings

import pytest

from cops_core.trainers import Measure
from study.analysis.configurations import by_configuration
from study.analysis.judged import method_table
from study.analysis.statistics import interval
from study.views.figures.methods import MOST_METHODS, Panel, draw_methods, methods_by_rate
from study.views.figures.style import svg

from ...made_compare import QUESTION, again, compare_trials


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def drawn(trials):
    return methods_by_rate(method_table(by_configuration(trials), QUESTION, 2))


def test_several_rates_are_lines_and_one_rate_is_rows(made):
    trials = compare_trials(made)
    figure = drawn(trials)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.99", "0.9"]
    assert len(figure.legends[0].get_texts()) == 3
    assert "3 fresh seeds" in figure.get_supxlabel()
    assert svg(figure) == svg(drawn(trials))
    (rows,) = drawn([trial for trial in trials if str(trial.rate) in ("None", "0.99")]).axes
    labels = [text.get_text() for text in rows.get_yticklabels()]
    assert labels == ["freeze cops(snip; synflow)", "freeze snip", "prune snip"]


def test_nothing_is_drawn_before_the_test_part(made):
    assert drawn(compare_trials(made, judged=False)) is None
    assert drawn([]) is None


def test_each_network_has_its_panel(made):
    one = made(0, (0.9,), rate="0.9")
    two = made(1, (0.8,), "grasp", "0.9", model="lenet_5_caffe")
    trials = [*one, *two, *again(made, 2, one, (0.9, 0.91)), *again(made, 3, two, (0.8, 0.82))]
    titles = [axes.get_title() for axes in drawn(trials).axes]
    assert titles == ["lenet_300_100 on digits", "lenet_5_caffe on digits"]


def test_only_the_dense_network(made):
    dense = made(0, (0.9,), arm="dense")
    assert svg(drawn([*dense, *again(made, 1, dense, (0.9, 0.91))]))


def test_many_methods_with_long_names_are_left_out_in_words():
    points = [(0.1, interval([0.5, 0.6])), (0.01, interval([0.1, 0.3]))]
    lines = {f"${number}$ {'x' * 60}": points for number in range(15)}
    figure = draw_methods([Panel("some network", lines)])
    assert f"the best {MOST_METHODS} of 15" in figure.axes[0].get_title()
    assert svg(figure)


def test_the_baseline_is_always_drawn_and_what_is_not_drawn_takes_no_space():
    lines = {
        f"{number}": [(0.1, interval([0.8, 0.81])), (0.01, interval([0.7, 0.71]))] for number in range(14)
    }
    lines["worst"] = [(0.1, interval([0.1, 0.11])), (0.01, interval([0.1, 0.11]))]
    lines["baseline"] = [(0.1, interval([0.6, 0.61])), (0.01, interval([0.5, 0.51]))]
    figure = draw_methods([Panel("some network", lines, baseline="baseline")])
    (axes,) = figure.axes
    assert axes.get_title().endswith(f"the best {MOST_METHODS} of 16 methods, and the baseline")
    assert "baseline" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert 0.3 < axes.get_ylim()[0] < 0.5


def test_a_measure_to_be_minimised_keeps_the_smallest():
    loss = Measure(name="loss", direction="minimize", worst=9.0)
    lines = {f"m{number}": [(0.1, interval([number, number + 0.5]))] for number in range(15)}
    figure = draw_methods([Panel("own", lines, interval([0.1, 0.2]))], loss)
    assert next(text.get_text() for text in figure.axes[0].get_yticklabels()) == "m0"
    assert "test loss" in figure.axes[0].get_xlabel()
