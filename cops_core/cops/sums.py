"""Sums that depend on what is summed, not on the order or on the number of threads.

Each rounding error is kept beside the sum (Knuth's two-sum), so that a mask's value comes out the
same however the weights were split into chunks, and levels can be compared exactly.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch

from cops_core.cops.solution import Floats

Array = TypeVar("Array", Floats, torch.Tensor)

SHORT = 48
"""Columns that `math.fsum` takes over; fewer would mean more, shorter array operations."""


def condense(rows: Array) -> tuple[Array, Array]:
    """A few columns with the same sums as many, and the rounding errors made on the way.

    rows: shape (J + 1, n), float64. Returns shapes (J + 1, at most SHORT) and (J + 1,): together
    they sum to the rows up to an error of order n eps^2.
    """
    error = rows[:, :0].sum(-1)
    while rows.shape[1] > SHORT:
        half = rows.shape[1] // 2
        first, second, odd = rows[:, :half], rows[:, half : 2 * half], rows[:, 2 * half :]
        if odd.shape[1]:
            second = rows[:, half + 1 :]
            odd = rows[:, half : half + 1]
        total = first + second
        other = total - first
        second = second - other
        other = total - other
        other = first - other
        other += second
        error = error + other.sum(-1)
        if odd.shape[1]:
            carried = total[:, :1] + odd
            other = carried - total[:, :1]
            error = error + ((total[:, :1] - (carried - other)) + (odd - other)).sum(-1)
            total[:, :1] = carried
        rows = total
    return rows, error


def exact_sums(parts: Sequence[tuple[Floats, Floats]]) -> Floats:
    """The sums of condensed parts, exactly rounded, and what rounding left over: shape (2, J + 1)."""
    columns = np.hstack([part for rows, error in parts for part in (rows, error[:, None])]).tolist()
    high = [math.fsum(column) for column in columns]
    return np.array([high, [math.fsum([*column, -top]) for column, top in zip(columns, high, strict=True)]])


def totals(kept_sums: Floats, chosen: Floats) -> Floats:
    """kept_sums + the sums of `chosen`, rounded once.

    kept_sums: shape (2, J + 1), from `exact_sums`; chosen: shape (J + 1, n). Returns shape (J + 1,).
    """
    rows, error = condense(chosen)
    return np.array([math.fsum(column) for column in np.hstack([kept_sums.T, rows, error[:, None]]).tolist()])
