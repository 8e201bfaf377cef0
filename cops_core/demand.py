"""How much of a GPU one trial needs, by measurement, and so how many such trials can share it."""

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

# Enough to be past the start of an epoch; the profiler keeps some kB for each of their kernels.
PROFILED_STEPS = 100
MAX_TRIALS_PER_GPU = 16  # each has its own process, with its own copy of torch in memory


@dataclass(frozen=True)
class Demand:
    """What one trial needs of a GPU.

    Attributes:
        peak_bytes: The peak memory of its process, in bytes.
        total_bytes: The memory of the GPU, in bytes.
        busy: The fraction of the time in which the GPU worked for the trial, in (0, 1].
    """

    peak_bytes: int
    total_bytes: int
    busy: float


def share_of(demand: Demand, *, headroom: float = 0.1) -> Fraction:
    """The share of a GPU that such a trial should request: 1/k if k of them fit together, 1 <= k <= 16.

    They fit if their peaks leave `headroom` of the memory free, and if their busy times sum to at most 1:
    the GPU works for one process at a time.

    A share such as 1/7 has no finite decimal: round it down, or the last trial does not fit.

    Args:
        demand: What one trial needs.
        headroom: The fraction of the memory that stays free, in [0, 1).

    Returns:
        The share, in [1/16, 1].

    Raises:
        InputError: A headroom outside [0, 1).
    """
    if not 0 <= headroom < 1:
        raise InputError(f"headroom {headroom} is not in [0, 1): write a fraction of the memory, e.g. 0.1")
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
    """Build the trial and train it on a GPU for a little more than an epoch; nothing of it is kept.

    For a GPU that nothing else uses, in a separate process that ends afterwards: the profiler stays in it.

    The peak is the most that torch's allocator held, from scoring to validation, plus everything else in use
    on the GPU. That should be the process's own context and kernels, but torch cannot distinguish them from
    other processes, whose memory would be counted as the trial's.

    The busy time is of training steps and their part of the validation, after a warm-up epoch. The time in
    which any kernel or copy runs is measured under the profiler, which hardly changes it; the total time is
    measured without the profiler. If the profiler sees no kernels, busy is 1: what cannot be measured is not
    shared.

    Args:
        config: The trial.
        data: See `Trial`.
        data_root: See `Trial`.
        device: A GPU, `cuda` or e.g. `cuda:1`.

    Returns:
        What the trial needs.

    Raises:
        InputError: `device` is not a GPU, or the configuration cannot be built.
    """
    if not device.startswith("cuda") or torch.cuda.device_count() == 0:
        raise InputError(
            f"the GPU share of a trial cannot be measured on {device!r}: write cuda on a machine with a GPU,"
            " or write the share, e.g. 0.25"
        )
    place = use_device(device)
    release()
    if config.selection is not None and config.selection.at == "trained":
        # Most of its time and memory are those of the dense network, which is trained first.
        config = config.changed(arm="dense", selection=None, density=None, scale=None)
    trial = Trial(config, data=data, data_root=data_root, device=str(place))
    with reproducible():
        trial.trainer.run_epoch()
        free, total = torch.cuda.mem_get_info(place)
        elsewhere = total - free - torch.cuda.memory_reserved(place)
        peak = torch.cuda.max_memory_reserved(place) + elsewhere
        if trial.trainer.regrow is not None:  # the first epoch may have no step with dense gradients
            peak += trial.trainer.network.dense_bytes
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
    """The first images of a split, for a few training steps.

    Args:
        split: The whole split.
        batch_size: Images per step, at least 1.

    Returns:
        A split with at most `PROFILED_STEPS` batches for training, and the same fraction for validation.
    """
    images = min(len(split.train), PROFILED_STEPS * batch_size)
    validated = math.ceil(len(split.validation) * images / len(split.train))
    return replace(split, train=split.train.first(images), validation=split.validation.first(validated))


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The total time in any of some spans; overlapping times count once.

    Args:
        spans: (start, end) of each, in any unit of time.

    Returns:
        The total, in the same unit.
    """
    total, until = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
