"""Selections that a paper names: what FORCE and Iterative SNIP are."""

from collections.abc import Mapping

from cops_core.config.selection import Selection
from cops_core.errors import lookup

# De Jorge et al. 2021, "Progressive Skeletonization: Trimming more fat from a network at initialization"
# (arXiv 2006.09081). The paper gives score, schedule and whether weights come back. The rounds and the images
# are those of the command in its authors' README (naver/force): 60 steps, each with another batch of
# 128 images for CIFAR-10 (13 of each class), with 10 batches for CIFAR-100.
_ITERATIVE_SNIP = Selection(target="snip", rounds=60, fresh_batches=True, samples_per_class=13)

NAMED_SELECTIONS: Mapping[str, Selection] = {
    "force": _ITERATIVE_SNIP.model_copy(update={"revive": True}),
    "iterative_snip": _ITERATIVE_SNIP,
}
"""By name. "force": SNIP in rounds in which removed weights may come back; "iterative_snip": may not."""


def named_selection(name: str, samples_per_class: int | None = None, batches: int | None = None) -> Selection:
    """A selection that a paper names.

    Args:
        name: A key of `NAMED_SELECTIONS`.
        samples_per_class: Images of each class in a batch; None for 13: with 10 classes a batch of about 128.
        batches: The number of batches in each round; None for 1.

    Returns:
        The selection.

    Raises:
        InputError: An unknown name.
    """
    given = {"samples_per_class": samples_per_class, "batches": batches}
    changes = {field: value for field, value in given.items() if value is not None}
    return Selection.model_validate({**dict(lookup("selection", name, NAMED_SELECTIONS)), **changes})
