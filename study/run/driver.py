"""The driver: the one process that runs a study, from its lease to its last record."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import TextIO

from rich.console import Console

from study.console import print_line
from study.records.lease import Lease
from study.records.observer import Observer
from study.records.store import StudyStore
from study.run.connect import connected
from study.run.interrupt import Interrupts
from study.run.outcome import StudyOutcome
from study.run.prepare import MakePlan, PreparedStudy, prepare
from study.run.progress.choose import choose_view
from study.run.progress.tally import Tally
from study.run.ray.allocation import Allocation
from study.run.ray.execute import run_trials
from study.run.ray.shared_data import DataShare
from study.run.record import write_study_record
from study.run.recording import Recording
from study.run.stop import StopWatch
from study.run.study_run import StudyRun
from study.settings import Settings


def run_study(
    make_plan: MakePlan,
    settings: Settings,
    store: StudyStore,
    console: Console,
    events: TextIO | None = None,
) -> StudyOutcome:
    """Run a plan to its end: Ray, records, tables, MLflow, live view; what is recorded is not run again.

    Ctrl-C once ends it cleanly, twice at once. events: see `launch`.

    Raises InputError if another process runs the study, or if the plan is not the recorded one's.
    """
    with Lease(store) as lease, Interrupts() as interrupts, ExitStack() as stack:
        stack.callback(store.discard)  # wrong input leaves no study behind
        study = prepare(make_plan, settings, store)
        data = DataShare(study.identifier.data)
        allocation = stack.enter_context(connected(study, data, lease, console))
        recording = Recording(study, lease, write_study_record(study.settings, store))
        if events is None:
            _announce(console, study, allocation)
        run = study.run
        tally = Tally(lambda: run.plan.forecast, allocation.concurrency)
        view = stack.enter_context(choose_view(console, events, study.settings, tally))
        stop_watch = StopWatch(store, lease, run.stop)
        observers: list[Observer] = [recording.writer, study.library, tally, view, stop_watch]

        def run_all() -> None:
            run.watch(observers)
            if not run.has_ended:
                run_trials(run, study.settings, allocation, data)

        interrupts.obey(lambda: _stop(run), view.say)
        problems = _record_to_the_end(run_all, recording, interrupts)
    return StudyOutcome(run, problems, interrupts.at_once)


def _record_to_the_end(act: Callable[[], None], recording: Recording, interrupts: Interrupts) -> list[str]:
    """Run the trials, and write what they gave however that ends; what could not be written, a line each."""
    try:
        try:
            act()
        finally:
            problems = [] if interrupts.at_once else recording.close()
    except KeyboardInterrupt:
        if not interrupts.at_once:
            raise
        interrupts.ignore()
        problems = recording.close_at_once()
    interrupts.ignore()
    return problems


def _stop(run: StudyRun) -> str:
    """End a study, because of Ctrl-C; what is said of it."""
    if run.has_ended:
        return "writing what is left to be written; Ctrl-C again stops now"
    run.stop("Ctrl-C was pressed")
    return "stopping: running trials write a checkpoint; Ctrl-C again stops now"


def _announce(console: Console, study: PreparedStudy, allocation: Allocation) -> None:
    """The first line: what will be run, and what has ended already."""
    settings, run = study.settings, study.run
    seeds = f" on up to {settings.seeds} seeds" if settings.seeds > 1 else ""
    size = run.plan.configurations
    ended = sum(trial.has_ended for trial in run.trials)
    resumed = f", going on after {ended} that have ended" if run.trials else ""
    at_once = "nothing is left to run" if run.has_ended else str(allocation)
    print_line(console, f"{settings.name}: {size} trials{seeds}{resumed}, {at_once}")
