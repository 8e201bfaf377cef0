"""`cops launch`: runs a study, or resumes it, and says what came out."""

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
    """Run a study to its end, from where it was; returns the exit code.

    events: where JSON lines go, in place of what a person would read; `console` then has only warnings.
    Raises InputError before any trial starts: wrong input, a study of this name with other settings or
    another space, one that is closed or that another process runs. dry_run: say what would run, start
    and write nothing.
    """
    store = StudyStore(settings.storage_uri, settings.name)

    def make_plan(recorded: Sequence[StudyTrial]) -> SearchPlan:
        check_resumable(store, settings)
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
    outcome = run_study(make_plan, settings, store, console, events)
    size = {"trials": outcome.run.plan.configurations}  # more than asked for, if more had begun
    settings, seconds = settings.model_copy(update=size), time.monotonic() - started
    if events is not None:
        write_summary(events, store, settings, outcome.run, seconds, outcome.problems, outcome.exit_code)
    else:
        print_summary(console, settings, outcome.run, seconds)
        outcome.print_problems(console)
    return outcome.exit_code


def check_resumable(store: StudyStore, settings: Settings) -> None:
    """InputError if there is a study of this name that cannot go on: it has other settings, or is closed."""
    if not store.exists:
        return
    check_same(settings.name, store.record()["settings"], settings.record())
    if is_closed(store):
        raise InputError(
            f"study {settings.name!r} is closed: it has been judged on the test images; choose another --name"
        )
