"""The number of GPUs for a trial: the setting, one if there is one, or what a trial was measured to need."""

import json
from collections.abc import Callable
from typing import Any

import ray

from cops_core.config import TrialConfig, parse_config
from cops_core.demand import Demand, measure_demand, share_of
from cops_core.errors import InputError
from cops_core.plugins import Plugin
from cops_core.trainers import IMAGES
from search_spaces.plugins import load_plugins
from study.run.ray.shared_data import received
from study.run.ray.shares import spread
from study.settings import Settings

STOP_POLL_S = 5.0  # while a cluster grows: how often `cops stop` is checked for


def usual_share(
    settings: Settings, example: TrialConfig, data: Any, trials: int, stopped: Callable[[], bool]
) -> tuple[float, str]:
    """Decide the number of GPUs for each trial.

    Args:
        settings: The study's.
        example: A trial of the study.
        data: Its data set, see `DataShare`; None if it has a trainer of its own.
        trials: The largest number of trials at a time.
        stopped: Whether to stop waiting.

    Returns:
        The number of GPUs, and what was measured, in words; empty if nothing was.

    Raises:
        InputError: There are fewer GPUs than the settings require, or it cannot be decided.
    """
    resources = ray.cluster_resources()
    gpus, wanted = float(resources.get("GPU", 0)), settings.gpus_per_trial
    if settings.device == "cpu":
        return (0.0 if wanted in (None, "auto") else float(wanted)), ""
    if wanted == "auto" and example.trainer != IMAGES and gpus:
        raise InputError(
            f"--gpus-per-trial auto: the demand of trainer {example.trainer!r} cannot be measured: write a"
            " number"
        )
    if wanted is None or wanted == "auto":
        if not gpus and not resources.get("CPU") and wanted is None:
            raise InputError(
                "no node of the cluster can run a trial yet, so that it is not known whether there will be"
                " GPUs: write --gpus-per-trial auto, or a number (0 for the CPU)"
            )
        if wanted is None or waits_for_gpus(settings, gpus) is None:
            return min(1.0, gpus), ""
        return _measured(settings, example, data, trials, stopped)
    if wanted > gpus and settings.address is None:
        advice = f"write {gpus:g} or less" if gpus else "leave it out to train on the CPU"
        raise InputError(f"--gpus-per-trial {wanted:g}: this machine has {gpus:g} GPUs; {advice}")
    return float(wanted), ""


def waits_for_gpus(settings: Settings, gpus: float) -> str | None:
    """What `--gpus-per-trial auto` waits for.

    Args:
        settings: The study's.
        gpus: How many there are now.

    Returns:
        A line; empty if there are GPUs; None if there will be none, since there is no cluster.
    """
    if gpus:
        return ""
    if settings.address is None:
        return None
    return "waiting for a GPU on which a trial can be measured (--gpus-per-trial 0 trains on the CPU)"


def _measured(
    settings: Settings, example: TrialConfig, data: Any, trials: int, stopped: Callable[[], bool]
) -> tuple[float, str]:
    """The share that a trial needs, measured on a GPU of the cluster. Waits for a GPU if necessary."""
    resources = {"num_gpus": 1, "num_cpus": settings.cpus_per_trial}
    task = _measure.options(**resources).remote(example.model_dump_json(), [data], settings.plugins)
    while not ray.wait([task], timeout=STOP_POLL_S)[0]:
        if stopped():
            raise InputError("the study was stopped before there was a GPU on which a trial can be measured")
    try:
        demand: Demand = ray.get(task)
    except ray.exceptions.RayError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        raise InputError(
            f"the share of a GPU that a trial needs could not be measured ({reason}): write a number for"
            " --gpus-per-trial"
        ) from error
    gpus = float(ray.cluster_resources().get("GPU", 1))
    share = spread(float(share_of(demand)), trials, gpus)
    return share, (
        f"a trial needs {demand.peak_bytes / 2**30:.2g} of {demand.total_bytes / 2**30:.3g} GiB of a GPU"
        f" and keeps it busy {demand.busy:.0%} of the time"
    )


# In a separate process, so that all of its memory belongs to this trial.
@ray.remote(max_calls=1, max_retries=2)
def _measure(config: str, data: list[Any], plugins: tuple[Plugin, ...]) -> Demand:
    load_plugins(plugins)
    return measure_demand(parse_config(json.loads(config)), data=received(data[0]), device="cuda")
