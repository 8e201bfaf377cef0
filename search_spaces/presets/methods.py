"""The columns of the papers' tables: by heading, an arm and a selection.

samples_per_class: SNIP scores on one training batch. Ours is balanced between the classes: of 10 classes
10 images each with batches of 100, 13 with batches of 128; of 100 or 200 classes one.
"""

from collections.abc import Sequence
from itertools import permutations

from cops_core.config import Control, Selection
from search_spaces.presets.base import Method

TABLE_SCORES = ("snip", "grasp", "synflow", "magnitude")
# The control's share of what could be kept of it: midway between the target's own mask (0) and most (1).
LEVEL = 0.5
# SynFlow is made for 100 rounds (arXiv 2006.05467); in one shot it empties whole layers.
SYNFLOW_ROUNDS = 100


def freezenet_methods(samples_per_class: int) -> dict[str, Method]:
    """FreezeNet beside what it is held against; all masks are one-shot."""
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

    What has SynFlow in it takes `SYNFLOW_ROUNDS` rounds, in which all its scores are computed anew, and says
    so in its heading; all else is one-shot.
    """
    alone = [(score,) for score in (*TABLE_SCORES, "random")]
    return {
        heading(scores): ("prune", _selection(scores, samples_per_class))
        for scores in (*alone, *permutations(TABLE_SCORES, 2))
    }


def heading(scores: Sequence[str]) -> str:
    """`snip`, `cops(snip; grasp)`, `synflow, 100 rounds`."""
    target, *controls = scores
    name = f"cops({target}; {', '.join(controls)})" if controls else target
    return f"{name}, {SYNFLOW_ROUNDS} rounds" if "synflow" in scores else name


def _selection(scores: Sequence[str], samples_per_class: int) -> Selection:
    target, *controls = scores
    return Selection(
        target=target,
        controls=tuple(Control(score=score, level=LEVEL) for score in controls),
        rounds=SYNFLOW_ROUNDS if "synflow" in scores else 1,
        samples_per_class=samples_per_class,
    )
