"""Where a study's trials will run: on how much of which nodes, how many at once."""

from collections.abc import Callable
from dataclasses import dataclass

import ray
from rich.console import Console

from cops_core.errors import InputError
from study.console import print_line
from study.run.ray.fitness.cluster import check_nodes, refuse_unfit
from study.run.ray.gpus import usual_share, waits_for_gpus
from study.run.ray.nodes import places
from study.run.ray.shared_data import DataShare
from study.search.plan import Plan
from study.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """GPUs for each trial; trials at once, None for as many as a cluster's nodes carry; what was measured."""

    gpus: float = 0.0
    concurrency: int | None = None
    measured: str = ""
    on_cluster: bool = False

    def __str__(self) -> str:
        at_once = f"{self.concurrency or 'as many as fit'} at a time"
        share = f", {self.gpus:g} GPU each" if self.gpus else ", on the CPU" if self.on_cluster else ""
        return f"{at_once}{share}{f' ({self.measured})' if self.measured else ''}"


def allocate(
    settings: Settings, plan: Plan, data: DataShare, stopped: Callable[[], bool], console: Console
) -> Allocation:
    """What Ray is asked for, on nodes that are fit. Ray is connected.

    stopped: whether the study was asked to end.

    Raises InputError if a node of a cluster is not fit (each is checked), or if this machine has less than
    is asked for. A cluster may grow: where no node can take a trial now, that is said.
    """
    example = plan.example
    if example is None:
        return Allocation(concurrency=settings.concurrency)
    reference = data.reference(example.dataset)
    if settings.address is not None:
        refuse_unfit(
            check_nodes(
                storage=settings.storage_uri,
                score_cache=settings.score_cache,
                plugins=settings.plugins,
                data=reference,
                data_sha256=data.sha256(example.dataset),
                use_gpus=settings.device != "cpu",
                console=console,
            )
        )
    waits = settings.gpus_per_trial == "auto" and settings.device != "cpu"
    if waits and (line := waits_for_gpus(settings, ray.cluster_resources().get("GPU", 0))):
        print_line(console, line, "yellow")
    at_once = settings.concurrency or plan.size
    gpus, measured = usual_share(settings, example, reference, at_once, stopped)
    if settings.address is not None and not places(settings.cpus_per_trial, gpus):
        wanted = f"{settings.cpus_per_trial} CPUs and {gpus:g} GPUs"
        line = f"no node of the cluster has {wanted} now: trials wait until one joins that has"
        print_line(console, line, "yellow")
    return Allocation(
        gpus=gpus,
        concurrency=_concurrency(settings, gpus),
        measured=measured,
        on_cluster=settings.address is not None,
    )


def _concurrency(settings: Settings, gpus: float) -> int | None:
    """Trials at once: as asked, else as many as this machine carries; None leaves it to a cluster."""
    if settings.concurrency is not None or settings.address is not None:
        return settings.concurrency
    carried = places(settings.cpus_per_trial, gpus)
    if carried < 1:
        cpus = int(ray.cluster_resources()["CPU"])
        raise InputError(
            f"--cpus-per-trial {settings.cpus_per_trial}: there are {cpus} here; write {cpus} or less"
        )
    return carried
