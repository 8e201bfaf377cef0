"""Between Tune and the study: what has happened."""

import json
from pathlib import Path
from typing import Any

from ray import tune

from cops_core.train import NORM_PREFIX
from study.run import StudyRun
from study.runner.driver_only import DriverOnly
from study.runner.searcher import StudySearcher
from study.runner.worker import ACCURACY
from study.trial import Status

# A trial that dies with its worker or node is tried again from its last checkpoint, this often.
RETRIES = 2


class Reporter(DriverOnly, tune.Callback):
    """Passes on to the study what Tune hears from the workers."""

    def __init__(self, run: StudyRun, searcher: StudySearcher) -> None:
        self.run = run
        self._searcher = searcher

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch has ended, or the trial has failed."""
        study_trial = self._searcher.by_tune_id[trial.trial_id]
        study_trial.node = result.get("node_ip", "")
        if result["status"] == "failed":
            return
        facts = json.loads(result["facts"]) if "facts" in result else None
        names = ("epoch", "train_loss", "validation_loss", ACCURACY, "learning_rate", "train_seconds")
        norms = [name for name in result if name.startswith(NORM_PREFIX)]
        self.run.report(study_trial, {name: result[name] for name in (*names, *norms)}, facts)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial has ended: by itself, or stopped by its race while it was still running."""
        result = trial.last_result
        status: Status = "stopped" if result["status"] == "running" else result["status"]
        self.run.end(self._searcher.by_tune_id[trial.trial_id], status, result.get("reason", ""))

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial's worker died, more often than it is retried."""
        reason = f"its worker died {RETRIES + 1} times: {_last_line(trial.error_file)}"
        self.run.end(self._searcher.by_tune_id[trial.trial_id], "failed", reason)

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        """Tune's event loop has turned."""
        self.run.tick()


def _last_line(path: str | None) -> str:
    lines = Path(path).read_text().strip().splitlines() if path and Path(path).exists() else []
    return lines[-1] if lines else "no reason given"
