"""The weights at which a function is differentiated, kept from round to round."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from cops_core.scores.network import Weights


def values_of(weights: Weights, dtype: torch.dtype, *, of_magnitudes: bool) -> dict[str, Tensor]:
    """Copies of weights in a function's precision; their magnitudes for a function of |theta|."""
    copies = {name: weight.to(dtype, copy=True) for name, weight in weights.items()}
    return {name: copy.abs_() for name, copy in copies.items()} if of_magnitudes else copies


class Leaves:
    """theta, or |theta|, in a function's precision, as leaves that require a gradient.

    Args:
        weights: theta.
        dtype: The function's precision.
        of_magnitudes: Whether it is a function of |theta|.

    Attributes:
        weights: The leaves by parameter name, on their weights' devices, in memory of their own.
        reached: The names of those whose gradient has been computed since the last `narrow`: those on which
            the function depends.
    """

    def __init__(self, weights: Weights, dtype: torch.dtype, *, of_magnitudes: bool) -> None:
        copies = values_of(weights, dtype, of_magnitudes=of_magnitudes)
        self.weights = {name: copy.requires_grad_() for name, copy in copies.items()}
        self.reached: set[str] = set()
        self._of_magnitudes = of_magnitudes
        self._states = self._seen()
        for name, leaf in self.weights.items():  # the hooks know no leaf: else memory is freed late
            leaf.register_hook(partial(_note_name, self.reached, name))  # type: ignore[no-untyped-call]

    def intact(self, weights: Weights | None = None) -> bool:
        """Whether a network that has been run with these leaves has not written into them.

        Args:
            weights: Those that were given, to compare the values, too: a write to `weight.data` leaves no
                other trace. None if the network has been found not to do so.

        Returns:
            Whether they can be used again.
        """
        if self._states != self._seen():
            return False
        for name, weight in (weights or {}).items():
            leaf = self.weights[name]
            (value,) = values_of({name: weight}, leaf.dtype, of_magnitudes=self._of_magnitudes).values()
            if not torch.equal(leaf, value):
                return False
        return True

    def _seen(self) -> list[tuple[int, int]]:
        return [(leaf.data_ptr(), leaf._version) for leaf in self.weights.values()]

    def narrow(self, removed: Mapping[str, Tensor]) -> None:
        """Remove weights: their value is zero from now on.

        Args:
            removed: The places of removed weights in their flattened parameter, by parameter name.
        """
        self.reached.clear()
        with torch.no_grad():
            for name, places in removed.items():
                leaf = self.weights[name]
                places = places.to(leaf.device)
                if leaf.is_contiguous():
                    leaf.view(-1).index_fill_(0, places, 0)
                else:  # e.g. channels last
                    leaf[torch.unravel_index(places, leaf.shape)] = 0
        self._states = self._seen()


def _note_name(names: set[str], name: str, gradient: Tensor) -> None:
    """A hook of a leaf: the name is noted where the leaf has a gradient."""
    names.add(name)
