"""Runs a fixed list of configurations, each once, however often it is started."""

from collections.abc import Sequence

from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.trainable import config_hash
from study.launch import conduct
from study.plan import FixedPlan
from study.settings import Settings
from study.store import StudyStore
from study.trial import RESULTS, StudyTrial


def run_fixed(configs: Sequence[TrialConfig], settings: Settings, console: Console) -> list[StudyTrial]:
    """The trials of `configs`, in order. Those that an earlier call has finished are taken from its records.

    Raises InputError if some could not be finished; a further call goes on from there.
    """
    store = StudyStore(settings.storage_uri, settings.name)
    recorded = store.trials() if store.exists else []
    done = {config_hash(trial.config): trial for trial in recorded if trial.status in RESULTS}
    missing = [config for config in configs if config_hash(config) not in done]
    if missing:
        first = max((trial.number for trial in recorded), default=-1) + 1
        run, _ = conduct(FixedPlan(missing, first), settings, store, console)
        done |= {config_hash(trial.config): trial for trial in run.trials if trial.status in RESULTS}
    left = [config for config in configs if config_hash(config) not in done]
    if left:
        raise InputError(
            f"{len(left)} of {len(configs)} trials of {settings.name} are not finished: run it again"
        )
    return [done[config_hash(config)] for config in configs]
