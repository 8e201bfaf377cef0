"""What one trial needs of a GPU, measured, and how many such trials may therefore share it."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

from cops_core.config import TrialConfig
from cops_core.data import ImageData, Split
from cops_core.errors import InputError
from cops_core.placement import release, use_device
from cops_core.train import Trainer
from cops_core.trial import DEFAULT_DATA_ROOT, Trial, reproducible

# Enough to be past the beginning of an epoch; the profiler keeps some kB for each of their kernels.
PROFILED_STEPS = 100
MAX_TRIALS_PER_GPU = 16  # on one GPU: each has a process of its own, with its own copy of torch in the RAM


@dataclass(frozen=True)
class Demand:
    """What one trial needs of a GPU.

    peak_bytes: the most memory that its process held. total_bytes: what the GPU has. busy: the share of
    the time in which the GPU worked for it, in (0, 1].
    """

    peak_bytes: int
    total_bytes: int
    busy: float


def share_of(demand: Demand, *, headroom: float = 0.1) -> Fraction:
    """The share of a GPU that such a trial should ask for: 1/k if k of them fit together, 1 <= k <= 16.

    They fit if their peaks leave the share `headroom`, in [0, 1), of the memory free, and if their busy
    times add up to 1 at most: the GPU works for one process at a time.

    A share such as 1/7 is no decimal: whoever rounds it must round down, or the last trial does not fit.
    """
    if not 0 <= headroom < 1:
        raise InputError(f"headroom {headroom}: write a share of the memory in [0, 1), e.g. 0.1")
    by_memory = math.floor(demand.total_bytes * (1 - headroom)) // demand.peak_bytes
    by_time = math.floor(1 / demand.busy)
    return Fraction(1, max(1, min(by_memory, by_time, MAX_TRIALS_PER_GPU)))


def measure_demand(
    config: TrialConfig,
    *,
    data: ImageData | None = None,
    data_root: Path = DEFAULT_DATA_ROOT,
    device: str = "cuda",
) -> Demand:
    """Build the trial and train it for an epoch and a bit on `device`; nothing of it is kept.

    Meant for a GPU that nothing else uses, in a process of its own that ends afterwards: the profiler
    stays in it.

    data, data_root: as a `Trial` takes them.
    peak_bytes: the most that torch's allocator held, from scoring to validation, and what else is in use
    on the GPU: torch cannot tell the process's own context and kernels, which are meant, from what other
    processes hold, so that their memory would count as the trial's.
    busy: of training steps and their part of the validation after a warm epoch. The time in which any
    kernel or copy runs is taken under the profiler, which hardly changes it, the time that passes
    without. Where the profiler sees no kernels, 1: what cannot be measured is not shared.

    Raises InputError if `device` is no GPU, or the configuration cannot be built.
    """
    if not device.startswith("cuda") or torch.cuda.device_count() == 0:
        raise InputError(
            f"what a trial needs of a GPU cannot be measured on {device!r} here: write cuda on a machine"
            " with a GPU, or say the share yourself, e.g. 0.25"
        )
    place = use_device(device)
    release()
    trial = Trial(config, data=data, data_root=data_root, device=str(place))
    with reproducible():
        trial.trainer.run_epoch()
        free, total = torch.cuda.mem_get_info(place)
        elsewhere = total - free - torch.cuda.memory_reserved(place)
        peak = torch.cuda.max_memory_reserved(place) + elsewhere
        busy = _busy(trial.trainer, place)
    del trial
    release()
    return Demand(peak_bytes=min(peak, total), total_bytes=total, busy=busy)


def _busy(whole: Trainer, place: torch.device) -> float:
    """The share of time in which the GPU works, in (0, 1]."""
    short = Trainer(
        whole.network, profiled_split(whole.split, whole.training.batch_size), whole.training, whole.seed
    )
    torch.cuda.synchronize(place)
    started = time.perf_counter()
    short.run_epoch()
    torch.cuda.synchronize(place)
    passed = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        short.run_epoch()
        torch.cuda.synchronize(place)
    # Annotations, such as the optimizer's, span the pauses between their kernels as well.
    worked = covered(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    )
    microseconds = 1e6
    return min(1.0, worked / microseconds / passed) or 1.0


def profiled_split(split: Split, batch_size: int) -> Split:
    """The first images of `split` for a few training steps, and as large a part of those for validation."""
    images = min(len(split.train), PROFILED_STEPS * batch_size)
    validated = math.ceil(len(split.validation) * images / len(split.train))
    return replace(split, train=split.train.first(images), validation=split.validation.first(validated))


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """How much time lies in any of `spans`, (beginning, end) each: where some overlap it counts once."""
    total, until = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
