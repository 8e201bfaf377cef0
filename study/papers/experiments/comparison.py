"""Runs a study that compares the methods of a space. What is finished is not run again."""

from collections.abc import Sequence

from rich.console import Console

from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from study.records.store import StudyStore
from study.records.trial import RESULTS, StudyTrial
from study.run.driver import run_study
from study.run.preflight import check_data
from study.run.same import check_same
from study.run.summary import early_ends
from study.search.enlarged import enlarged
from study.search.histories import recalled
from study.search.search_plan import SearchPlan
from study.settings import Settings

# Ends after which a trial is not run again.
DONE = (*RESULTS, "stopped", "rejected")


def run_comparison(
    space: SearchSpace, settings: Settings, console: Console, started: float | None = None
) -> list[StudyTrial]:
    """Run or resume the study until its methods are judged.

    Args:
        space: The space.
        settings: The study's, with a question that compares methods.
        console: Shows the progress and what could not be written.
        started: See `run_study`.

    Returns:
        All trials.

    Raises:
        InputError: The study of this name has other settings, or some trials were not finished. A further
            call runs only those.
    """
    store = StudyStore(settings.storage_uri, settings.name)

    def make_plan(recorded: Sequence[StudyTrial]) -> SearchPlan:
        if store.exists:
            check_same(settings.name, store.record()["settings"], settings.record())
        plan = SearchPlan(space, enlarged(space, settings, recorded))
        check_data(plan.with_seeds(plan.samples), settings.data_root, plan.densities)
        return plan

    trials = store.trials() if store.exists else []
    if trials and all(trial.status in DONE for trial in trials):
        check_same(settings.name, store.record()["settings"], settings.record())
        if recalled(space, settings, trials).exhausted:
            return trials
    again = settings.model_copy(update={"retry": True})
    outcome = run_study(make_plan, again, store, console, started=started)
    outcome.print_problems(console)
    if outcome.aborted:
        raise KeyboardInterrupt
    if not outcome.run.complete:
        raise InputError(
            f"{settings.name} is not finished{''.join(f' ({reason})' for reason in early_ends(outcome.run))}:"
            " run the same command again"
        )
    return outcome.run.trials
