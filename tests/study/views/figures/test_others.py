"""What the other figures of a study show."""

import warnings

import optuna
import pytest
from matplotlib import pyplot, rcParams

from search_spaces.question.pareto import pareto_front
from study.analysis.configurations import by_configuration
from study.analysis.groups import at_each_rate, half_width
from study.views.figures.front import accuracy_by_bytes
from study.views.figures.layers import best_masks, layer_densities, layers
from study.views.figures.levels import accuracy_by_level, prices
from study.views.figures.outcomes import outcomes
from study.views.figures.pairs import pairs
from study.views.figures.parameters import FEWEST_IMPORTANCES, FEWEST_SLICES, importances, slices
from study.views.figures.style import svg


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_group_is_one_network_at_one_rate(studies):
    assert [group.title for group in at_each_rate(by_configuration(studies["two networks"]))] == [
        "lenet_300_100 on digits\nfreezing rate 0.99",
        "lenet_5_caffe on digits\nfreezing rate 0.99",
    ]


def test_a_searched_rate_is_grouped_by_decades_of_the_density(studies):
    groups = at_each_rate(by_configuration(studies["a searched rate"]))
    assert [group.title for group in groups] == [
        "density 0.1 to 1",
        "density 0.01 to 0.1",
        "density 0.001 to 0.01",
    ]
    assert [len(group.members) for group in groups] == [1, 2, 1]


def test_a_pair_shows_its_best_with_interval_and_how_many_were_tried(studies):
    found = by_configuration(studies["rates and seeds"])
    figure = pairs(found)
    by_title = {axes.get_title(): axes for axes in figure.axes}
    shown = texts(by_title["freeze, freezing rate 0.99"])
    assert f"81.0\n±{100 * half_width(found[4]):.1f}\nof 2" in shown
    assert any(text.startswith("61.0\n±") and "of" not in text for text in shown)
    assert texts(by_title["prune, freezing rate 0.9"]) == []


def test_rounds_are_in_the_figures_where_they_are_not_the_published_ones(made):
    trials = [
        *made(1, (0.8,), "synflow+snip"),
        *made(2, (0.7,), "synflow+magnitude", selection={"rounds": 100}),
        *made(3, (0.6,), "synflow+magnitude", level=0.9, selection={"rounds": 100}),
    ]
    shown = [text for axes in pairs(by_configuration(trials)).axes for text in texts(axes)]
    assert shown == ["80.0\none-shot", "70.0\nof 2"]
    (legend,) = accuracy_by_level(by_configuration(trials)).legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert "target synflow\ntarget synflow, one-shot" in labels


def test_a_pair_of_a_single_seed_has_no_interval(studies):
    figure = pairs(by_configuration(studies["one seed"]))
    assert not any("±" in text for axes in figure.axes for text in texts(axes))


def test_the_price_is_the_share_of_the_target_that_is_lost(made):
    (trial,) = made(1, (0.5,), "snip+synflow", targets=(10.0, 8.0, 5.0))
    assert prices(trial) == pytest.approx({0.0: 0.0, 0.5: 0.2, 1.0: 0.5})


def test_prices_of_layers_are_added_up(made):
    (trial,) = made(1, (0.5,), "snip+synflow", targets=(10.0, 8.0, 5.0))
    (other,) = made(1, (0.5,), "snip+synflow", targets=(30.0, 30.0, 27.0))
    paths = trial.facts["manifest"]["price_of_control"]
    paths["fc2.weight"] = other.facts["manifest"]["price_of_control"]["global"]
    assert prices(trial) == pytest.approx({0.0: 0.0, 0.5: 0.05, 1.0: 0.2})


@pytest.mark.parametrize("targets", [(0.0, 0.0, 0.0), (-1.0, -2.0, -3.0)])
def test_a_target_with_sum_zero_has_no_price(made, targets):
    (trial,) = made(1, (0.5,), "grasp+synflow", targets=targets)
    assert prices(trial) == {}


def test_a_failed_trial_has_no_price(made):
    (trial,) = made(1, (None,), "snip+synflow", status="failed")
    trial.facts = None
    assert prices(trial) == {}


def test_levels_are_drawn_only_for_one_control(studies):
    figure = accuracy_by_level(by_configuration(studies["rates and seeds"]))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "prune, freezing rate 0.99",
        "freeze, freezing rate 0.99",
        "price of control, freezing rate 0.99",
    ]
    freeze = figure.axes[1]
    levels = sorted(line.get_xdata()[0] for line in freeze.get_lines() if len(line.get_xdata()) == 1)
    assert levels == [0.5, 0.9]


