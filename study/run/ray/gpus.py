"""How many GPUs a trial gets: as asked, one where there is one, or as a trial is measured to need."""

import json
from collections.abc import Callable
from typing import Any

import ray

from cops_core.config import TrialConfig, parse_config
from cops_core.demand import Demand, measure_demand, share_of
from cops_core.errors import InputError
from cops_core.plugins import Plugin
from search_spaces.plugins import load_plugins
from study.run.ray.shared_data import received
from study.run.ray.shares import spread
from study.settings import Settings

LOOK_S = 5.0  # while a cluster grows: how often `cops stop` is looked for


def usual_share(
    settings: Settings, example: TrialConfig, data: Any, trials: int, stopped: Callable[[], bool]
) -> tuple[float, str]:
    """GPUs for each trial, and where it was measured, what was.

    example: a trial of the study. data: its data set, see `DataShare`. trials: how many there will be at
    once, at most. stopped: whether to wait no longer. Raises InputError if there are fewer GPUs than asked
    for, or if nobody can tell.
    """
    there = ray.cluster_resources()
    gpus, asked = float(there.get("GPU", 0)), settings.gpus_per_trial
    if settings.device == "cpu":
        return (0.0 if asked in (None, "auto") else float(asked)), ""
    if asked is None or asked == "auto":
        if not gpus and not there.get("CPU") and asked is None:
            raise InputError(
                "no node of the cluster can run a trial yet, so that nobody knows on what: write"
                " --gpus-per-trial auto or a number, 0 for the CPU"
            )
        if asked is None or waits_for_gpus(settings, gpus) is None:
            return min(1.0, gpus), ""
        return _measured(settings, example, data, trials, stopped)
    if asked > gpus and settings.address is None:
        advice = f"write {gpus:g} or less" if gpus else "leave it out to train on the CPU"
        raise InputError(f"--gpus-per-trial {asked:g}: there are {gpus:g} GPUs here; {advice}")
    return float(asked), ""


def waits_for_gpus(settings: Settings, gpus: float) -> str | None:
    """What `auto` waits for, empty for nothing; None where there will never be a GPU to measure on."""
    if gpus:
        return ""
    if settings.address is None:
        return None
    return "no GPU is there yet to measure a trial on: waiting for one (--gpus-per-trial 0 trains on the CPU)"


def _measured(
    settings: Settings, example: TrialConfig, data: Any, trials: int, stopped: Callable[[], bool]
) -> tuple[float, str]:
    """The share that one trial needs, measured on a GPU of the cluster, which may have to grow for it."""
    resources = {"num_gpus": 1, "num_cpus": settings.cpus_per_trial}
    task = _measure.options(**resources).remote(example.model_dump_json(), [data], settings.plugins)
    while not ray.wait([task], timeout=LOOK_S)[0]:
        if stopped():
            raise InputError("it was asked to end before there was a GPU to measure a trial on")
    try:
        demand: Demand = ray.get(task)
    except ray.exceptions.RayError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        raise InputError(
            f"what a trial needs of a GPU could not be measured ({reason}): write a number for"
            " --gpus-per-trial"
        ) from error
    gpus = float(ray.cluster_resources().get("GPU", 1))
    share = spread(float(share_of(demand)), trials, gpus)
    return share, (
        f"a trial needs {demand.peak_bytes / 2**30:.2g} of {demand.total_bytes / 2**30:.3g} GiB of a GPU"
        f" and keeps it busy {demand.busy:.0%} of the time"
    )


# In a process of its own, whose memory is all this trial's.
@ray.remote(max_calls=1, max_retries=2)
def _measure(config: str, data: list[Any], plugins: tuple[Plugin, ...]) -> Demand:
    load_plugins(plugins)
    return measure_demand(parse_config(json.loads(config)), data=received(data[0]), device="cuda")
