"""The connection to Ray."""

import logging
import socket
from tempfile import gettempdir
from urllib.parse import urlsplit

import ray

from cops_core.errors import InputError, described

# Ray itself retries an address where nothing listens for many minutes.
CONNECT_TIMEOUT_S = 5


class Cluster:
    """A connection to Ray, inside a `with` block.

    Args:
        address: Of a running cluster; None starts Ray on this machine.

    Raises:
        InputError: There is no cluster at the address, when the block is entered.
    """

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
        except Exception as error:  # Ray raises a plain one if a machine is too busy to start it in time
            advice = "start one, or leave --address out"
            if own and "AF_UNIX path length" in str(error):
                raise InputError(
                    f"the temporary folder {gettempdir()} (TMPDIR) has too long a path for Ray's sockets:"
                    " write RAY_TMPDIR=/tmp, or another short folder, into the environment"
                ) from error
            if own:
                raise InputError(
                    f"Ray cannot start on this machine ({described(error)}): free memory and room in its"
                    " temporary folder, or write --address of a running cluster"
                ) from error
            raise InputError(f"no Ray cluster at {address} ({described(error)}): {advice}") from error
        return self

    def __exit__(self, *exception: object) -> None:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Check that something listens at `address`: `local`, `auto`, or host:port of a cluster of this node."""
    if address in ("local", "auto"):
        return
    advice = "write auto, on a machine of the cluster"
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
