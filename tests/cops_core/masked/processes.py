"""Processes that train one network: run by spawning, over gloo, with files to meet in and to answer."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

import cops_core as cops

from .networks import ARMS, mask_of

RANKS, STEPS, SIZE = 2, 4, 8


@dataclass(frozen=True)
class Run:
    """What all processes train, and how.

    Attributes:
        trainer: "ddp", "fsdp1", "fsdp1 flat" or "fsdp2".
        seeds: Of theta0, one per process.
    """

    trainer: str = "ddp"
    arm: str = "freeze"
    density: float = 0.1
    norm: bool = False
    seeds: tuple[int, ...] = (1,) * RANKS


@dataclass
class Traffic:
    """The sizes of all tensors that collectives of a training step move, in bytes."""

    sizes: list[int] = field(default_factory=list)


def network(run: Run, rank: int = 0) -> nn.Module:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(100) if run.norm else nn.Tanh()
    model = nn.Sequential(nn.Linear(784, 300), nn.Tanh(), nn.Linear(300, 100), norm, nn.Linear(100, 10))
    if run.seeds[rank] >= 0:
        cops.initialize(model, run.seeds[rank])
    return ARMS[run.arm](model, mask_of(model, run.density))


def batch(number: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(number)
    return torch.randn(RANKS * SIZE, 784, generator=generator), torch.arange(RANKS * SIZE) % 10


def alone(run: Run) -> list[float]:
    """The losses of one process on the joint batches."""
    model = network(run)
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.01)
    losses = []
    for number in range(STEPS):
        images, labels = batch(number)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def wrap(model: nn.Module, trainer: str, traffic: Traffic) -> nn.Module:
    if trainer == "ddp":
        wrapped = DistributedDataParallel(model)

        def hook(_: Any, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
            traffic.sizes.append(bucket.buffer().numel() * bucket.buffer().element_size())
            future = dist.all_reduce(bucket.buffer() / RANKS, async_op=True).get_future()
            return future.then(lambda done: done.value()[0])

        wrapped.register_comm_hook(None, hook)
        return wrapped
    if trainer.startswith("fsdp1"):
        from torch.distributed.fsdp import FullyShardedDataParallel

        return FullyShardedDataParallel(
            model, device_id=torch.device("cpu"), use_orig_params=trainer == "fsdp1"
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (RANKS,))
    decays = any(name.endswith(".scale") for name, _ in model.named_parameters())
    # Layers share the scale that decays: torch wants them in one group.
    for layer in (model,) if decays else (model[0], model[2], model):
        fully_shard(layer, mesh=mesh)
    return model


def trained(run: Run, rank: int) -> dict[str, Any]:
    """Losses, the bytes that the last step moves, and what an audit says."""
    traffic = Traffic()
    wrapped = wrap(network(run, rank), run.trainer, traffic)
    optimizer = SGD(wrapped.parameters(), 0.1, momentum=0.9, weight_decay=0.01)
    losses = []
    for number in range(STEPS):
        traffic.sizes.clear()
        if run.trainer == "ddp":  # it sends these in every forward pass
            traffic.sizes += [each.numel() * each.element_size() for each in wrapped.modules_buffers]
        part = slice(rank * SIZE, (rank + 1) * SIZE)
        images, labels = (each[part] for each in batch(number))
        optimizer.zero_grad()
        loss = functional.cross_entropy(wrapped(images), labels)
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        dist.all_reduce(mean)
        losses.append(float(mean) / RANKS)
    try:
        audit = str(cops.audit(wrapped))
    except cops.DriftError as error:
        audit = str(error)
    return {"losses": losses, "sizes": traffic.sizes, "audit": audit}


def _work(child: int, folder: str, job: Callable[[Any, int], Any], arguments: list[Any], first: int) -> None:
    torch.set_num_threads(1)
    rank = first + child
    meeting, wait = f"file://{folder}/meeting", timedelta(seconds=100)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=RANKS, timeout=wait)
    try:
        torch.save([job(argument, rank) for argument in arguments], f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def _child(child: int, folder: str, job: Callable[[Any, int], Any], arguments: list[Any]) -> None:
    _work(child, folder, job, arguments, 1)
    # gloo's threads may still hold Python's objects: freed while Python ends, they abort the process.
    os._exit(0)


def in_processes(folder: Path, job: Callable[[Any, int], Any], arguments: list[Any]) -> list[list[Any]]:
    """What a function returns for each argument, by process. It receives the argument and the rank.

    This process has rank 0: each other one imports torch, which takes seconds.
    """
    # New processes import this file as a part of `tests`, which pytest's own command has not on its path.
    root = str(Path(__file__).resolve().parents[3])
    with mock.patch.object(sys, "path", [root, *sys.path]):
        others = mp.spawn(_child, (str(folder), job, arguments), nprocs=RANKS - 1, join=False)
    try:
        _work(0, str(folder), job, arguments, 0)
    finally:
        while not others.join():
            pass
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]
