"""Independent random streams of one trial, all derived from its 32-bit seed.

numpy's `RandomState` is frozen by its compatibility policy, and Philox is defined by its key: a stream gives
the same numbers on every machine, for every device, number of threads and order of use.
"""

import hashlib

import numpy as np

SEED_RANGE = 2**32


def stream(seed: int, *purpose: str | int) -> np.random.RandomState:
    """The random stream of a seed for one purpose, e.g. `stream(7, "batch order", epoch)`.

    Args:
        seed: In [0, 2**32).
        *purpose: Words and numbers. Streams of different purposes are independent.

    Returns:
        A generator at the start of the stream.

    Raises:
        ValueError: The seed is not a 32-bit number.
    """
    if not 0 <= seed < SEED_RANGE:
        raise ValueError(f"seed {seed} is not a 32-bit number: write one in [0, {SEED_RANGE})")
    name = "\x1f".join(str(part) for part in (seed, *purpose))
    key = hashlib.sha256(name.encode()).digest()[:16]
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(key, "little")))


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 32-bit seed derived from another for one purpose.

    Args:
        seed: In [0, 2**32).
        *purpose: Words and numbers, see `stream`.

    Returns:
        A seed in [0, 2**32).
    """
    return int(stream(seed, *purpose).randint(0, SEED_RANGE, dtype=np.uint32))
