"""Baselines: the methods that every study runs for comparison, with the space's own training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cops_core.config import Arm, Selection, TrialConfig
from search_spaces.question import Question


@dataclass(frozen=True)
class Baseline:
    """A method that a study runs besides those of its space.

    It differs from the space's own configurations in arm and selection alone: data, network, initial weights
    and training are the space's. What the space searches there is searched for the baseline, too.

    Attributes:
        arm: The treatment of the weights outside the mask; "dense" has no mask.
        selection: How the kept weights are chosen; None for the dense network.
        scale: The constant of arm "scale"; None for the other arms.
    """

    arm: Arm | Literal["dense"]
    selection: Selection | None = None
    scale: float | None = None

    def of(self, config: TrialConfig) -> TrialConfig:
        """The baseline's configuration.

        Args:
            config: A configuration of the space, from which all but the arm and the selection is taken.

        Returns:
            The configuration, without a density.
        """
        return config.changed(arm=self.arm, scale=self.scale, selection=self.selection, density=None)

    @property
    def name(self) -> str:
        """The name of its method, as that of its configurations: `prune snip`."""
        return self.arm if self.selection is None else f"{self.arm} {self.selection.method}"


DENSE = Baseline("dense")
# SNIP pruned, and FreezeNet: SNIP frozen.
BASELINES: tuple[Baseline, ...] = (
    DENSE,
    Baseline("prune", Selection(target="snip")),
    Baseline("freeze", Selection(target="snip")),
)


def baseline_count(baselines: Sequence[Baseline], question: Question) -> int:
    """The least number of a study's baselines: the dense one, and each other one at each rate."""
    return sum(1 if each.selection is None else len(question.rates) for each in baselines)
