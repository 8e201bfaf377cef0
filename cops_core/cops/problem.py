"""The problem a user states, checked once at the border.

max <m, omega_0>  s.t.  <m, omega_j> >= c_j (j = 1..J),  sum(m) = kappa,  0 <= m <= 1,
and optionally at least n_l kept weights in each layer l.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, SupportsIndex, get_args

import numpy as np
import numpy.typing as npt
import torch

from cops_core.cops.solution import Floats, Integers
from cops_core.errors import InputError, unknown

ScoreVector = npt.NDArray[np.floating] | torch.Tensor
ProblemKind = Literal["relative", "absolute", "price"]


@dataclass(frozen=True, eq=False)
class CopsProblem:
    """A checked problem over D weights: target first, then the J controls.

    scores: J + 1 arrays or tensors of shape (D,), float32 or float64, all on one device.
    levels: shape (J,), alpha, beta or prices according to `kind`.
    layers: shape (D,), the layer of each weight in [0, L), or None without floors.
    floors: shape (L,), the least kept weights of each layer, or None.
    """

    scores: tuple[ScoreVector, ...]
    kappa: int
    levels: Floats
    kind: ProblemKind
    layers: Integers | None
    floors: Integers | None

    @property
    def size(self) -> int:
        """D."""
        return int(self.scores[0].shape[0])


def name_of(score: int) -> str:
    """How messages call score number `score`: the target is 0, the first control 1."""
    return f"control {score}" if score else "target"


def state_problem(
    target: ScoreVector,
    controls: Sequence[ScoreVector],
    kappa: SupportsIndex,
    levels: Sequence[float] | Floats | float,
    kind: str,
    layers: npt.ArrayLike | torch.Tensor | None,
    floors: npt.ArrayLike | None,
) -> CopsProblem:
    """Check everything but the values of the scores; raises InputError."""
    scores = (target, *controls)
    for number, score in enumerate(scores):
        _check_shape(number, score, scores[0])
    size = int(scores[0].shape[0])
    try:
        kept = operator.index(kappa)
    except TypeError:
        raise InputError(f"kappa is {kappa!r}: write the whole number of kept weights") from None
    if not 0 <= kept <= size:
        raise InputError(f"kappa is {kept}: write a whole number in [0, {size}], the number of weights")
    known = get_args(ProblemKind)
    if kind not in known:
        raise InputError(unknown("kind", kind, known))
    checked: ProblemKind = next(name for name in known if name == kind)
    grouped = _check_floors(layers, floors, size, kept)
    return CopsProblem(scores, kept, check_levels(levels, len(scores) - 1, checked), checked, *grouped)


def check_values(number: int, lowest: float, highest: float, kind: ProblemKind) -> None:
    """Refuse a score by its extremes (NaN if it holds a NaN); raises InputError."""
    if not np.isfinite(lowest) or not np.isfinite(highest):
        raise InputError(
            f"{name_of(number)} holds NaN or infinite values: "
            "write finite scores (lower the learning rate of the scoring or score in float64)"
        )
    if kind == "absolute" and number > 0 and lowest < 0:
        raise InputError(
            f"{name_of(number)} has negative values, down to {lowest:g}: "
            'write kind="relative", absolute levels are for non-negative scores'
        )


def _check_shape(number: int, score: object, target: ScoreVector) -> None:
    name = name_of(number)
    if not isinstance(score, np.ndarray | torch.Tensor):
        raise InputError(f"{name} is a {type(score).__name__}: write a 1-D numpy array or torch tensor")
    if score.dtype not in (np.float32, np.float64, torch.float32, torch.float64):
        raise InputError(f"{name} holds {score.dtype}: write float32 or float64")
    if score.ndim != 1 or score.shape[0] == 0:
        raise InputError(f"{name} has shape {tuple(score.shape)}: write shape (D,) with D >= 1")
    if score.shape != target.shape:
        raise InputError(
            f"{name} has {score.shape[0]} weights and the target {target.shape[0]}: "
            "write scores of the same length"
        )
    if isinstance(score, torch.Tensor) != isinstance(target, torch.Tensor):
        raise InputError(f"{name} and the target mix numpy and torch: write all scores in one of them")
    if isinstance(score, torch.Tensor) and isinstance(target, torch.Tensor) and score.device != target.device:
        raise InputError(f"{name} is on {score.device}, the target on {target.device}: write one device")


def check_levels(levels: Sequence[float] | Floats | float, count: int, kind: ProblemKind) -> Floats:
    """The levels of `count` controls, shape (count,); raises InputError."""
    try:
        values = np.atleast_1d(np.array(levels, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"levels are {levels!r}: write one number for each control") from None
    if values.shape != (count,):
        raise InputError(f"levels have shape {values.shape} for {count} controls: write one number each")
    for number, level in enumerate(values.tolist(), start=1):
        if kind == "price" and not 0 <= level < np.inf:
            raise InputError(f"the price of control {number} is {level}: write a finite number >= 0")
        if kind != "price" and not 0 <= level <= 1:
            raise InputError(f"the level of control {number} is {level}: write a number in [0, 1]")
    return values


def _check_floors(
    layers: npt.ArrayLike | torch.Tensor | None, floors: npt.ArrayLike | None, size: int, kappa: int
) -> tuple[Integers | None, Integers | None]:
    if layers is None and floors is None:
        return None, None
    if layers is None or floors is None:
        raise InputError("floors need layers and layers need floors: write both or neither")
    owners = np.asarray(layers.cpu() if isinstance(layers, torch.Tensor) else layers)
    least = np.asarray(floors)
    if owners.shape != (size,) or owners.dtype.kind not in "iu":
        raise InputError(
            f"layers have shape {owners.shape} and hold {owners.dtype}: "
            f"write the layer index of each of the {size} weights"
        )
    if least.ndim != 1 or least.dtype.kind not in "iu":
        raise InputError("floors are not whole numbers: write the least kept weights of each layer")
    if owners.min() < 0 or owners.max() >= least.size:
        raise InputError(
            f"layers run from {owners.min()} to {owners.max()}: write indices in [0, {least.size})"
        )
    sizes = np.bincount(owners, minlength=least.size)
    for layer, (floor, weights) in enumerate(zip(least.tolist(), sizes.tolist(), strict=True)):
        if not 0 <= floor <= weights:
            raise InputError(f"the floor of layer {layer} is {floor}: write a number in [0, {weights}]")
    if least.sum() > kappa:
        raise InputError(f"the floors sum to {least.sum()}: write floors that sum to at most kappa = {kappa}")
    return owners.astype(np.intp, copy=False), least.astype(np.intp, copy=False)
