"""The resources of a study's trials: GPUs for each, and how many run at the same time."""

from collections.abc import Callable
from dataclasses import dataclass

import ray
from rich.console import Console

from cops_core.errors import InputError
from cops_core.trainers import IMAGES
from study.console import print_line
from study.run.ray.fitness.cluster import check_nodes, refuse_unfit
from study.run.ray.gpus import usual_share, waits_for_gpus
from study.run.ray.nodes import places
from study.run.ray.shared_data import DataShare
from study.search.plan import Plan
from study.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """The resources of a study's trials.

    Attributes:
        gpus: For each trial; a part below 1 is shared.
        concurrency: Trials at a time; None is as many as the cluster's nodes can run.
        measured: What was measured to decide `gpus`, in words; empty if nothing was.
        on_cluster: Whether the trials run on a cluster.
    """

    gpus: float = 0.0
    concurrency: int | None = None
    measured: str = ""
    on_cluster: bool = False

    def __str__(self) -> str:
        trials = f"{self.concurrency or 'as many as fit'} at a time"
        share = f", {self.gpus:g} GPU each" if self.gpus else ", on the CPU" if self.on_cluster else ""
        return f"{trials}{share}{f' ({self.measured})' if self.measured else ''}"


def allocate(
    settings: Settings, plan: Plan, data: DataShare, stopped: Callable[[], bool], console: Console
) -> Allocation:
    """Check a cluster's nodes, and decide the resources of each trial. Ray must be connected.

    A cluster may grow: if no node can run a trial now, a line says so.

    Args:
        settings: The study's.
        plan: Of the study.
        data: Sends the data sets to the nodes.
        stopped: Whether `cops stop` was called.
        console: Receives warnings.

    Raises:
        InputError: A node of the cluster is not fit, or this machine has fewer resources than the settings
            require.
    """
    example = plan.example
    if example is None:
        return Allocation(concurrency=settings.concurrency)
    images = example.trainer == IMAGES
    reference = data.reference(example.dataset) if images else None
    if settings.address is not None:
        refuse_unfit(
            check_nodes(
                storage=settings.storage_uri,
                score_cache=settings.score_cache,
                plugins=settings.plugins,
                data=reference,
                data_sha256=data.sha256(example.dataset) if images else "",
                use_gpus=settings.device != "cpu",
                console=console,
            )
        )
    waits = settings.gpus_per_trial == "auto" and settings.device != "cpu"
    if waits and (line := waits_for_gpus(settings, ray.cluster_resources().get("GPU", 0))):
        print_line(console, line, "yellow")
    trials = settings.concurrency or plan.size
    gpus, measured = usual_share(settings, example, reference, trials, stopped)
    if settings.address is not None and not places(settings.cpus_per_trial, gpus):
        wanted = f"{settings.cpus_per_trial} CPUs and {gpus:g} GPUs"
        line = f"no node of the cluster has {wanted} now: trials wait for such a node"
        print_line(console, line, "yellow")
    return Allocation(
        gpus=gpus,
        concurrency=_concurrency(settings, gpus),
        measured=measured,
        on_cluster=settings.address is not None,
    )


def _concurrency(settings: Settings, gpus: float) -> int | None:
    """Trials at a time: the setting, else as many as this machine can run; None for a cluster."""
    if settings.concurrency is not None or settings.address is not None:
        return settings.concurrency
    capacity = places(settings.cpus_per_trial, gpus)
    if capacity < 1:
        cpus = int(ray.cluster_resources()["CPU"])
        raise InputError(
            f"--cpus-per-trial {settings.cpus_per_trial}: this machine has {cpus}; write {cpus} or less"
        )
    return capacity
