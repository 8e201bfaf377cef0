"""Where a weight's initial values come from: noted at its module, so that the note survives copies."""

from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

NOTES = "initial_draws"
"""The attribute of a module with its weights' draws, by the weights' names in it."""


class Draw(NamedTuple):
    """A weight's draw, see `cops_core.initialization.initial_weight`.

    Attributes:
        name: The parameter's name when it was drawn.
        seed: In [0, 2**32).
        method: A key of `INITIALIZATIONS`.
    """

    name: str
    seed: int
    method: str


def note_draw(places: Iterable[tuple[nn.Module, str]], draw: Draw) -> None:
    """Note at a weight's modules how it was drawn.

    Args:
        places: The modules that have the weight, each with its name there.
        draw: The draw.
    """
    for module, attribute in places:
        vars(module).setdefault(NOTES, {})[attribute] = draw


def noted_draw(module: nn.Module, attribute: str) -> Draw | None:
    """How a weight was drawn; None if nobody has noted it. Its values may have changed since."""
    found: Draw | None = vars(module).get(NOTES, {}).get(attribute)
    return found
