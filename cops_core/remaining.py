"""The weights that rounds of selection have left."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cops_core.mask import Mask, unflatten


class Remaining:
    """Which of D weights are left, as positions: after many rounds these are few.

    Args:
        shapes: The shape of each layer, by parameter name, in order.
        revive: Whether removed weights may come back.
    """

    def __init__(self, shapes: Mapping[str, torch.Size], *, revive: bool) -> None:
        self._shapes = shapes
        self._revive = revive
        self._keep = np.ones(sum(shape.numel() for shape in shapes.values()), dtype=bool)
        self._left: dict[int, npt.NDArray[np.intp]] = {}  # by a group's first position
        self._removed: list[npt.NDArray[np.intp]] = []

    @property
    def kappa(self) -> int:
        """The number of weights that are left."""
        return int(np.count_nonzero(self._keep))

    def candidates(self, group: slice) -> int:
        """The number of weights of a group that a round chooses from: all of them, if they may come back."""
        left = self._left.get(group.start)
        return group.stop - group.start if left is None else left.size

    def left(self, group: slice) -> slice | npt.NDArray[np.intp]:
        """A group's candidates, as indices within the group; a slice if these are all of its weights."""
        return self._left.get(group.start, slice(None))

    def choose(self, group: slice, chosen: np.ndarray, *, last: bool) -> None:
        """Keep some of a group's candidates.

        Args:
            group: The group's positions.
            chosen: Booleans, one for each candidate.
            last: Whether nothing is chosen after this: then no positions are needed, which take memory.
        """
        before = self._left.get(group.start)
        if self._revive or (last and before is None):
            self._keep[group] = chosen
            return
        left, gone = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        if before is not None:
            left, gone = before.take(left), before.take(gone)
        self._left[group.start] = left
        gone += group.start
        self._keep[gone] = False
        self._removed.append(gone)

    def layers(self) -> dict[str, Tensor]:
        """Booleans by parameter name, true where the weight is left; they change with the next choice."""
        return {
            name: torch.from_numpy(self._keep[place].reshape(tuple(self._shapes[name])))
            for name, place in self._places().items()
        }

    def removed(self) -> dict[str, Tensor] | None:
        """The places, in their flattened parameter, of the weights removed since the last call.

        Returns:
            By parameter name; None if removed weights may come back.
        """
        if self._revive:
            return None
        if not self._removed:  # an earlier round has left nothing to remove
            return {}
        gone = np.concatenate(self._removed)  # ascending, like the groups
        self._removed.clear()
        found = {}
        for name, place in self._places().items():
            first, last = np.searchsorted(gone, [place.start, place.stop])
            if last > first:
                found[name] = torch.from_numpy(gone[first:last] - place.start)
        return found

    def mask(self) -> Mask:
        """The mask of the weights that are left."""
        return unflatten(self._keep, self._shapes)

    def _places(self) -> dict[str, slice]:
        places, start = {}, 0
        for name, shape in self._shapes.items():
            places[name] = slice(start, start + shape.numel())
            start += shape.numel()
        return places
