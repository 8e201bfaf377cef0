"""Between Tune and the study: which trial comes next."""

import json
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from study.ledger.trial import StudyTrial
from study.provenance import code_sha256
from study.run import StudyRun
from study.runner.driver_only import DriverOnly
from study.runner.shared_data import DataShare
from study.runner.shares import Shares
from study.settings import Settings


class StudySearcher(DriverOnly, Searcher):
    """Gives Tune the trials that the study proposes."""

    def __init__(self, run: StudyRun, settings: Settings, shares: Shares, data: DataShare) -> None:
        Searcher.__init__(self, metric="training_iteration", mode="max")
        self.run = run
        self.shares = shares
        self._data = data
        self._on_cpu = settings.device == "cpu"
        self._shared = {
            "threads": settings.cpus_per_trial,
            "storage": settings.storage_uri,
            "study": settings.name,
            "checkpoint_s": settings.checkpoint_every,
            "score_cache": str(settings.score_cache),
            "code_sha256": code_sha256(),
            # As text: Tune would look for parameters in it.
            "plugins": json.dumps([asdict(plugin) for plugin in settings.plugins]),
        }
        self.by_tune_id: dict[str, StudyTrial] = {}

    def suggest(self, trial_id: str) -> Any:
        """The next trial's task; None to wait, FINISHED at the end."""
        trial = self.run.next_trial()
        if trial is None:
            return Searcher.FINISHED if self.run.over else None
        self.by_tune_id[trial_id] = trial
        gpus = self.shares.of(trial.config)
        return {
            **self._shared,
            "gpus": gpus,
            "device": "cuda" if gpus > 0 and not self._on_cpu else "cpu",
            "name": trial.name,
            "data": [self._data.reference(trial.config.dataset)],
            "trial": trial.config.model_dump_json(),
        }

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: `Reporter` tells the study, with the whole result."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study's records are its state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""
