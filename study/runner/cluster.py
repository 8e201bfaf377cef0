"""The connection to Ray, and what it has to offer."""

import logging
import socket
from urllib.parse import urlsplit

import ray

from cops_core.errors import InputError
from study.settings import Settings

# Ray itself goes on trying an address where nothing listens for many minutes.
CONNECT_TIMEOUT_S = 5


class Cluster:
    """A connection to Ray: a cluster of this machine alone, or a running one. Use it in `with`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __enter__(self) -> "Cluster":
        address = self.settings.address or "local"
        _check_reachable(address)
        own = self.settings.address is None
        try:
            ray.init(
                address=address,
                include_dashboard=False if own else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0][:160]
            raise InputError(
                f"no Ray cluster at {address} ({reason}): start one, or leave --address out"
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        ray.shutdown()

    def gpus_per_trial(self) -> float:
        """The share asked for; where none was, one GPU if there is any. InputError if there are fewer."""
        there = float(ray.cluster_resources().get("GPU", 0))
        asked = self.settings.gpus_per_trial
        if asked is None:
            return min(1.0, there)
        if asked > there and self.settings.address is None:
            advice = f"write {there:g} or less" if there else "leave it out to train on the CPU"
            raise InputError(f"--gpus-per-trial {asked:g}: there are {there:g} GPUs here; {advice}")
        return asked

    def concurrency(self, gpus: float) -> int | None:
        """Trials at once: as asked, else as many as this machine carries; None leaves it to a cluster."""
        if self.settings.concurrency is not None or self.settings.address is not None:
            return self.settings.concurrency
        there = ray.cluster_resources()
        carried = int(there["CPU"] // self.settings.cpus_per_trial)
        if carried < 1:
            cpus = int(there["CPU"])
            raise InputError(
                f"--cpus-per-trial {self.settings.cpus_per_trial}: there are {cpus} here;"
                f" write {cpus} or less"
            )
        return min(carried, int(there["GPU"] / gpus)) if gpus > 0 else carried


def _check_reachable(address: str) -> None:
    """Something listens at `address`, which is `local`, `auto`, host:port or ray://host:port."""
    if address in ("local", "auto"):
        return
    advice = "write auto on a cluster's own machine, else host:port of its head"
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise InputError(f"--address {address!r} has no host and port: {advice}")
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise InputError(f"no Ray cluster at {address} ({error}): {advice}") from error
