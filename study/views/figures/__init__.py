"""The figures of a study. Each answers one question; all have the same style."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from study.analysis.configurations import ConfigurationResult, choosing
from study.analysis.regions import FEWEST as FEWEST_OF_FAMILY
from study.views.figures import family, front, layers, levels, outcomes, pairs, rates
from study.views.figures.parameters import FEWEST_IMPORTANCES, FEWEST_SLICES

__all__ = ["ABLATIONS", "FIGURES", "METHODS", "PARAMETERS", "Figure", "FigureText", "StudyFigure"]


@dataclass(frozen=True)
class FigureText:
    """The text of one or more figures.

    Attributes:
        question: The question that they answer.
        caption: How they are read.
        absent: Why there are none.
    """

    question: str
    caption: str
    absent: str


@dataclass(frozen=True)
class StudyFigure(FigureText):
    """A figure of a study.

    Attributes:
        draw: Draws it from all configurations of the study; returns None if there is nothing to draw.
        of_shares: Whether it can only show shares in [0, 1], such as accuracies.
        of_ends: Whether it shows how trials ended, also those on fresh seeds. Accuracies are those from which
            validation chooses: a configuration that is trained again would be drawn twice.
    """

    draw: Callable[[Sequence[ConfigurationResult]], Figure | None]
    of_shares: bool = False
    of_ends: bool = False

    def drawn(self, found: Sequence[ConfigurationResult]) -> Figure | None:
        """The figure of a study; None if there is nothing to draw, or its measure cannot be drawn."""
        if self.of_shares and found and not found[0].measure.share:
            return None
        return self.draw(found if self.of_ends else choosing(found))


FIGURES: Mapping[str, StudyFigure] = {
    "accuracy_by_rate": StudyFigure(
        "How much can be frozen or pruned?",
        "Validation accuracy of the last epoch against the freezing rate; the axis is logarithmic in the"
        " density. Each point is the line's best configuration at that rate. Solid lines with full markers"
        " are scores without control. Dashed lines with hollow markers are the same scores as the target of"
        " COPS with its best control.",
        f"This takes {rates.FEWEST} finished configurations with a mask.",
        rates.accuracy_by_rate,
    ),
    "pairs": StudyFigure(
        "Which scores go together?",
        "The best configuration of each target and control: its validation accuracy in per cent, and the"
        " number of configurations from which it was chosen. Colours are comparable within one freezing rate;"
        " the darkest is ten or more points below the best.",
        f"This takes finished configurations with a control, and {pairs.FEWEST} different targets or pairs at"
        " one rate and arm; or trials are not compared by a share in [0, 1].",
        pairs.pairs,
        of_shares=True,
    ),
    "accuracy_by_level": StudyFigure(
        "What does control improve, and what does it cost?",
        "Above: accuracy against the level of the control, a point per configuration. Below: the share of the"
        " target's sum that the mask loses to keep its control at that level.",
        f"This takes {levels.FEWEST} finished configurations with one control.",
        levels.accuracy_by_level,
    ),
    "family": StudyFigure(
        "Which region of the score family wins?",
        "Each configuration by the powers of its target |dF/dtheta|^p |theta|^r: a row per functional F, the"
        " last row for signed scores (p = r = 1); a column per freezing rate or decade of the density."
        " Colours are comparable within a column; the darkest is ten or more points below the best. If the"
        " density is searched, the part of the accuracy that it explains is subtracted. In a column of at"
        f" least {FEWEST_OF_FAMILY} configurations rings mark the best tenth. Without control a score's mask"
        " depends only on p : r; with control on both powers.",
        f"This takes {family.FEWEST} finished configurations with different members of the score family as"
        " targets; or trials are not compared by a share in [0, 1].",
        family.family,
        of_shares=True,
    ),
    "accuracy_by_bytes": StudyFigure(
        "What does accuracy cost in storage?",
        "Every configuration that has finished, and the Pareto front: no other configuration is better in"
        " both.",
        f"This takes {front.FEWEST} finished configurations.",
        front.accuracy_by_bytes,
    ),
    "layers": StudyFigure(
        "Where do the best masks keep their weights?",
        "The kept share of each layer's weights, for the best configuration of each of the best methods at"
        " each rate.",
        f"This takes {layers.FEWEST} finished configuration with a mask.",
        layers.layers,
    ),
    "outcomes": StudyFigure(
        "What stopped, failed or collapsed?",
        "The trials of each method, by their status.",
        f"Every trial has finished; or there are fewer than {outcomes.FEWEST}.",
        outcomes.outcomes,
        of_ends=True,
    ),
}

# The figure of a study that compares methods, see `study.views.figures.methods`.
METHODS = FigureText(
    "Which method is better?",
    "Accuracy on the test part against the freezing rate; the axis is logarithmic in the density. Validation"
    " chose one configuration of each method at each rate, with equal budgets; it was trained again on fresh"
    " seeds, which chose nothing. Bars, and the band of the dense network, are 95 % intervals of the mean.",
    "Nothing is evaluated on the test part yet.",
)

# The figure of a trial's ablations, drawn as that of methods.
ABLATIONS = FigureText(
    "What carries the trial's result?",
    "Accuracy on the test part of the unchanged trial and of its ablations, over the same fresh seeds, with"
    " 95 % intervals of the mean. The differences in the table are paired by seed: their intervals may be"
    " much narrower.",
    "Nothing is evaluated on the test part yet.",
)

# Optuna's figures. Each history has its own: see `study.views.figures.parameters`.
PARAMETERS = FigureText(
    "Which parameters matter?",
    "Optuna's figures of the search: each parameter's share of the variance of the first objective (fANOVA,"
    " for the parameters that every configuration has), and that objective against each parameter. Shares"
    " from a few configurations are not reliable.",
    f"Dots take {FEWEST_SLICES} finished configurations of a history, importances {FEWEST_IMPORTANCES}, with"
    " parameters that vary.",
)
