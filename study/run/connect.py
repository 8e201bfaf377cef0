"""Connects what a study runs on: Ray, for as long as it runs, and MLflow."""

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
    """While this lasts Ray is connected, if anything is left to run; says what each trial is given there.

    Raises InputError if Ray or MLflow does not answer, or if there is less than is asked for.
    """
    settings, run = study.settings, study.run
    check_store(settings.tracking)
    with ThreadPoolExecutor(max_workers=1) as beside, ExitStack() as stack:
        # A new MLflow database takes about as long as Ray does to start: both at once.
        making = beside.submit(new_database, settings.tracking)
        allocation = Allocation()
        if not run.has_ended:
            with console.status("starting Ray"):
                stack.enter_context(Cluster(settings.address))
            allocation = allocate(
                settings, run.plan, data, lambda: stop_requested(study.store, lease.token), console
            )
        if (database := making.result()) is not None:
            database.place()  # last: nothing can be refused any more
        yield allocation
