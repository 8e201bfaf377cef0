"""Full passes over tensors on their device."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from cops_core.cops.box import Cut
from cops_core.cops.eligible import Eligibility
from cops_core.cops.pool import ROOM, outwards
from cops_core.cops.problem import CopsProblem, check_values
from cops_core.cops.solution import Floats, Integers, MaskVector
from cops_core.cops.store import Scan, ScanPart, Store
from cops_core.cops.sums import condense

CHUNK = 1 << 25
"""Weights per chunk: few kernel launches, and scratch space that is small compared with the scores."""

ChunkResult = TypeVar("ChunkResult")


class TorchStore(Store):
    """Scores on a device. Weights are decided there; only the undecided ones are copied to main memory.

    Args:
        problem: The problem.
        scores: Its J + 1 scores, tensors of shape (D,) on one device.
    """

    def __init__(self, problem: CopsProblem, scores: Sequence[Tensor]) -> None:
        super().__init__(problem)
        self._dtype = torch.float64 if any(s.dtype == torch.float64 for s in scores) else torch.float32
        self._scores = tuple(score.detach().to(self._dtype).contiguous() for score in scores)
        self._device = scores[0].device
        self._layers = None
        if problem.layers is not None:
            self._layers = torch.as_tensor(problem.layers, device=self._device)
        self._extremes = np.zeros((0, len(scores), 2))

    def fetch(self, positions: Integers) -> Floats:
        """The scores at `positions`, shape (J + 1, n)."""
        where = torch.as_tensor(positions, device=self._device)
        return np.stack([score[where].to(torch.float64).cpu().numpy() for score in self._scores])

    def scan(self, cuts: Sequence[Cut], marked: int | None, bounds: Eligibility | None = None) -> list[Scan]:
        """Apply several cuts in one pass; the bounds leave out weights that a cut leaves undecided."""
        self._measure()
        keep = None if marked is None else self.empty_mask()
        parts = self._each_chunk(
            lambda chunk, inside: [
                self._cut_chunk(chunk, inside, cut, keep if number == marked else None, bounds)
                for number, cut in enumerate(cuts)
            ]
        )
        proved = bounds is None or self._proves(bounds)
        return [
            self.gather(cut, [part[number] for part in parts], keep if number == marked else None, proved)
            for number, cut in enumerate(cuts)
        ]

    def tips(self, bounds: Floats, highest: bool) -> Integers:
        """The weights with any score at or beyond its bound."""

        def visit(chunk: int, inside: slice) -> Integers:
            del chunk
            found = torch.zeros(inside.stop - inside.start, dtype=torch.bool, device=self._device)
            for score, bound in zip(self._scores, bounds.tolist(), strict=True):
                found |= score[inside] >= bound if highest else score[inside] <= bound
            return np.asarray(inside.start + found.nonzero().squeeze(1).cpu().numpy())

        return np.concatenate(self._each_chunk(visit))

    def absolute_sums(self) -> Floats:
        """sum_i |omega_ji| of each score, shape (J + 1,)."""
        self._measure()

        def visit(chunk: int, inside: slice) -> Floats:
            del chunk
            sums = [score[inside].abs().sum(dtype=torch.float64) for score in self._scores]
            return np.asarray(torch.stack(sums).cpu().numpy())

        return np.asarray(np.sum(self._each_chunk(visit), axis=0))

    def empty_mask(self) -> Tensor:
        """A mask without any weight."""
        return torch.zeros(self.problem.size, dtype=torch.bool, device=self._device)

    def put(self, mask: MaskVector, positions: Integers) -> MaskVector:
        """Add `positions` to a mask in place."""
        mask[torch.as_tensor(positions, device=self._device)] = True
        return mask

    def _each_chunk(self, visit: Callable[[int, slice], ChunkResult]) -> list[ChunkResult]:
        self.passes += 1
        size = self.problem.size
        return [
            visit(chunk, slice(start, min(start + CHUNK, size)))
            for chunk, start in enumerate(range(0, size, CHUNK))
        ]

    def _measure(self) -> None:
        """On the first call, compute the extremes of each chunk and check the scores by them."""
        if self._extremes.size:
            return
        extremes = [
            torch.stack([torch.stack(torch.aminmax(score[start : start + CHUNK])) for score in self._scores])
            for start in range(0, self.problem.size, CHUNK)
        ]
        self._extremes = torch.stack(extremes).to(torch.float64).cpu().numpy()
        for number in range(len(self._scores)):
            lowest, highest = self._extremes[:, number, 0].min(), self._extremes[:, number, 1].max()
            check_values(number, float(lowest), float(highest), self.problem.kind)

    def _proves(self, bounds: Eligibility) -> bool:
        """Whether as many weights reach the bounds as must be kept."""
        self.passes += 1
        for number, high in enumerate(bounds.high.tolist()):
            inside = self._scores[number] >= high
            for other, low in enumerate(bounds.low.tolist()):
                if other != number:
                    inside &= self._scores[other] >= low
            if int(inside.sum()) < self.problem.kappa:
                return False
        return True

    def _cut_chunk(
        self, chunk: int, inside: slice, cut: Cut, keep: Tensor | None, bounds: Eligibility | None
    ) -> ScanPart:
        scores = [score[inside] for score in self._scores]
        layers = None if self._layers is None else self._layers[inside]
        members = self._candidates(chunk, scores, layers, cut)
        columns = torch.stack([score[members].to(torch.float64) for score in scores])
        if bounds is not None:
            able = (torch.as_tensor(bounds.slopes, device=self._device) @ columns) >= bounds.bound
            able |= (columns >= torch.as_tensor(bounds.high, device=self._device)[:, None]).any(0)
            members, columns = members[able], columns[:, able]
        layers = None if layers is None else layers[members]
        kept, undecided, above, least_above = self._decide(cut, columns, layers)
        if keep is not None:
            keep[inside][members[kept]] = True
        width = cut.low.size

        rows, error = condense(columns[:, kept])

        def count(chosen: Tensor) -> Integers:
            counts = chosen.sum()[None] if layers is None else torch.bincount(layers[chosen], minlength=width)
            return np.asarray(counts.cpu().numpy())

        return ScanPart(
            positions=inside.start + members[undecided].cpu().numpy(),
            scores=columns[:, undecided].cpu().numpy(),
            layers=None if layers is None else layers[undecided].cpu().numpy(),
            kept=count(kept),
            kept_sums=[(rows.cpu().numpy(), error.cpu().numpy())],
            counts=np.stack([count(above), count(least_above)]),
        )

    def _candidates(self, chunk: int, scores: list[Tensor], layers: Tensor | None, cut: Cut) -> Tensor:
        """The weights of a chunk that may reach the lower bound, in the scores' precision."""
        box = cut.box
        upper = self._middle(cut, scores)
        upper += self._radius(cut, scores)
        largest = np.abs(self._extremes[chunk]).max(axis=1)
        magnitude = float((box.weights + box.radii) @ largest + box.radii @ np.abs(cut.centres))
        info = torch.finfo(self._dtype)
        if not magnitude < info.max / 4:
            return torch.arange(upper.numel(), device=self._device)
        steps = 8 * len(scores) + 32
        margin = steps * (info.eps * (magnitude + np.abs(cut.low)) + info.tiny)
        bound = np.where(np.isfinite(cut.low), cut.low - margin, cut.low)
        return (upper >= self._of_layer(bound, layers)).nonzero().squeeze(1)

    def _decide(
        self, cut: Cut, scores: Tensor, layers: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `store.decide`: kept, undecided, and these above the upper, certainly above the lower bound."""
        rows = list(scores)
        middle, radius = self._middle(cut, rows), self._radius(cut, rows)
        magnitude = torch.as_tensor(cut.box.weights, device=self._device) @ scores.abs()
        radius = radius + ROOM * (radius + magnitude + float(cut.box.radii @ np.abs(cut.centres)))
        upper, lower = middle + radius, middle - radius
        high, low = self._of_layer(cut.high, layers), self._of_layer(cut.low, layers)
        kept = lower > self._of_layer(outwards(cut.high, 1.0), layers)
        undecided = ~kept & (upper >= self._of_layer(outwards(cut.low, -1.0), layers))
        return kept, undecided, undecided & (upper > high), undecided & (lower >= low)

    def _middle(self, cut: Cut, rows: Sequence[Tensor]) -> Tensor:
        total = torch.zeros_like(rows[0])
        for weight, row in zip(cut.box.weights.tolist(), rows, strict=True):
            if weight:
                total.add_(row, alpha=weight)
        return total

    def _radius(self, cut: Cut, rows: Sequence[Tensor]) -> Tensor:
        total = torch.zeros_like(rows[0])
        for radius, centre, row in zip(cut.box.radii.tolist(), cut.centres.tolist(), rows, strict=True):
            if radius:
                total.add_((row - centre).abs_(), alpha=radius)
        return total

    def _of_layer(self, each: Floats, layers: Tensor | None) -> Tensor | float:
        if layers is None:
            return float(each[0])
        return torch.as_tensor(each, device=self._device)[layers]
