"""Independent random streams of one trial, all derived from its 32-bit seed.

numpy's `RandomState` is frozen by its compatibility policy, and Philox is defined by its key
alone: a stream gives the same numbers on every machine, whatever the device, the number of
threads or the order in which streams are used.
"""

import hashlib

import numpy as np

SEED_RANGE = 2**32


def stream(seed: int, *purpose: str | int) -> np.random.RandomState:
    """The random stream of `seed` for one purpose, e.g. `stream(7, "batch order", epoch)`.

    seed: in [0, 2**32). Streams of different purposes are independent of each other.
    """
    if not 0 <= seed < SEED_RANGE:
        raise ValueError(f"seed {seed} is not a 32-bit number: write one in [0, {SEED_RANGE})")
    name = "\x1f".join(str(part) for part in (seed, *purpose))
    key = hashlib.sha256(name.encode()).digest()[:16]
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(key, "little")))


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 32-bit seed derived from `seed` for one purpose."""
    return int(stream(seed, *purpose).randint(0, SEED_RANGE, dtype=np.uint32))
