"""Freed memory, given back to the system."""

import ctypes
import sys

LARGE = 10_000_000
"""From this number of weights on it is worth a system call."""


def give_back(size: int) -> None:
    """Give freed memory back to the system, for networks of many weights.

    On Linux, glibc keeps freed blocks of up to 32 MB for later ones of the same size. The scores of the
    layers are such blocks, and the vector of all of them, which follows, is not.

    Args:
        size: The number of weights.
    """
    if size >= LARGE and sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc only
        if trim is not None:
            trim(0)
