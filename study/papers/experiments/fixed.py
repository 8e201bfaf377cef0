"""Runs a fixed list of configurations, each once, however often it is started."""

from collections.abc import Sequence

from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.trial import config_hash
from study.records.store import StudyStore
from study.records.trial import RESULTS, StudyTrial
from study.run.driver import run_study
from study.search.fixed_plan import FixedPlan
from study.settings import Settings


def run_fixed(configs: Sequence[TrialConfig], settings: Settings, console: Console) -> list[StudyTrial]:
    """The trials of `configs`, in order. Those that are recorded as finished are not run again.

    Raises InputError if some could not be finished; a further call goes on from there.
    """
    store = StudyStore(settings.storage_uri, settings.name)
    done = _finished(store.trials() if store.exists else [])
    if any(config_hash(config) not in done for config in configs):
        again = settings.model_copy(update={"retry": True})
        outcome = run_study(lambda _: FixedPlan(configs), again, store, console)
        outcome.print_problems(console)
        if outcome.broken_off:
            raise KeyboardInterrupt
        done = _finished(outcome.run.trials)
    left = [config for config in configs if config_hash(config) not in done]
    if left:
        raise InputError(
            f"{len(left)} of {len(configs)} trials of {settings.name} are not finished: run it again"
        )
    return [done[config_hash(config)] for config in configs]


def _finished(trials: Sequence[StudyTrial]) -> dict[str, StudyTrial]:
    """By the hash of their configurations."""
    return {config_hash(trial.config): trial for trial in trials if trial.status in RESULTS}
