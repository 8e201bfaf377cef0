"""Connects a study with Ray, while it runs, and with MLflow."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from rich.console import Console

from study.records.lease import Lease
from study.run.prepare import PreparedStudy
from study.run.ray.allocation import Allocation, allocate
from study.run.ray.cluster import Cluster
from study.run.ray.shared_data import DataShare
from study.run.stop import stop_requested
from study.tracking import check_store, new_database


@contextmanager
def connected(study: PreparedStudy, data: DataShare, lease: Lease, console: Console) -> Iterator[Allocation]:
    """Connect Ray inside the `with` block, if trials are left to run, and prepare MLflow.

    Args:
        study: The study.
        data: Sends the data sets to the nodes.
        lease: Of the driver.
        console: Shows the progress.

    Yields:
        The resources of each trial.

    Raises:
        InputError: Ray or MLflow does not answer, or there are fewer resources than the settings require.
    """
    settings, run = study.settings, study.run
    check_store(settings.tracking)
    with ThreadPoolExecutor(max_workers=1) as executor, ExitStack() as stack:
        # A new MLflow database takes about as long as the start of Ray: both run at the same time.
        database_task = executor.submit(new_database, settings.tracking)
        allocation = Allocation()
        if not run.has_ended:
            with console.status("starting Ray"):
                stack.enter_context(Cluster(settings.address))
            allocation = allocate(
                settings, run.plan, data, lambda: stop_requested(study.store, lease.token), console
            )
        if (database := database_task.result()) is not None:
            database.place()  # last: no check can fail any more
        yield allocation
