"""The driver: the one process that runs a study, from its lease to its last record."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TextIO

from rich.console import Console

from study.console import print_line
from study.networks.trial_checks import because, initial_weights
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
from study.run.summary import resume_command
from study.run.time_limit import TimeLimit
from study.settings import RESUMABLE, Settings


def run_study(
    make_plan: MakePlan,
    settings: Settings,
    store: StudyStore,
    console: Console,
    events: TextIO | None = None,
    started: float | None = None,
) -> StudyOutcome:
    """Run a study to its end, with its records, tables, MLflow and display.

    Recorded trials are not run again. One Ctrl-C stops the study cleanly, two stop it at once.

    Args:
        make_plan: Makes the plan from the recorded trials.
        settings: The study's.
        store: The study's folder.
        console: Shows the progress.
        events: See `launch`.
        started: From when the time limit counts, as `time.monotonic` gives it; None is now.

    Raises:
        InputError: Another process runs the study, or the plan differs from the recorded one.
    """
    started = time.monotonic() if started is None else started
    with Lease(store) as lease, Interrupts() as interrupts, ExitStack() as stack:
        stack.callback(store.discard)  # wrong input leaves no empty folder
        study = prepare(make_plan, settings, store, console)
        data = DataShare(study.identifier.data)
        allocation = stack.enter_context(connected(study, data, lease, console))
        study.checked.keep()
        recording = Recording(study, lease, write_study_record(study))
        if events is None:
            announce(console, study, allocation)
        run = study.run
        tally = Tally(lambda: run.plan.forecast, allocation.concurrency, limit=settings.time_limit)
        view = stack.enter_context(choose_view(console, events, study.settings, tally))
        stop_watch = StopWatch(store, lease, run.stop)
        resume = resume_command(settings) if settings.kind in RESUMABLE else None
        limit = TimeLimit(settings.time_limit, run, resume, view.say, started)
        observers: list[Observer] = [recording.writer, study.library, tally, view, stop_watch, limit]

        def run_all() -> None:
            run.watch(observers)
            limit.tick()  # it may be over before the first trial
            if not run.has_ended:
                run_trials(run, study.settings, allocation, data)

        interrupts.handle(lambda: _stop(run), view.say)
        problems = _run_and_record(run_all, recording, interrupts)
    return StudyOutcome(run, problems, interrupts.pressed_twice)


def _run_and_record(act: Callable[[], None], recording: Recording, interrupts: Interrupts) -> list[str]:
    """Run the trials and write their results, also after an error; returns what could not be written."""
    try:
        try:
            act()
        finally:
            problems = [] if interrupts.pressed_twice else recording.close()
    except KeyboardInterrupt:
        if not interrupts.pressed_twice:
            raise
        interrupts.ignore()
        problems = recording.close_at_once()
    interrupts.ignore()
    return problems


def _stop(run: StudyRun) -> str:
    """Stop a study because of Ctrl-C; returns the message."""
    if run.has_ended:
        return "stopping: the last results are written; Ctrl-C again stops now"
    run.stop("Ctrl-C was pressed")
    return "stopping: running trials write a checkpoint; Ctrl-C again stops now"


def announce(console: Console, study: PreparedStudy, allocation: Allocation) -> None:
    """Print what was checked, how many trials there are, and how many have ended.

    At the first launch also which initial weights of plugins' networks are drawn.

    Args:
        console: Receives the lines.
        study: The study.
        allocation: What each trial is given.
    """
    if study.checked.line:
        print_line(console, study.checked.line)
    for score in study.unusable:
        print_line(console, f"{because(score)}; its trials are recorded as infeasible, without training")
    for network in study.drawn if study.is_new else ():
        print_line(console, initial_weights(network))
    settings, run = study.settings, study.run
    seeds = f" on up to {settings.seeds} seeds" if settings.seeds > 1 else ""
    size = run.plan.configurations
    ended = sum(trial.has_ended for trial in run.trials)
    resumed = f", {ended} have ended" if run.trials else ""
    places = "nothing is left to run" if run.has_ended else str(allocation)
    limit = "" if settings.time_limit is None else f", at most {settings.time_limit}"
    print_line(console, f"{settings.name}: {size} trials{seeds}{resumed}, {places}{limit}")
