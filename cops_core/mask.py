"""Masks: which weights are trained. Exactly kappa of them, keyed by parameter name.

All D maskable weights, flattened and concatenated in `named_parameters` order, form one vector of shape
(D,). Ties are broken by the lower index in it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal

import numpy as np
import torch
from torch import Tensor

from cops_core.order_statistic import nth_lowest

Scores = Mapping[str, Tensor]


class Mask(Mapping[str, Tensor]):
    """A boolean tensor per maskable parameter, true where the weight is kept.

    Immutable by convention, on the CPU.

    Args:
        layers: The tensors by parameter name.

    Attributes:
        kept: The number of kept weights of each parameter.
        kappa: The number of all kept weights.
        size: D, the number of all weights.

    Raises:
        TypeError: A tensor is not boolean.
    """

    def __init__(self, layers: Mapping[str, Tensor]) -> None:
        for name, layer in layers.items():
            if layer.dtype != torch.bool:
                raise TypeError(f"the mask of {name} holds {layer.dtype}, not booleans")
        self._layers = dict(layers)
        self.kept = {name: int(layer.sum()) for name, layer in layers.items()}
        self.kappa = sum(self.kept.values())
        self.size = sum(layer.numel() for layer in layers.values())

    def __getitem__(self, name: str) -> Tensor:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def densities(self) -> dict[str, float]:
        """The kept fraction of each layer, in [0, 1]."""
        return {name: self.kept[name] / layer.numel() for name, layer in self.items()}

    def summary(self, live: Mapping[str, int] | None = None) -> str:
        """A table of all layers, for people.

        Args:
            live: The number of live weights of some layers, see `cops_core.collapse.Connectivity`.

        Returns:
            A line for each layer (its name, shape, weights, kept weights and density) and a line for all of
            them. Layers without a kept weight are called empty, those without a live one dead.
        """
        title = ["weight", "shape", "weights", "kept", *(["live"] if live else []), "density", ""]
        rows = [title]
        for name, layer in self.items():
            kept, alive = self.kept[name], (live or {}).get(name)
            note = "empty" if not kept else "dead" if alive == 0 else ""
            counts = [
                f"{layer.numel():,}",
                f"{kept:,}",
                *(["" if alive is None else f"{alive:,}"] if live else []),
            ]
            shape = " x ".join(map(str, layer.shape))
            rows.append([name, shape, *counts, f"{kept / layer.numel():.4g}", note])
        total = [f"{self.size:,}", f"{self.kappa:,}", *([f"{sum(live.values()):,}"] if live else [])]
        rows.append(["all", "", *total, f"{self.kappa / max(self.size, 1):.4g}", ""])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(_aligned(row, widths) for row in rows)

    def sha256(self) -> str:
        """SHA-256 over names, shapes and packed bits: equal for equal masks."""
        digest = hashlib.sha256()
        for name, layer in self.items():
            digest.update(f"{name}:{tuple(layer.shape)}:".encode())
            digest.update(np.packbits(layer.numpy()).tobytes())
        return digest.hexdigest()


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """Names and shapes on the left, numbers on the right."""
    cells = [
        cell.ljust(width) if place < 2 or place == len(row) - 1 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def kept_weights(density: Decimal, size: int) -> int:
    """kappa = floor(density * D + 1/2), in decimal arithmetic.

    In floats, round((1 - 0.995) * D) and round(0.005 * D) differ.

    Args:
        density: In (0, 1].
        size: D, the number of weights.

    Returns:
        kappa, in [0, D].
    """
    return int((density * size + Decimal("0.5")).to_integral_value(ROUND_FLOOR))


def top_kappa(scores: np.ndarray, kappa: int) -> np.ndarray:
    """The kappa highest scores; ties go to the lower index.

    Args:
        scores: Shape (D,), finite.
        kappa: In [0, D].

    Returns:
        Booleans of shape (D,), exactly kappa true.
    """
    keep = np.zeros(scores.size, dtype=bool)
    if kappa == 0:
        return keep
    threshold = nth_lowest(scores, scores.size - kappa)
    np.greater(scores, threshold, out=keep)
    tied = np.flatnonzero(scores == threshold)
    keep[tied[: kappa - np.count_nonzero(keep)]] = True
    return keep


def flatten(scores: Scores) -> np.ndarray:
    """All scores as one float64 vector of shape (D,), layers in order."""
    return np.concatenate(
        [layer.detach().reshape(-1).cpu().to(torch.float64).numpy() for layer in scores.values()]
    )


def flatten_away(scores: dict[str, Tensor], into: np.ndarray | None = None) -> np.ndarray:
    """All scores as one vector of shape (D,), layers in order, in as little memory as possible.

    Args:
        scores: The scores; emptied, each layer as soon as it is copied.
        into: The vector of an earlier call, which is overwritten if it has the type of these scores; None for
            a new one. New memory takes longer than the copy.

    Returns:
        float64 if one of the layers is, else float32, which has all values of smaller types.
    """
    dtype = np.dtype(np.float64 if any(v.dtype == torch.float64 for v in scores.values()) else np.float32)
    size = sum(layer.numel() for layer in scores.values())
    flat = into if into is not None and into.dtype == dtype else np.empty(size, dtype)
    start = 0
    for name in list(scores):
        layer = scores.pop(name).detach().reshape(-1)
        stop = start + layer.numel()
        torch.from_numpy(flat[start:stop]).copy_(layer)
        start = stop
    return flat


def unflatten(keep: np.ndarray, shapes: Mapping[str, torch.Size]) -> Mask:
    """The mask whose concatenated layers are a vector.

    Args:
        keep: Booleans of shape (D,).
        shapes: The shape of each layer, by parameter name, in order.

    Returns:
        The mask.
    """
    layers = {}
    start = 0
    for name, shape in shapes.items():
        stop = start + shape.numel()
        layers[name] = torch.from_numpy(keep[start:stop].reshape(tuple(shape)).copy())
        start = stop
    return Mask(layers)
