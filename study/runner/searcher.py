"""Between Tune and the study: which trial comes next."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from study.ledger.trial import StudyTrial
from study.run import StudyRun
from study.runner.driver_only import DriverOnly
from study.settings import Settings


class StudySearcher(DriverOnly, Searcher):
    """Gives Tune the trials that the study proposes."""

    def __init__(
        self, run: StudyRun, settings: Settings, gpus: float, data_sha256: Callable[[str], str]
    ) -> None:
        Searcher.__init__(self, metric="training_iteration", mode="max")
        self.run = run
        self._data_sha256 = data_sha256
        self._shared = {
            "threads": settings.cpus_per_trial,
            "gpu": gpus > 0,
            "storage": settings.storage_uri,
            "study": settings.name,
            "checkpoint_s": settings.checkpoint_every,
            "data_root": str(settings.data_root.expanduser().resolve()),
            "score_cache": str(settings.score_cache.expanduser().resolve()),
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
        return {
            **self._shared,
            "name": trial.name,
            "data_sha256": self._data_sha256(trial.config.dataset),
            "trial": trial.config.model_dump_json(),
        }

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: `Reporter` tells the study, with the whole result."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study's records are its state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""
