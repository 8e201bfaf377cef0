"""Between Tune and the study: reports what has happened, and stops trials."""

import json
from pathlib import Path
from typing import Any

from ray import tune

from study.records.trial import Status
from study.run.ray.deaths import Deaths
from study.run.ray.driver_only import DriverOnly
from study.run.ray.fitness.before_trial import UNFIT
from study.run.ray.searcher import StudySearcher
from study.run.study_run import StudyRun

# The end of an error's text, which is stored.
LOG_CHARACTERS = 20_000


class Reporter(DriverOnly, tune.Stopper, tune.Callback):
    """Passes the workers' reports from Tune to the study.

    As Tune's stopper it is the first to receive each result: the study decides whether the trial is stopped.
    As a callback it receives the ends of trials.

    Attributes:
        run: The study.
        error: An error of this program, not of a trial; None if there was none.
    """

    def __init__(self, run: StudyRun, searcher: StudySearcher, deaths: Deaths) -> None:
        self.run = run
        self._searcher = searcher
        self._deaths = deaths
        self._stopped: set[int] = set()
        self.error: Exception | None = None

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Receive the epochs of a trial; returns whether to stop it."""
        trial = self._searcher.by_tune_id[trial_id]
        trial.node = result.get("node_ip", trial.node)
        facts = json.loads(result["facts"]) if "facts" in result else None
        known = len(trial.rows)
        stop = self.run.report(trial, json.loads(result["rows"]), facts)
        if len(trial.rows) > known:
            self._deaths.progressed(trial.number)
        if stop:
            self._stopped.add(trial.number)  # even if its worker has run more epochs meanwhile
        return stop

    def stop_all(self) -> bool:
        """Whether the study ends now."""
        return bool(self.run.stopped_because)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Receive the end of a trial, by itself or stopped by its race."""
        result, study_trial = trial.last_result, self._searcher.by_tune_id[trial.trial_id]
        stopped = study_trial.number in self._stopped
        if study_trial.has_ended or (result["status"] == "running" and not stopped):
            return  # in the second case the study was stopped, and interrupts the trial
        if result["status"] == UNFIT:
            self.run.requeue(study_trial, result["reason"])
            self.run.stop(f"{result['reason']}, then use cops resume")
            return
        status: Status = "stopped" if stopped else result["status"]
        shares, had = self._searcher.shares, trial.config["gpus"]
        if status == "out_of_memory" and shares.raise_for(study_trial.config, had):
            self.run.requeue(study_trial, "out of memory: it receives a larger part of a GPU")
            return
        try:
            self.run.end(study_trial, status, result.get("reason", ""), result.get("log", ""))
        except Exception as error:  # Tune would treat it as a failure of the trial
            self.error = error
            self.run.stop(f"{type(error).__name__}: {error}")

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Resume a trial on another worker after its worker died, unless that has happened too often.

        Tune's own retries do not handle a worker that dies between two trials.
        """
        study_trial = self._searcher.by_tune_id[trial.trial_id]
        if study_trial.has_ended:
            return
        node = "" if study_trial.placed is None else study_trial.placed["node_id"]
        cause = self._deaths.count(study_trial.number, node)
        if cause is None:
            self.run.requeue(study_trial, "its worker or node died")
            return
        path = trial.error_file
        log = Path(path).read_text()[-LOG_CHARACTERS:] if path and Path(path).exists() else ""
        lines = log.strip().splitlines()
        reason = f"{cause}: {lines[-1] if lines else 'no reason given'}"
        status: Status = "out_of_memory" if "OutOfMemoryError" in log else "killed"
        self.run.end(study_trial, status, reason, log)

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        """Called in each round of Tune's event loop."""
        self.run.tick()
