"""Threads may run one masked network at the same time."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch.optim import SGD

from .networks import batch, masked, step


def test_threads_read_what_was_trained():
    model = masked(density=0.5)
    optimizer = SGD(model.parameters(), 0.1)

    def outputs(_: int) -> list[torch.Tensor]:
        with torch.no_grad():
            return [model(batch()) for _ in range(5)]

    with ThreadPoolExecutor(4) as threads:
        for _ in range(25):
            step(model, optimizer, batch())
            with torch.no_grad():
                expected = model(batch())
            step(model, optimizer, batch())  # the first read after a step is the threads'
            found = [output for several in threads.map(outputs, range(4)) for output in several]
            assert all(torch.equal(output, found[0]) for output in found)
            assert not torch.equal(expected, found[0])
