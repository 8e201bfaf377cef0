"""Runs a fixed list of configurations. Those that are finished are not run again."""

from collections.abc import Sequence

from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.trial_state import config_hash
from study.records.store import StudyStore
from study.records.trial import RESULTS, StudyTrial
from study.run.driver import run_study
from study.run.summary import early_ends
from study.search.fixed_plan import FixedPlan
from study.settings import Settings


def run_fixed(
    configs: Sequence[TrialConfig], settings: Settings, console: Console, started: float | None = None
) -> list[StudyTrial]:
    """Run the configurations that are not recorded as finished, and return the trials of all.

    Args:
        configs: What to run.
        settings: The study's.
        console: Shows the progress and what could not be written.
        started: See `run_study`.

    Returns:
        The trials, in the order of `configs`.

    Raises:
        InputError: Some trials were not finished. A further call runs only those.
    """
    store = StudyStore(settings.storage_uri, settings.name)
    done, reasons = _finished(store.trials() if store.exists else []), []
    if any(config_hash(config) not in done for config in configs):
        again = settings.model_copy(update={"retry": True})
        outcome = run_study(lambda _: FixedPlan(configs), again, store, console, started=started)
        outcome.print_problems(console)
        if outcome.aborted:
            raise KeyboardInterrupt
        done, reasons = _finished(outcome.run.trials), early_ends(outcome.run)
    left = [config for config in configs if config_hash(config) not in done]
    if left:
        raise InputError(
            f"{len(left)} of {len(configs)} trials of {settings.name} are not finished"
            f"{''.join(f' ({reason})' for reason in reasons)}: run the same command again"
        )
    return [done[config_hash(config)] for config in configs]


def _finished(trials: Sequence[StudyTrial]) -> dict[str, StudyTrial]:
    """The trials with a result, by the hash of their configurations."""
    return {config_hash(trial.config): trial for trial in trials if trial.status in RESULTS}
