"""The figures of a study, each an answer to one question, and the style that all figures share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from study.analysis.configurations import ConfigurationResult
from study.analysis.regions import FEWEST as FEWEST_OF_FAMILY
from study.views.figures.family import family
from study.views.figures.front import accuracy_by_bytes
from study.views.figures.layers import layers
from study.views.figures.levels import accuracy_by_level
from study.views.figures.outcomes import outcomes
from study.views.figures.pairs import pairs
from study.views.figures.parameters import FEWEST
from study.views.figures.rates import accuracy_by_rate

__all__ = ["FIGURES", "PARAMETERS", "Figure", "FigureText", "StudyFigure"]


@dataclass(frozen=True)
class FigureText:
    """The question that figures answer, and how they are read. absent: why there are none."""

    question: str
    caption: str
    absent: str


@dataclass(frozen=True)
class StudyFigure(FigureText):
    """A figure of a study. draw: of all its configurations; None where there is nothing to draw."""

    draw: Callable[[Sequence[ConfigurationResult]], Figure | None]


NOTHING_FINISHED = "No configuration has run to its end."

FIGURES: Mapping[str, StudyFigure] = {
    "accuracy_by_rate": StudyFigure(
        "How much can be frozen or pruned?",
        "Validation accuracy of the last epoch against the freezing rate; the axis is logarithmic in the"
        " density. Each point is the line's best configuration at that rate. Solid lines with full markers"
        " are scores alone, broken ones with hollow markers the same scores as the target of COPS with its"
        " best control.",
        NOTHING_FINISHED,
        accuracy_by_rate,
    ),
    "pairs": StudyFigure(
        "Which scores go together?",
        "The best configuration of each target and control, in per cent of validation accuracy, and of how"
        " many configurations it is the best. Colours are comparable within one freezing rate; the darkest"
        " means ten points below its best, or less.",
        "No configuration with a control has run to its end.",
        pairs,
    ),
    "accuracy_by_level": StudyFigure(
        "What does control bring, and what does it cost?",
        "Above: accuracy over the level of the control, a point per configuration. Below: the share of the"
        " target's sum that the mask gives up to keep its control at that level.",
        "No configuration with one control has run to its end.",
        accuracy_by_level,
    ),
    "family": StudyFigure(
        "Which region of the score family wins?",
        "Each configuration by the powers of its target |dF/dtheta|^p |theta|^r; a row per functional F,"
        " signed ones (p = r = 1) apart, a column per freezing rate or decade of the density. Colours mean"
        " the same within a column; the darkest means ten points below its best, or less; where the density"
        " is searched, what it explains of the accuracy is taken off. In a column of at least"
        f" {FEWEST_OF_FAMILY} configurations rings mark the best tenth. Alone a score's mask depends on p : r"
        " only; under control on both powers.",
        "No two different members of the score family have run to their end as targets.",
        family,
    ),
    "accuracy_by_bytes": StudyFigure(
        "What does accuracy cost in storage?",
        "Every configuration that ran to its end, and the front of those that no other beats in both.",
        NOTHING_FINISHED,
        accuracy_by_bytes,
    ),
    "layers": StudyFigure(
        "Where do the best masks keep their weights?",
        "The kept share of each layer's weights, of the best configuration of the best methods at each rate.",
        "No mask of a configuration that ran to its end is known.",
        layers,
    ),
    "outcomes": StudyFigure(
        "What stopped, failed or collapsed?",
        "Trials of each method by how they ended.",
        "Every trial has finished.",
        outcomes,
    ),
}

# Optuna's figures, of which each history has its own: see `study.views.figures.parameters`.
PARAMETERS = FigureText(
    "Which parameters matter?",
    "Optuna's own view of the search: each parameter's share of the variance of the first objective (fANOVA,"
    " over the parameters that every configuration has), and that objective over each parameter. Shares from"
    " a few configurations say little.",
    f"A history needs {FEWEST} configurations that ran to their end, with parameters that vary.",
)
