"""`cops launch`: runs or resumes a study, and prints its results."""

import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console

from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from study.records.evaluations import is_closed
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.run.driver import run_study
from study.run.outcome import COMPLETE
from study.run.preflight import check_data, check_home, check_score_cache
from study.run.same import check_same
from study.run.summary import print_plan, print_summary, write_summary
from study.search.enlarged import enlarged
from study.search.search_plan import SearchPlan
from study.settings import Settings


def launch(
    space: SearchSpace,
    settings: Settings,
    console: Console,
    *,
    dry_run: bool = False,
    events: TextIO | None = None,
) -> int:
    """Run a study to its end, or resume it.

    Args:
        space: What is searched.
        settings: The study's.
        console: Shows the progress and the results.
        dry_run: Print what would run; start and write nothing.
        events: Receives JSON lines in place of the display; `console` then shows only warnings.

    Returns:
        The exit code (see `study.run.outcome`).

    Raises:
        InputError: The input is wrong, or the study of this name has other settings or another space, is
            closed, or is run by another process. Raised before any trial starts.
    """
    store = StudyStore(settings.storage_uri, settings.name)

    def make_plan(recorded: Sequence[StudyTrial]) -> SearchPlan:
        check_resumable(store, settings)
        plan = SearchPlan(space, enlarged(space, settings, recorded))
        if not dry_run:
            check_data(plan.with_seeds(plan.samples), settings.data_root, plan.densities)
        return plan

    if dry_run:
        print_plan(console, settings, make_plan(store.trials()))
        return COMPLETE
    started = time.monotonic()
    check_home(settings.home)
    check_score_cache(settings.score_cache)
    outcome = run_study(make_plan, settings, store, console, events, started)
    size = {"trials": outcome.run.plan.configurations}  # larger than the setting, if more had started before
    settings, seconds = settings.model_copy(update=size), time.monotonic() - started
    if events is not None:
        write_summary(events, store, settings, outcome.run, seconds, outcome.problems, outcome.exit_code)
    else:
        print_summary(console, store, settings, outcome.run, seconds)
        outcome.print_problems(console)
    return outcome.exit_code


def check_resumable(store: StudyStore, settings: Settings) -> None:
    """Check that a study can be launched under this name: there is none yet, or it can be resumed.

    Args:
        store: The study's folder.
        settings: Of the launch.

    Raises:
        InputError: The study of this name has other settings, or is closed.
    """
    if not store.exists:
        return
    check_same(settings.name, store.record()["settings"], settings.record())
    if is_closed(store):
        raise InputError(
            f"study {settings.name!r} is closed: it was evaluated on the test images; choose another --name"
        )
