"""Sums that depend only on their terms, not on the order or on the number of threads.

The rounding errors are summed separately (Knuth's two-sum), so that a mask's value is the same for every
division of the weights into chunks, and levels can be compared exactly.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch

from cops_core.cops.solution import Floats

Array = TypeVar("Array", Floats, torch.Tensor)

SHORT = 48
"""At most this many columns are summed by `math.fsum`; fewer need more and shorter array operations."""


BLOCK = 4096
"""Columns that are added at a time: a few arrays of them fit into the first-level cache or nearly so."""


def condense(rows: Array) -> tuple[Array, Array]:
    """Reduce many columns to a few with the same sums.

    Args:
        rows: Shape (J + 1, n), float64.

    Returns:
        Columns of shape (J + 1, at most SHORT), and the rounding errors, shape (J + 1,). Together they sum to
        the rows, up to an error of order n eps^2.
    """
    error = rows[:, :0].sum(-1)
    if isinstance(rows, np.ndarray) and rows.shape[1] > 4 * BLOCK:
        rows, error = _add_blocks(rows)
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


def _add_blocks(rows: Floats) -> tuple[Floats, Floats]:
    """Add up blocks of columns, which stay in the cache: the time is a third of that of halving."""
    total = rows[:, :BLOCK]
    errors = np.zeros_like(total)
    whole = rows.shape[1] - rows.shape[1] % BLOCK
    for start in range(BLOCK, whole, BLOCK):
        term = rows[:, start : start + BLOCK]
        added = total + term
        other = added - total
        errors += (total - (added - other)) + (term - other)
        total = added
    return np.concatenate([total, rows[:, whole:]], axis=1), errors.sum(axis=1)


def exact_sums(parts: Sequence[tuple[Floats, Floats]]) -> Floats:
    """The sums of condensed parts, correctly rounded, and their rounding errors, shape (2, J + 1)."""
    columns = np.hstack([part for rows, error in parts for part in (rows, error[:, None])]).tolist()
    high = [math.fsum(column) for column in columns]
    return np.array([high, [math.fsum([*column, -top]) for column, top in zip(columns, high, strict=True)]])


def totals(kept_sums: Floats, chosen: Floats) -> Floats:
    """Sums over kept weights plus further ones, rounded once.

    Args:
        kept_sums: From `exact_sums`, shape (2, J + 1).
        chosen: The scores of the further weights, shape (J + 1, n).

    Returns:
        Shape (J + 1,).
    """
    rows, error = condense(chosen)
    return np.array([math.fsum(column) for column in np.hstack([kept_sums.T, rows, error[:, None]]).tolist()])
