"""How a mask changes during the training."""

from typing import Annotated

from pydantic import Field

from cops_core.description import Description


class Regrow(Description):
    """RigL (Evci et al. 2020, arXiv 1911.11134): weights are dropped and others grown during the training.

    Each layer keeps as many weights as before. See `cops_core.regrow` for what is dropped and grown.

    Attributes:
        every: Training steps from one change to the next, at least 2: a step that changes the mask trains
            nothing.
        fraction: In (0, 1]: the share of each layer's kept weights that are dropped at first. At step t it is
            `fraction` / 2 (1 + cos(pi t / T_end)).
        until: In (0, 1]: T_end as a share of all training steps. From then on the mask stays.
    """

    every: Annotated[int, Field(ge=2)] = 100
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.3
    until: Annotated[float, Field(gt=0, le=1)] = 0.75

    def __str__(self) -> str:
        """`0.3 every 100 steps until 0.75`."""
        return f"{self.fraction:g} every {self.every} steps until {self.until:g}"