def test_the_front_is_drawn_as_what_a_budget_buys(studies):
    found = by_configuration(studies["a searched rate"])
    axes = accuracy_by_bytes(found).axes[0]
    (front,) = [line for line in axes.get_lines() if line.get_drawstyle() == "steps-pre"]
    assert list(front.get_ydata()) == [each.mean for each in pareto_front(found, "bytes")]
    assert list(front.get_xdata()) == sorted(front.get_xdata(), reverse=True)


def test_masks_are_the_mean_over_seeds_and_the_best_first(made):
    first, second = made(1, (0.5, 0.6), layers={"fc1.weight": 0.2, "fc2.weight": 0.0})
    second.facts["layer_densities"] = {"fc1.weight": 0.4, "fc2.weight": 0.1}
    (each,) = by_configuration([first, second])
    assert layer_densities(each) == pytest.approx({"fc1.weight": 0.3, "fc2.weight": 0.05})
    found = by_configuration([first, second, *made(2, (0.9, 0.9), "grasp"), *made(3, (0.7, 0.7), "grasp")])
    (group,) = at_each_rate(found)
    assert [each.number for each in best_masks(group)] == [2, 1]


def test_long_names_of_masks_fit(made):
    """Laid out without matplotlib's warning that nothing is left for the axes."""
    flow, loss = ({"functional": name, "form": "signed"} for name in ("gradient_flow", "loss"))
    scores = [flow, loss, {"functional": "gradient_flow", "p": 2}, {"functional": "synflow", "p": 2}]
    selection = {
        "target": scores[0],
        "controls": [{"score": score, "level": 0.5} for score in scores[1:]],
        "rounds": 10,
    }
    figure = layers(by_configuration(made(1, (0.5,), arm="freeze_wd", selection=selection)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg(figure)
    assert figure.axes[0].get_position().width > 0.1


def test_outcomes_are_counted_by_method_and_status(studies):
    axes = outcomes(by_configuration(studies["rates and seeds"])).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "prune snip"  # of which most did not finish
    widths = {
        (labels[place], container.get_label()): patch.get_width()
        for container in axes.containers
        for place, patch in enumerate(container.patches)
        if patch.get_width()
    }
    assert widths["prune snip", "collapsed"] == 3
    assert widths["freeze grasp", "stopped"] == 1
    assert widths["freeze magnitude", "failed"] == 1
    assert widths["dense", "finished"] == 3


@pytest.fixture
def searched():
    """An Optuna study in which one parameter decides the value; of that many trials."""

    def make(trials, directions=("maximize",), decides=lambda x, y: x):
        study = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(0))
        for _ in range(trials):
            trial = study.ask()
            x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
            if trial.suggest_categorical("with_z", (True, False)):
                trial.suggest_float("z", 1e-5, 1, log=True)
            study.tell(trial, (decides(x, y),) * len(directions))
        return study

    return make


def test_the_parameter_that_decides_is_the_most_important(searched):
    axes = importances(searched(30)).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    widths = dict(zip(names, [patch.get_width() for patch in axes.patches], strict=True))
    assert set(widths) == {"x", "y", "with_z"}  # z is not in every trial
    assert widths["x"] > 0.8


def test_slices_show_every_parameter(searched):
    figure = slices(searched(12))
    assert [axes.get_xlabel() for axes in figure.axes[:-1]] == ["with_z", "x", "y", "z"]
    assert figure.axes[0].get_ylabel() == "validation accuracy"


@pytest.mark.parametrize(
    ("directions", "label"),
    [(("minimize",), "density"), (("maximize", "minimize"), "validation accuracy")],
)
def test_the_first_objective_is_shown(searched, directions, label):
    study = searched(FEWEST_IMPORTANCES, directions)
    assert slices(study).axes[0].get_ylabel() == label
    assert importances(study) is not None


def test_too_few_or_equal_values_give_no_figure(searched):
    assert importances(searched(FEWEST_IMPORTANCES - 1)) is None
    assert importances(searched(FEWEST_IMPORTANCES)) is not None
    assert slices(searched(FEWEST_SLICES - 1)) is None
    assert importances(searched(30, decides=lambda x, y: 0.5)) is None


def test_optuna_leaves_no_trace_in_pyplot(searched):
    before = dict(rcParams)
    importances(searched(30))
    slices(searched(10))
    assert dict(rcParams) == before
    assert pyplot.get_fignums() == []
