"""Conventions: how scores are computed, also as in widely used code bases, which differ from the papers.

Results under different conventions cannot be compared: a trial records its convention. Ours is `paper`. The
number of rounds and of images per class are separate settings (`Selection`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cops_core.scores.base import Score
from cops_core.scores.fisher import FisherScore
from cops_core.scores.functional import ScalarFunction
from cops_core.scores.grasp import TEMPERATURE, GradientFlow
from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.prospr import LossAfterSteps

_EVAL_LOSS = MeanCrossEntropy(normalisation="eval")
_EVAL_FLOW = GradientFlow(MeanCrossEntropy(TEMPERATURE, normalisation="eval"))
_EVAL_SCORES: Mapping[str, Score] = {
    "gradient": GeneralizedSynapticScore(_EVAL_LOSS, p=1, r=0),
    "snip": GeneralizedSynapticScore(_EVAL_LOSS, p=1, r=1),
    "grasp": GeneralizedSynapticScore(_EVAL_FLOW, signed=True),
    "fisher": FisherScore(normalisation="eval"),
    "prospr": GeneralizedSynapticScore(LossAfterSteps(_EVAL_LOSS), averages_batches=False),
}
_EVAL_FUNCTIONALS: Mapping[str, ScalarFunction] = {"loss": _EVAL_LOSS, "gradient_flow": _EVAL_FLOW}
_HALVES = GradientFlow(MeanCrossEntropy(TEMPERATURE), halves=True)


@dataclass(frozen=True)
class Convention:
    """How scores are computed: where it differs from the papers.

    Attributes:
        description: The differences.
        scores: Replaced entries of `SCORES`.
        functionals: Replaced entries of `FUNCTIONALS`, so that members of the family differ in the same way
            as the named scores with this functional.
        prunable: A key of `cops_core.prunable.PRUNABLE`.
        class_balanced: Whether the scoring batch has the same number of images of each class. If not, the
            batch has the same size and is drawn from all training images.
    """

    description: str
    scores: Mapping[str, Score] = field(default_factory=dict)
    functionals: Mapping[str, ScalarFunction] = field(default_factory=dict)
    prunable: str = "weights"
    class_balanced: bool = True


CONVENTIONS: Mapping[str, Convention] = {
    "paper": Convention(
        "the papers' formulas on a class-balanced batch, with batch statistics, weights only: where papers"
        " and their authors' code differ or are silent, this project's choice"
    ),
    # Neither of the next two draws the weights again before it scores, nor augments the scored images: a
    # trial trains theta0, which its seed determines.
    "snip": Convention(
        "mil-ad/snip: the first batch of a shuffled loader, with any classes; that code also draws the"
        " weights again before it scores, and augments the images, which is not imitated",
        class_balanced=False,
    ),
    "grasp": Convention(
        "alecwangcq/GraSP: the batch is ordered by class and run in two halves, which have different"
        " classes and, with batch norm, different statistics; that code also draws the weights again before"
        " it scores, and augments the images, which is not imitated",
        scores={"grasp": GeneralizedSynapticScore(_HALVES, signed=True)},
        functionals={"gradient_flow": _HALVES},
    ),
    "synaptic_flow": Convention(
        "ganguli-lab/Synaptic-Flow: loss-based scores in eval mode (running statistics), any classes; for"
        " SNIP in rounds, which scores removed weights there, add revive=True",
        scores=_EVAL_SCORES,
        functionals=_EVAL_FUNCTIONALS,
        class_balanced=False,
    ),
    "synaptic_flow_biases": Convention(
        "the same with --prune-bias: biases are scored and removed like weights",
        scores=_EVAL_SCORES,
        functionals=_EVAL_FUNCTIONALS,
        prunable="weights and biases",
        class_balanced=False,
    ),
    # ShrinkBench's rule. Its name would promise more: that code also scores biases, takes batches of any
    # classes, and counts the density over all parameters.
    "dense_last_layer": Convention(
        "as paper, but the last layer is never pruned, like the classifier in JJGO/shrinkbench; the density"
        " is that of the other layers' weights",
        prunable="weights but the last layer's",
    ),
}
