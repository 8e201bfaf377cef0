"""Runs a study, or goes on with it: checks, connects, runs, writes, and says what came out."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TextIO
from uuid import uuid4

from rich.console import Console

from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from study.console import print_line
from study.provenance import git_commit, versions
from study.records.evaluations import is_closed
from study.records.lease import Lease
from study.records.library import Library
from study.records.observer import Observer
from study.records.store import StudyStore
from study.records.trial import FAILURES, StudyTrial
from study.records.writer import LedgerWriter
from study.run.ending import break_off, end
from study.run.identify import Identifier
from study.run.interrupt import Interrupts
from study.run.preflight import check_data, check_home, check_score_cache
from study.run.progress.choose import choose_view
from study.run.progress.tally import Tally
from study.run.ray.cluster import Cluster
from study.run.ray.execute import run_trials
from study.run.ray.place import Placed, place
from study.run.ray.shared_data import DataShare
from study.run.same import check_same
from study.run.stop import StopWatch, stop_requested
from study.run.study_run import StudyRun
from study.run.summary import print_plan, print_summary, write_summary
from study.run.terminal import outliving_terminal
from study.search.plan import Plan
from study.search.search_plan import SearchPlan
from study.settings import Settings
from study.tracking import MlflowView, connect

# Exit codes: everything accounted for; something failed or was cut short; Ctrl-C twice.
COMPLETE, INCOMPLETE, BROKEN_OFF = 0, 1, 130


# Makes a study's plan, given what is recorded of it.
MakePlan = Callable[[Sequence[StudyTrial]], Plan]


@dataclass(frozen=True)
class Conducted:
    """A study that has been run as far as it went. problems: what could not be written, a line each.

    broken_off: whether Ctrl-C was pressed twice.
    """

    run: StudyRun
    problems: list[str]
    broken_off: bool = False

    @property
    def exit_code(self) -> int:
        """What the command returns."""
        if self.broken_off:
            return BROKEN_OFF
        return COMPLETE if self.complete else INCOMPLETE

    @property
    def complete(self) -> bool:
        """Whether every trial came to an end of its own, and all of it is written down."""
        return self.run.complete and not self.problems

    def print_problems(self, console: Console) -> None:
        """A line each."""
        for problem in self.problems:
            print_line(console, problem, "yellow")


def launch(
    space: SearchSpace,
    settings: Settings,
    console: Console,
    *,
    dry_run: bool = False,
    events: TextIO | None = None,
) -> int:
    """Run a study to its end, from where it was; returns the exit code.

    events: where JSON lines go, in place of what a person would read; `console` then has only warnings.
    Raises InputError before any trial starts: wrong input, a study of this name with other settings or
    another space, one that is closed or that another process runs. dry_run: say what would run, start
    and write nothing.
    """
    store = StudyStore(settings.storage_uri, settings.name)

    def make_plan(recorded: Sequence[StudyTrial]) -> SearchPlan:
        check_goes_on(store, settings)
        beyond = max((trial.configuration + 1 for trial in recorded), default=0)
        asked = settings.model_copy(update={"trials": max(settings.trials, beyond)})
        plan = SearchPlan(space, asked)
        if not dry_run:
            check_data(plan.proposals.base, settings.data_root)
        return plan

    if dry_run:
        print_plan(console, settings, make_plan(store.trials()))
        return COMPLETE
    check_home(settings.home)
    check_score_cache(settings.score_cache)
    started = time.monotonic()
    # At home the terminal's end is the study's; on a cluster a lost connection is not.
    guard = outliving_terminal(settings.home / f"{settings.name}.log") if settings.address else nullcontext()
    with guard:
        done = conduct(make_plan, settings, store, console, events)
    size = {"trials": done.run.plan.configurations}  # more than asked for, if more had begun
    settings, seconds = settings.model_copy(update=size), time.monotonic() - started
    if events is not None:
        write_summary(events, store, settings, done.run, seconds, done.problems, done.exit_code)
    else:
        print_summary(console, settings, done.run, seconds)
        done.print_problems(console)
    return done.exit_code


def check_goes_on(store: StudyStore, settings: Settings) -> None:
    """InputError if there is a study of this name that cannot go on: it has other settings, or is closed."""
    if not store.exists:
        return
    check_same(settings.name, store.settings()["settings"], settings.record())
    if is_closed(store):
        raise InputError(
            f"study {settings.name!r} is closed: it has been judged on the test images; choose another --name"
        )


def conduct(
    make_plan: MakePlan,
    settings: Settings,
    store: StudyStore,
    console: Console,
    events: TextIO | None = None,
) -> Conducted:
    """Run a plan to its end: Ray, records, tables, MLflow, live view; what is recorded is not run again.

    Ctrl-C once ends it cleanly, twice at once. events: see `launch`.

    Raises InputError if another process runs the study, or if the plan is not the recorded one's.
    """
    with (
        Lease(store) as lease,
        ThreadPoolExecutor(max_workers=1) as beside,
        ExitStack() as stack,
    ):
        interrupts = stack.enter_context(Interrupts())
        stack.callback(store.discard)  # wrong input leaves no study behind
        recorded = again(store.trials()) if settings.retry else store.trials()
        identifier, library = Identifier(settings), Library(settings.storage_uri, settings.name)
        run = StudyRun(
            make_plan(recorded),
            identifier,
            reuse=None if settings.fresh else Reuse(library, store),
            failure_share=settings.failure_share,
        )
        run.recall(recorded)
        settings = settings.model_copy(update={"trials": run.plan.configurations})
        # A new MLflow database takes about as long as Ray does to start: both at once.
        connection = beside.submit(connect, settings.tracking, settings.home)
        data, placed = DataShare(identifier.data), Placed()
        if not run.over:
            with console.status("starting Ray"):
                stack.enter_context(Cluster(settings.address))
            placed = place(settings, run.plan, data, lambda: stop_requested(store, lease.token), console)
        connection.result()
        record = _study_record(settings, store)
        mlflow = MlflowView(
            settings.tracking,
            settings.home,
            settings.name,
            {**record["settings"], "study_id": record["study_id"]},
            settings.plugins,
            store.read,
        )
        mlflow.resume(run.trials)
        if events is None:
            _announce(console, settings, run, placed)
        ledger = LedgerWriter(store, mlflow.mark, lambda: lease.lost)
        tally = Tally(lambda: run.plan.forecast, placed.concurrency)
        with choose_view(console, events, settings, tally) as view:
            watching: list[Observer] = [ledger, library, tally, view, StopWatch(store, lease, run.stop)]
            interrupts.obey(lambda: _stop(run), view.say)
            try:
                try:
                    run.watch(watching)
                    if not run.over:
                        run_trials(run, settings, placed, data)
                finally:
                    problems = [] if interrupts.at_once else end(ledger, mlflow, run, lease, record)
            except KeyboardInterrupt:
                if not interrupts.at_once:
                    raise
                interrupts.ignore()
                problems = break_off(ledger, run, settings)
            interrupts.ignore()
    return Conducted(run, problems, interrupts.at_once)


def _stop(run: StudyRun) -> str:
    """End a study, because of Ctrl-C; what is said of it."""
    if run.over:
        return "writing what is left to be written; Ctrl-C again stops now"
    run.stop("Ctrl-C was pressed")
    return "stopping: running trials write a checkpoint; Ctrl-C again stops now"


def again(trials: Sequence[StudyTrial]) -> list[StudyTrial]:
    """Recorded trials, those that failed being open again."""
    failed = (trial for trial in trials if trial.status in FAILURES)
    reopened = {trial.number: replace(trial, status="running", told=None, log="") for trial in failed}
    return [reopened.get(trial.number, trial) for trial in trials]


class Reuse:
    """Gives a trial the result that it has in this or another study of the storage."""

    def __init__(self, library: Library, store: StudyStore) -> None:
        self.library = library
        self.store = store

    def __call__(self, trial: StudyTrial) -> bool:
        """Whether there was such a result; the trial then has it."""
        found = self.library.find(trial.identity)
        if found is not None:
            self.library.adopt(trial, found, self.store)
        return found is not None


def _announce(console: Console, settings: Settings, run: StudyRun, placed: Placed) -> None:
    """The first line: what will be run, and what is there already."""
    seeds = f" on up to {settings.seeds} seeds" if settings.seeds > 1 else ""
    size = run.plan.configurations
    there = sum(trial.over for trial in run.trials)
    goes_on = f", going on after {there} that have ended" if run.trials else ""
    at_once = "nothing is left to run" if run.over else str(placed)
    print_line(console, f"{settings.name}: {size} trials{seeds}{goes_on}, {at_once}")


def _study_record(settings: Settings, store: StudyStore) -> dict[str, Any]:
    """What the study's folder says about it; written at its beginning, its size and place kept up to date."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    begun = store.settings() if store.exists else {"study_id": uuid4().hex, "started": now, "launches": []}
    launch = {"at": now, "git_commit": git_commit(), "versions": versions()}
    record = {**begun, "settings": settings.record(), "launches": [*begun["launches"], launch]}
    record |= {"git_commit": git_commit(), "versions": versions()}
    try:
        store.create(record)
        store.write_plugins(settings.plugins)
    except OSError as error:
        raise InputError(
            f"{store.path} cannot be written ({error.strerror or error}): make room, or change --storage"
        ) from error
    return record
