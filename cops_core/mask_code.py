"""The positions of a layer's kept weights, in the shortest of several codes.

`gaps` is a Golomb-Rice code (Rice and Plaunt 1971) of the number of removed weights before each kept one: the
lowest `low_bits` bits in binary, and the rest in unary. For a random mask its length is within a few percent
of the entropy. The low bits of all kept weights come first; then, from the next whole byte on, the unary
parts: as many zeros as the number says, and a one.
"""

import math
from typing import Literal, NamedTuple

import numpy as np

from cops_core.errors import InputError

CodeKind = Literal["none", "all", "bitmap", "gaps"]


class Coding(NamedTuple):
    """How the mask of one layer is coded.

    Attributes:
        kind: The code.
        low_bits: Of the code `gaps`, see the module; else 0.
        kept: The number of kept weights.
    """

    kind: CodeKind
    low_bits: int
    kept: int


def encode(places: np.ndarray, size: int) -> tuple[Coding, bytes]:
    """Encode a layer's mask.

    Args:
        places: Positions of the kept weights in the flattened layer, ascending, int64 of shape (kept,).
        size: The layer's number of weights.

    Returns:
        The coding, and the bytes.
    """
    kept = len(places)
    if kept in (0, size):
        return Coding("none" if kept == 0 else "all", 0, kept), b""
    gaps = np.diff(places, prepend=-1) - 1
    lengths = [_bytes(kept * low) + _bytes(kept + int((gaps >> low).sum())) for low in range(32)]
    low_bits = int(np.argmin(lengths))
    if _bytes(size) <= lengths[low_bits]:
        keep = np.zeros(size, dtype=bool)
        keep[places] = True
        return Coding("bitmap", 0, kept), np.packbits(keep).tobytes()
    low = (gaps[:, None] >> np.arange(low_bits)[::-1]) & 1
    ends = np.cumsum((gaps >> low_bits) + 1) - 1
    unary = np.zeros(ends[-1] + 1, dtype=bool)
    unary[ends] = True
    return Coding("gaps", low_bits, kept), np.packbits(low.astype(bool)).tobytes() + np.packbits(
        unary
    ).tobytes()


def decode(coding: Coding, data: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Decode a layer's mask.

    Args:
        coding: From `encode`.
        data: uint8, from the layer's first byte on; further bytes are ignored.
        size: The layer's number of weights.

    Returns:
        The positions, ascending, and the number of used bytes.

    Raises:
        InputError: The bytes are not a mask with this coding and size.
    """
    kind, low_bits, kept = coding
    if kind == "gaps":
        places, used = _decode_gaps(low_bits, kept, data, size)
    elif kind == "bitmap":
        used = _bytes(size)
        places = np.flatnonzero(np.unpackbits(data[:used], count=size))
    else:
        used = 0
        places = np.arange(size if kind == "all" else 0)
    if len(places) != kept or used > len(data) or (kept and not 0 <= places[-1] < size):
        raise InputError(f"{len(data)} bytes are not a mask of {kept} of {size} weights coded as {kind!r}")
    return places, used


def _decode_gaps(low_bits: int, kept: int, data: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    start = _bytes(kept * low_bits)
    low = np.unpackbits(data[:start], count=kept * low_bits).reshape(kept, low_bits)
    # No unary part is longer than this: the gaps of a layer sum to less than its size.
    most = _bytes(kept + (size >> low_bits))
    ends = np.flatnonzero(np.unpackbits(data[start : start + most]))[:kept]
    high = np.diff(ends, prepend=-1) - 1
    if len(high) < kept:
        return high, start
    gaps = (high << low_bits) + low @ (1 << np.arange(low_bits)[::-1])
    return np.cumsum(gaps + 1) - 1, start + _bytes(int(ends[-1]) + 1)


def entropy_bytes(size: int, kept: int) -> float:
    """log2 C(size, kept) / 8, a lower bound for a code of all masks with `kept` of `size` weights.

    Args:
        size: The number of weights.
        kept: The number of kept weights, in [0, size].

    Returns:
        Bytes.
    """
    nats = math.lgamma(size + 1) - math.lgamma(kept + 1) - math.lgamma(size - kept + 1)
    return nats / math.log(2) / 8


def _bytes(bits: int) -> int:
    return (bits + 7) // 8
