"""Processes that each train a trial of their own on one device, at the same time."""

import multiprocessing
import time
from collections.abc import Sequence
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Self

from cops_core.config import TrialConfig
from cops_core.train import Trainer
from cops_core.trial import Trial, reproducible
from gpu_session.setting import made_data

Work = tuple[
    TrialConfig, tuple[int, int, int], int, str
]  # with the shape and the number of images, the device


@lru_cache(maxsize=1)
def trainer_of(config: str, shape: tuple[int, int, int], images: int, device: str) -> Trainer:
    """The trial's trainer, after an epoch that warms up."""
    found = Trial(
        TrialConfig.model_validate_json(config), data=made_data(shape, images), device=device
    ).trainer
    with reproducible():
        found.run_epoch()
    return found


def epochs_until(work: Work, begin: float, seconds: float) -> int:
    """The number of epochs in some seconds from `begin` on, in Unix time."""
    config, *others = work
    trainer = trainer_of(config.model_dump_json(), *others)
    count = 0
    time.sleep(max(0.0, begin - time.time()))
    with reproducible():
        while time.time() < begin + seconds:
            trainer.run_epoch()  # its metrics wait for the device
            count += 1
    return count


def obey(connection: Connection) -> None:
    """What each process does: work when it is asked to."""
    while True:
        try:
            asked = connection.recv()
        except EOFError:
            return
        try:
            connection.send(epochs_until(*asked))
        except Exception as error:  # its row says so
            connection.send(f"{type(error).__name__}: {error}")


class Crew:
    """Some processes, which stay: torch is imported once in each.

    Args:
        size: Their number.
    """

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        pairs = [context.Pipe() for _ in range(size)]
        self._processes = [context.Process(target=obey, args=(theirs,), daemon=True) for _, theirs in pairs]
        self._connections = [ours for ours, _ in pairs]
        for process in self._processes:
            process.start()
        for _, theirs in pairs:
            theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()

    def build(self, work: Work) -> None:
        """Have all processes build their trial."""
        self._ask(len(self._processes), work, 0.0, 0.0)

    def rate(self, count: int, work: Work, seconds: float) -> float:
        """Epochs per second of `count` processes together, once all have built their trial."""
        return sum(self._ask(count, work, time.time() + 0.1, seconds)) / seconds

    def _ask(self, count: int, work: Work, begin: float, seconds: float) -> Sequence[int]:
        chosen = self._connections[:count]
        for connection in chosen:
            connection.send((work, begin, seconds))
        found = [connection.recv() for connection in chosen]
        if failed := [each for each in found if isinstance(each, str)]:
            raise RuntimeError(f"{len(failed)} of {count} processes: {failed[0]}")
        return found
