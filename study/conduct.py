"""`cops launch`: checks, connects, runs the study, and says what came out."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from search_spaces.base import SearchSpace
from study.live import LiveView
from study.plan import Plan
from study.preflight import check_data, check_home, check_name, check_score_cache
from study.proposals import Proposer
from study.provenance import git_commit, versions
from study.results import RecordWriter, TableWriter
from study.run import StudyRun
from study.runner.cluster import Cluster
from study.runner.execute import run_trials
from study.settings import Settings
from study.store import StudyStore
from study.summary import print_plan, print_summary
from study.tracking import MlflowWriter, connect, experiment_id

# Exit codes: everything accounted for; something failed or was cut short.
COMPLETE, INCOMPLETE = 0, 1


def launch(space: SearchSpace, settings: Settings, console: Console, *, dry_run: bool = False) -> int:
    """Run a study to its end and return the exit code. Raises InputError before any trial starts.

    dry_run: say what would run, start and write nothing.
    """
    proposer = Proposer(space, settings)
    store = StudyStore(settings.storage_uri, settings.name)
    check_name(store)
    if dry_run:
        print_plan(console, settings, proposer)
        return COMPLETE
    check_home(settings.home)
    check_score_cache(settings.score_cache.expanduser())
    check_data(proposer.base, settings.data_root)
    started = time.monotonic()
    run, complete = conduct(proposer, settings, store, console)
    print_summary(console, settings, run, time.monotonic() - started)
    return COMPLETE if complete else INCOMPLETE


def conduct(plan: Plan, settings: Settings, store: StudyStore, console: Console) -> tuple[StudyRun, bool]:
    """Run a plan: Ray, records, tables, MLflow, live view.

    Returns the run, and whether every trial came to an end of its own and is in MLflow too.
    """
    with ThreadPoolExecutor(max_workers=1) as beside, ExitStack() as stack:
        # A new MLflow database takes about as long as Ray does to start: both at once.
        connection = beside.submit(connect, settings.tracking, settings.home)
        with console.status("starting Ray"):
            cluster = stack.enter_context(Cluster(settings))
            client = connection.result()
        gpus = cluster.gpus_per_trial()
        concurrency = cluster.concurrency(gpus)
        record = study_record(settings)
        store.create(record)
        store.write_plugins(settings.plugins)
        experiment = experiment_id(client, settings.tracking, settings.home)
        mlflow = MlflowWriter(
            client, experiment, settings.name, record["settings"], settings.plugins, store.read
        )
        console.print(f"{settings.name}: {plan.size} trials, {concurrency or 'as many as fit'} at a time")
        table = TableWriter(store)
        with LiveView(console, settings.name, plan.size) as live:
            run = StudyRun(plan, [RecordWriter(store), table, mlflow, live])
            try:
                run_trials(run, settings, gpus, concurrency, f"{settings.storage_uri}/{settings.name}")
            finally:
                table.close()
                mlflow.close(run.complete, table.files())
    if mlflow.errors:
        console.print(
            f"[yellow]MLflow did not take {len(mlflow.errors)} of its records ({mlflow.errors[0]});"
            f" they are all in {store.path}"
        )
    return run, run.complete and not mlflow.errors


def study_record(settings: Settings) -> dict[str, Any]:
    """What a study's folder says about it: settings, commit, versions, start."""
    return {
        "settings": settings.record(),
        "git_commit": git_commit(),
        "versions": versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
