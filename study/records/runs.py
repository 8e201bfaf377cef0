"""The ids of the trials' runs in MLflow, so that tables name them without asking a server."""

import json
from collections.abc import Mapping

from study.records.store import StudyStore

RUNS = "runs.json"


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
