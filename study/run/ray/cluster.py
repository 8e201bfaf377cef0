"""The connection to Ray."""

import logging
import socket
from urllib.parse import urlsplit

import ray

from cops_core.errors import InputError

# Ray itself goes on trying an address where nothing listens for many minutes.
CONNECT_TIMEOUT_S = 5


class Cluster:
    """A connection to Ray: a running cluster, or without an address this machine alone. Use it in `with`."""

    def __init__(self, address: str | None) -> None:
        self.address = address or "local"

    def __enter__(self) -> "Cluster":
        address = self.address
        _check_reachable(address)
        own = address == "local"
        try:
            ray.init(
                address=address,
                include_dashboard=False if own else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            reason = str(error).splitlines()[0][:160]
            raise InputError(
                f"no Ray cluster at {address} ({reason}): start one, or leave --address out"
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Something listens at `address`: `local`, `auto` or host:port of a cluster that this is a node of."""
    if address in ("local", "auto"):
        return
    advice = "write auto on a machine of the cluster"
    if address.startswith("ray://"):
        raise InputError(f"--address {address}: a study's driver must be a node of the cluster: {advice}")
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
