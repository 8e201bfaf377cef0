"""The global random generators, seeded for a while: for code of networks that draws from them.

The project itself draws from `cops_core.streams` only. Networks of users draw where torch's layers do: from
the global generators of torch, also of a GPU, or from those of numpy and Python.
"""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from cops_core.streams import derive_seed

GENERATORS = (torch.Generator, random.Random, np.random.RandomState, np.random.Generator)


@contextmanager
def seeded_generators(seed: int, *purpose: str | int, devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """A context in which the global generators are at the start of a stream; afterwards they are as before.

    Args:
        seed: In [0, 2**32).
        *purpose: Words and numbers, see `cops_core.streams.stream`.
        devices: Where tensors are drawn, apart from the CPU.
    """
    start = derive_seed(seed, *purpose)
    gpus = sorted({device.index or 0 for device in devices if device.type == "cuda"})
    pythons, numpys = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=gpus, device_type="cuda"):
        try:
            # Only generators that are restored: torch.manual_seed would seed every GPU.
            torch.default_generator.manual_seed(start)
            for gpu in gpus:
                torch.cuda.default_generators[gpu].manual_seed(start)
            random.seed(start)
            np.random.seed(start)
            yield
        finally:
            random.setstate(pythons)
            np.random.set_state(numpys)


def reseed_own(model: nn.Module, seed: int, *purpose: str | int) -> None:
    """Put each random generator that a layer keeps as an attribute at the start of a stream of its own.

    Args:
        model: The network.
        seed: In [0, 2**32).
        *purpose: Words and numbers, see `cops_core.streams.stream`.
    """
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if not isinstance(value, GENERATORS):
                continue
            start = derive_seed(seed, *purpose, path, name)
            if isinstance(value, torch.Generator):
                value.manual_seed(start)
            elif isinstance(value, random.Random | np.random.RandomState):
                value.seed(start)
            elif isinstance(value, np.random.Generator):
                value.bit_generator.state = type(value.bit_generator)(start).state
