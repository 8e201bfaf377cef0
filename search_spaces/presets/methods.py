"""The columns of the papers' tables: an arm and a selection by heading.

SNIP scores on one training batch. Our batch is balanced between the classes (`samples_per_class`): with 10
classes, 10 images of each for batches of 100 and 13 for batches of 128; with 100 or 200 classes, one of each.
"""

from collections.abc import Sequence
from itertools import permutations

from cops_core.config import Control, Selection, named_selection
from cops_core.scores import published_rounds
from search_spaces.presets.base import Method

TABLE_SCORES = ("snip", "grasp", "synflow", "magnitude")
# How much of the control is kept: midway between the target's own mask (0) and the most possible (1).
LEVEL = 0.5


def freezenet_methods(samples_per_class: int) -> dict[str, Method]:
    """FreezeNet and the methods that it is compared with; all masks are one-shot.

    Args:
        samples_per_class: Images of each class in the scoring batch, at least 1.

    Returns:
        Arm and selection by the column's heading.
    """
    snip = Selection(target="snip", samples_per_class=samples_per_class)
    random = Selection(target="random", samples_per_class=samples_per_class)
    return {
        "SNIP, pruned": ("prune", snip),
        "FreezeNet": ("freeze", snip),
        "FreezeNet-WD": ("freeze_wd", snip),
        "random mask, frozen": ("freeze", random),
    }


def cops_methods(samples_per_class: int) -> dict[str, Method]:
    """Each score alone, a random mask, and each ordered pair: a target and a control at `LEVEL`, all pruned.

    A method has the largest number of rounds with which one of its scores was published: 100 with SynFlow,
    which in one shot removes whole layers. Each round computes all scores again. All others are one-shot.

    Args:
        samples_per_class: Images of each class in the scoring batch, at least 1.

    Returns:
        Arm and selection by the column's heading: `Selection.method`.
    """
    alone = [(score,) for score in (*TABLE_SCORES, "random")]
    selections = [
        _selection(scores, samples_per_class) for scores in (*alone, *permutations(TABLE_SCORES, 2))
    ]
    return {selection.method: ("prune", selection) for selection in selections}


def force_methods(samples_per_class: int, batches: int) -> dict[str, Method]:
    """FORCE, Iterative SNIP and the methods that they are compared with, all pruned.

    Args:
        samples_per_class: Images of each class in a scoring batch, at least 1.
        batches: Of each round of FORCE and Iterative SNIP, and of SNIP and GraSP; at least 1.

    Returns:
        Arm and selection by the column's heading.
    """
    single = {
        heading: Selection(target=score, samples_per_class=samples_per_class, batches=batches)
        for heading, score in {"SNIP": "snip", "GraSP": "grasp"}.items()
    }
    random = Selection(target="random", samples_per_class=samples_per_class)
    named = {
        heading: named_selection(name, samples_per_class, batches)
        for heading, name in {"Iterative SNIP": "iterative_snip", "FORCE": "force"}.items()
    }
    return {
        heading: ("prune", selection)
        for heading, selection in {"random mask": random, **single, **named}.items()
    }


def _selection(scores: Sequence[str], samples_per_class: int) -> Selection:
    target, *controls = scores
    return Selection(
        target=target,
        controls=tuple(Control(score=score, level=LEVEL) for score in controls),
        rounds=max(map(published_rounds, scores)),
        samples_per_class=samples_per_class,
    )
