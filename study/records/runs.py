"""The ids of the trials' runs in MLflow, so that tables name them without asking a server."""

import json
from collections.abc import Mapping, Sequence

from study.records.store import StudyStore
from study.records.trial import StudyTrial

RUNS = "runs.json"
SHORT = 8  # characters of an id that tables in a terminal show


def read_runs(store: StudyStore) -> dict[str, str]:
    """The ids of MLflow's runs by the trial's name.

    They are written when a launch ends. A trial whose run is not known is missing.
    """
    try:
        content: dict[str, str] = json.loads(store.read(RUNS))
    except FileNotFoundError:
        return {}
    return content


def write_runs(store: StudyStore, runs: Mapping[str, str]) -> None:
    """Add ids to those that are known. runs: by the trial's name."""
    store.write_json(RUNS, {**read_runs(store), **runs})


def short_id(trials: Sequence[StudyTrial], runs: Mapping[str, str]) -> str:
    """The first characters of the id of the first trial's run; empty if it is not known.

    Args:
        trials: Of one configuration.
        runs: The ids by the trial's name.
    """
    return runs.get(trials[0].name, "")[:SHORT]


def run_ids(trials: Sequence[StudyTrial], runs: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the trials' runs, as far as they are known.

    Args:
        trials: Of one configuration.
        runs: The ids by the trial's name.
    """
    return tuple(runs[trial.name] for trial in trials if trial.name in runs)
