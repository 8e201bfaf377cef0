"""The problem that a user states, checked once on entry.

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
    """A checked problem over D weights.

    Attributes:
        scores: The target and the J controls: arrays or tensors of shape (D,), float32 or float64, all on
            one device.
        kappa: The number of kept weights, in [0, D].
        levels: Shape (J,): alpha, beta or prices according to `kind`.
        kind: The meaning of the levels, see `solve_cops`.
        layers: The layer of each weight, in [0, L), shape (D,), or None without floors.
        floors: The minimum number of kept weights of each layer, shape (L,), or None.
        start: Multipliers to begin the search with, shape (J,), or None.
    """

    scores: tuple[ScoreVector, ...]
    kappa: int
    levels: Floats
    kind: ProblemKind
    layers: Integers | None
    floors: Integers | None
    start: Floats | None

    @property
    def size(self) -> int:
        """The number of weights, D."""
        return int(self.scores[0].shape[0])


def name_of(score: int) -> str:
    """The name of a score in messages, by its number: 0 is the target, 1 the first control."""
    return f"control {score}" if score else "target"


def state_problem(
    target: ScoreVector,
    controls: Sequence[ScoreVector],
    kappa: SupportsIndex,
    levels: Sequence[float] | Floats | float,
    kind: str,
    layers: npt.ArrayLike | torch.Tensor | None,
    floors: npt.ArrayLike | None,
    start: npt.ArrayLike | None = None,
) -> CopsProblem:
    """Check everything except the values of the scores. For the arguments see `solve_cops`.

    Args:
        target: Shape (D,).
        controls: J of shape (D,).
        kappa: In [0, D].
        levels: Shape (J,), or a number.
        kind: A word of `ProblemKind`.
        layers: Shape (D,), or None.
        floors: Shape (L,), or None.
        start: Shape (J,), or None.

    Returns:
        The problem.

    Raises:
        InputError: Wrong input.
    """
    scores = (target, *controls)
    for number, score in enumerate(scores):
        _check_shape(number, score, scores[0])
    size = int(scores[0].shape[0])
    try:
        kept = operator.index(kappa)
    except TypeError:
        raise InputError(f"kappa {kappa!r} is not a whole number: write the number of kept weights") from None
    if not 0 <= kept <= size:
        raise InputError(f"kappa {kept} is not in [0, {size}]: write at most the number of weights")
    known = get_args(ProblemKind)
    if kind not in known:
        raise InputError(unknown("kind", kind, known))
    checked: ProblemKind = next(name for name in known if name == kind)
    grouped = _check_floors(layers, floors, size, kept)
    values = check_levels(levels, len(scores) - 1, checked)
    return CopsProblem(scores, kept, values, checked, *grouped, _check_start(start, values.size))


def check_values(number: int, lowest: float, highest: float, kind: ProblemKind) -> None:
    """Check a score by its extremes.

    Args:
        number: The score, see `name_of`.
        lowest: Its lowest value; NaN if any value is NaN.
        highest: Its highest value; NaN if any value is NaN.
        kind: The problem's.

    Raises:
        InputError: A value is NaN or infinite, or a control is negative with absolute levels.
    """
    if not np.isfinite(lowest) or not np.isfinite(highest):
        raise InputError(
            f"{name_of(number)} has NaN or infinite values: write finite scores, e.g. computed in float64"
        )
    if kind == "absolute" and number > 0 and lowest < 0:
        raise InputError(
            f"{name_of(number)} has negative values, down to {lowest:g}: "
            'write kind="relative", since absolute levels need non-negative scores'
        )


def _check_shape(number: int, score: object, target: ScoreVector) -> None:
    name = name_of(number)
    if not isinstance(score, np.ndarray | torch.Tensor):
        raise InputError(f"{name} is of type {type(score).__name__}: write a 1-D numpy array or torch tensor")
    if score.dtype not in (np.float32, np.float64, torch.float32, torch.float64):
        raise InputError(f"{name} has type {score.dtype}: write float32 or float64")
    if score.ndim != 1 or score.shape[0] == 0:
        raise InputError(f"{name} has shape {tuple(score.shape)}: write shape (D,) with D >= 1")
    if score.shape != target.shape:
        raise InputError(
            f"{name} has {score.shape[0]} weights and the target {target.shape[0]}: "
            "write scores of the same length"
        )
    if isinstance(score, torch.Tensor) != isinstance(target, torch.Tensor):
        raise InputError(f"{name} and the target mix numpy and torch: write all scores as one of them")
    if isinstance(score, torch.Tensor) and isinstance(target, torch.Tensor) and score.device != target.device:
        raise InputError(f"{name} is on {score.device}, the target on {target.device}: use one device")


def check_levels(levels: Sequence[float] | Floats | float, count: int, kind: ProblemKind) -> Floats:
    """The checked levels.

    Args:
        levels: Shape (J,), or a number for one control.
        count: J.
        kind: In [0, 1], or prices of at least 0 for "price".

    Returns:
        Shape (J,).

    Raises:
        InputError: Wrong levels.
    """
    try:
        values = np.atleast_1d(np.array(levels, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"levels {levels!r} are not numbers: write one number for each control") from None
    if values.shape != (count,):
        raise InputError(f"levels have shape {values.shape} for {count} controls: write one number each")
    for number, level in enumerate(values.tolist(), start=1):
        if kind == "price" and not 0 <= level < np.inf:
            raise InputError(f"the price {level} of control {number} is wrong: write a finite number >= 0")
        if kind != "price" and not 0 <= level <= 1:
            raise InputError(f"the level {level} of control {number} is not in [0, 1]: write e.g. 0.5")
    return values


def _check_start(start: npt.ArrayLike | None, count: int) -> Floats | None:
    if start is None:
        return None
    try:
        values = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"start {start!r} does not consist of numbers: write one multiplier each") from None
    if values.shape != (count,):
        raise InputError(f"start has shape {values.shape} for {count} controls: write one multiplier each")
    if not np.all((values >= 0) & np.isfinite(values)):
        raise InputError(f"start {values.tolist()} is wrong: write finite multipliers >= 0")
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
            f"layers have shape {owners.shape} and type {owners.dtype}: "
            f"write the layer index of each of the {size} weights"
        )
    if least.ndim != 1 or least.dtype.kind not in "iu":
        raise InputError("floors are not whole numbers: write the minimum of kept weights of each layer")
    if owners.min() < 0 or owners.max() >= least.size:
        raise InputError(
            f"layers run from {owners.min()} to {owners.max()}: write indices in [0, {least.size})"
        )
    sizes = np.bincount(owners, minlength=least.size)
    for layer, (floor, weights) in enumerate(zip(least.tolist(), sizes.tolist(), strict=True)):
        if not 0 <= floor <= weights:
            raise InputError(f"the floor {floor} of layer {layer} is wrong: write a number in [0, {weights}]")
    if least.sum() > kappa:
        raise InputError(f"the floors sum to {least.sum()}: write floors that sum to at most kappa = {kappa}")
    return owners.astype(np.intp, copy=False), least.astype(np.intp, copy=False)
