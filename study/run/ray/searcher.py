"""Between Tune and the study: hands out the next trial."""

import json
import time
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from study.provenance import code_sha256
from study.records.trial import StudyTrial
from study.run.ray.driver_only import DriverOnly
from study.run.ray.nodes import places
from study.run.ray.shared_data import DataShare
from study.run.ray.shares import Shares
from study.run.study_run import StudyRun
from study.settings import Settings

COUNT_S = 1.0  # the nodes change: they are counted at most this often


class StudySearcher(DriverOnly, Searcher):
    """Gives Tune the study's trials, as many at a time as there are places.

    Tune itself would request the next trial only when none waits for a place, or request all of them.

    Attributes:
        run: The study.
        shares: The share of a GPU for each trial.
        by_tune_id: The trials that were handed out, by Tune's id.

    Args:
        run: The study.
        settings: The study's.
        shares: The share of a GPU for each trial.
        data: Sends the data sets to the nodes.
        concurrency: Trials at a time; None is as many as the cluster's nodes can run.
    """

    def __init__(
        self, run: StudyRun, settings: Settings, shares: Shares, data: DataShare, concurrency: int | None
    ) -> None:
        Searcher.__init__(self, metric="training_iteration", mode="max")
        self.run = run
        self.shares = shares
        self._data = data
        self._on_cpu = settings.device == "cpu"
        self._shared: dict[str, Any] = {
            "threads": settings.cpus_per_trial,
            "storage": settings.storage_uri,
            "study": settings.name,
            "checkpoint_s": settings.checkpoint_every,
            "score_cache": str(settings.score_cache),
            "code_sha256": code_sha256(),
            # As text: Tune would search it for parameters.
            "plugins": json.dumps([asdict(plugin) for plugin in settings.plugins]),
        }
        self.by_tune_id: dict[str, StudyTrial] = {}
        self._concurrency = concurrency
        self._places, self._counted = 1, 0.0
        self._live: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """The next trial's task; None to wait, FINISHED at the end."""
        if len(self._live) >= self._max_live():
            return None
        trial = self.run.next_trial()
        if trial is None:
            return Searcher.FINISHED if self.run.has_ended else None
        self.by_tune_id[trial_id] = trial
        self._live.add(trial_id)
        gpus = self.shares.of(trial.config)
        return {
            **self._shared,
            "gpus": gpus,
            "device": "cuda" if gpus > 0 and not self._on_cpu else "cpu",
            "name": trial.name,
            "data": self._data.references(trial.config),
            "trial": trial.config.model_dump_json(),
        }

    def _max_live(self) -> int:
        """Trials at a time: at least 1 even without a place, so that a cluster starts a node."""
        if self._concurrency is not None:
            return self._concurrency
        if time.monotonic() - self._counted > COUNT_S:
            self._places = max(places(self._shared["threads"], self.shares.usual), 1)
            self._counted = time.monotonic()
        return self._places

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Free the trial's place. `Reporter` passes the result to the study."""
        self._live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the study's records are its state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: see `save`."""
