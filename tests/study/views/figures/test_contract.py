"""Every figure works for every kind of study: as PNG and SVG, without a warning, the same each time."""

import io
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from study.analysis.configurations import by_configuration
from study.views.figures import FIGURES
from study.views.figures.style import png, svg

KINDS = (
    "nothing",
    "only failures",
    "only the dense network",
    "one trial that runs",
    "no dense network",
    "rates and seeds",
    "one seed",
    "all collapsed",
    "a searched rate",
    "equal accuracies",
    "two networks",
    "all arms",
    "layers and rounds",
    "the score family",
    "a deep network",
)
# By figure: the kinds of study without anything to draw.
ALONE = ("nothing", "only failures", "only the dense network", "one trial that runs", "no dense network")
ABSENT = {
    "accuracy_by_rate": {*ALONE, "all collapsed", "a deep network"},
    "pairs": {*ALONE, "all collapsed", "a deep network", "all arms"},
    "accuracy_by_level": {
        *(*ALONE, "all collapsed", "a deep network", "a searched rate", "equal accuracies", "two networks"),
        "layers and rounds",
    },
    "family": set(KINDS) - {"the score family", "rates and seeds", "one seed"},
    "accuracy_by_bytes": {*ALONE, "all collapsed", "a deep network", "equal accuracies"},
    "layers": {"nothing", "only failures", "only the dense network", "one trial that runs"},
    "outcomes": {
        *(*ALONE, "a searched rate", "equal accuracies", "two networks", "all arms", "layers and rounds"),
        *("a deep network", "the score family", "all collapsed"),
    },
}


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_table_of_absences_knows_every_figure_and_kind(studies):
    assert set(ABSENT) == set(FIGURES)
    assert set(KINDS) == set(studies)


# Drawing all figures of a kind takes a second or two: by default only the kinds that differ most.
ALIKE = ("one seed", "two networks", "equal accuracies", "layers and rounds", "no dense network")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in ALIKE)) for kind in KINDS]
)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_or_said_to_be_absent(name, kind, studies):
    found = by_configuration(studies[kind])
    figure = FIGURES[name].draw(found)
    assert (figure is None) == (kind in ABSENT[name])
    if figure is not None:
        assert ElementTree.fromstring(svg(figure)).tag.endswith("svg")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.slow] * (kind != "rates and seeds")) for kind in KINDS],
)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_an_image_with_something_in_it(name, kind, studies):
    figure = FIGURES[name].draw(by_configuration(studies[kind]))
    if figure is not None:
        with Image.open(io.BytesIO(png(figure))) as image:
            assert image.format == "PNG"
            assert np.ptp(np.asarray(image.convert("L"))) > 0


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_each_time(name, studies):
    found = by_configuration(studies["rates and seeds"])
    first, second = (FIGURES[name].draw(found) for _ in range(2))
    assert svg(first) == svg(second)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_what_it_answers(name):
    figure = FIGURES[name]
    assert figure.question.endswith("?")
    assert figure.caption.endswith(".")
    assert figure.absent.endswith(".")


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "outcomes"])
@pytest.mark.parametrize(
    ("kind", "says"), [("rates and seeds", "over 3 seeds"), ("one seed", "one seed each")]
)
def test_a_figure_says_over_how_many_seeds_it_is(name, kind, says, studies):
    figure = FIGURES[name].draw(by_configuration(studies[kind]))
    assert says in figure.get_supxlabel()
