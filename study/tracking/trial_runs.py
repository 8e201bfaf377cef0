"""The nested runs of a study's trials. Each is updated to its trial's present state."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from study.records.store import ARTIFACTS
from study.records.trial import StudyTrial
from study.tracking.content import (
    END_STATES,
    closing_metrics,
    closing_tags,
    opening_tags,
    params,
    row_batches,
    text_files,
)
from study.tracking.describe import LOAD_FILE, NETWORK_FILE, load_code, trial_note
from study.tracking.inputs import Inputs
from study.tracking.parent import ParentRun, upload
from study.tracking.refusal import is_refusal, reason

NETWORK_TAG = "network_sha256"
ZOMBIE = "this run belongs to no trial of the study"


@dataclass
class TrialRun:
    """What is known about a trial's run in MLflow.

    Attributes:
        run_id: The id of the run.
        state: MLflow's status of the run.
        described: Whether its parameters are logged.
        rows: How many of the trial's epochs are certainly logged.
    """

    run_id: str
    state: str = "RUNNING"
    described: bool = False
    rows: int = 0


class TrialRuns:
    """Pushes trials to runs below the study's run. After a failure a trial is pushed again.

    Attributes:
        problems: What MLflow refused, one line for each trial, by the trial's number. A line is removed
            when the trial has been pushed without a problem.
    """

    def __init__(
        self, client: MlflowClient, parent: ParentRun, read: Callable[[str], bytes], options: str
    ) -> None:
        """Nothing is sent yet.

        Args:
            client: A client of MLflow.
            parent: The study's run.
            read: Returns a file of the study's storage.
            options: The flags with which commands find this MLflow.
        """
        self._client = client
        self._parent = parent
        self._read = read
        self._options = options
        self._runs: dict[int, TrialRun] = {}
        self._unsure: set[int] = set()  # a run may have been created although the request failed
        self._late: dict[
            int, StudyTrial
        ] = {}  # their networks are written after the driver has received the end
        self._complete = False  # whether `_runs` has all runs of the study
        self._inputs: Inputs | None = None
        self.problems: dict[int, str] = {}

    def compare(self, trials: Mapping[int, StudyTrial]) -> list[int]:
        """Read all runs from MLflow and compare them with the trials.

        A run that is RUNNING but belongs to no trial is ended as killed.

        Args:
            trials: The recorded trials by number.

        Returns:
            The numbers of the trials whose runs are missing or incomplete.
        """
        self._parent.open()
        self._runs.clear()
        unclaimed = {trial.name: trial for trial in trials.values()}
        complete = set()
        for run in self._parent.children():
            trial = unclaimed.pop(run.data.tags.get("trial", ""), None)
            if trial is None:
                self._end_zombie(run)
                continue
            run_id, state = str(run.info.run_id), run.info.status
            if _agrees(run, trial):
                complete.add(trial.number)
                self._runs[trial.number] = TrialRun(run_id, state, described=True, rows=len(trial.rows))
                if trial.rows and NETWORK_TAG not in run.data.tags:
                    self._late[trial.number] = trial
            else:
                self._runs[trial.number] = TrialRun(run_id, state)
        self._complete = True
        return [number for number in trials if number not in complete]

    def push(self, trial: StudyTrial, *, closing: bool = False) -> None:
        """Update a trial's run.

        Args:
            trial: The trial as it is recorded.
            closing: Whether the study ends: a run whose trial has not ended is then killed.
        """
        ended = has_ended(trial)
        self.problems.pop(trial.number, None)
        run = self._run_of(trial)
        if not run.described:
            self._attempt(trial, self._describe, run, trial)
        if not ended and run.state != "RUNNING":
            self._reopen(run)
        self._attempt(trial, self._log_rows, run, trial)
        if ended:
            self._end(run, trial)
        elif closing:
            self._terminate(run, "KILLED", time.time())

    def push_late(self) -> None:
        """Attach the networks that were written after their trials had ended."""
        for number, trial in list(self._late.items()):
            content = self._network(trial)
            if content is not None and number in self._runs:
                run_id = self._runs[number].run_id
                upload(self._client, run_id, {NETWORK_FILE: content, LOAD_FILE: load_code(trial)})
                self._client.set_tag(run_id, NETWORK_TAG, hashlib.sha256(content).hexdigest())
            del self._late[number]

    def forget(self) -> None:
        """Forget all runs: another database may answer now, and everything is searched again."""
        self._parent.forget()
        self._runs.clear()
        self._inputs = None
        self._complete = False

    def run_ids(self) -> dict[int, str]:
        """The ids of the runs that are known, by the trial's number."""
        return {number: run.run_id for number, run in list(self._runs.items())}  # its thread may still write

    def _run_of(self, trial: StudyTrial) -> TrialRun:
        """The trial's run: searched if it may exist, else created."""
        number = trial.number
        if number not in self._runs:
            parent = self._parent.open()
            certain = (self._complete or self._parent.is_new) and number not in self._unsure
            found = None if certain else self._parent.child(trial.name)
            if found is not None:
                self._runs[number] = TrialRun(str(found.info.run_id), found.info.status)
            else:
                self._unsure.add(number)
                tags = opening_tags(self._parent.tags, parent, trial)
                run = self._client.create_run(self._parent.experiment, int(trial.started * 1000), tags)
                self._runs[number] = TrialRun(str(run.info.run_id))
            self._unsure.discard(number)
        return self._runs[number]

    def _describe(self, run: TrialRun, trial: StudyTrial) -> None:
        values = trial.parameters if trial.rejected else trial.config.model_dump(mode="json")
        self._client.log_batch(run.run_id, params=params(values))
        run.described = True

    def _log_rows(self, run: TrialRun, trial: StudyTrial) -> None:
        stop = len(trial.rows)
        if run.rows > stop:  # a trial that started again
            run.rows = 0
        for logged, batch in row_batches(trial, run.rows, stop):
            self._client.log_batch(run.run_id, metrics=batch)
            run.rows = logged

    def _end(self, run: TrialRun, trial: StudyTrial) -> None:
        """Log everything about a trial that has ended. The tag `rows` comes last: then all is logged."""
        tags: list[RunTag] = []
        try:
            tags = self._upload(run, trial)
        except Exception as error:  # metrics are logged even if the artifacts cannot be stored
            self._note(trial, error)
        self._attempt(trial, self._log_inputs, run, trial)
        rows = "" if trial.number in self.problems else str(run.rows)
        note = trial_note(trial, run.run_id, self._options)
        closing = closing_metrics(trial), (), [*tags, *closing_tags(trial, rows, note)]
        self._attempt(trial, self._client.log_batch, run.run_id, *closing)
        assert trial.ended is not None
        self._terminate(run, END_STATES[trial.status], trial.ended)

    def _upload(self, run: TrialRun, trial: StudyTrial) -> list[RunTag]:
        """Attach the trial's files. Return the tag of its network, if that will not change any more.

        The worker of a stopped trial writes its network after the driver has received the end. Until then
        there may be none, or one of an earlier interruption.
        """
        files, network = text_files(trial), self._network(trial)
        if network is not None:
            files |= {NETWORK_FILE: network, LOAD_FILE: load_code(trial)}
        upload(self._client, run.run_id, files)
        self._late.pop(trial.number, None)
        if network is not None and trial.artifact is not None:
            return [RunTag(NETWORK_TAG, hashlib.sha256(network).hexdigest())]
        if trial.rows:
            self._late[trial.number] = trial
        return []

    def _network(self, trial: StudyTrial) -> bytes | None:
        """The trial's stored network; None if there is none (yet)."""
        kept = trial.artifact
        try:
            return self._read(f"{ARTIFACTS}/{trial.name}.safetensors" if kept is None else kept["file"])
        except FileNotFoundError:
            return None

    def _log_inputs(self, run: TrialRun, trial: StudyTrial) -> None:
        if self._inputs is None:
            parent = self._parent.open()
            self._inputs = Inputs(self._client, self._parent.experiment, parent)
        self._inputs.log(run.run_id, trial)

    def _reopen(self, run: TrialRun) -> None:
        """Reopen the run of a trial that resumes. MLflow keeps its old end time until it ends again."""
        self._client.log_batch(run.run_id, tags=[RunTag("status", "running"), RunTag("reason", "")])
        self._client.update_run(run.run_id, "RUNNING")
        run.state = "RUNNING"

    def _terminate(self, run: TrialRun, state: str, ended: float) -> None:
        self._client.set_terminated(run.run_id, state, end_time=int(ended * 1000))
        run.state = state

    def _end_zombie(self, run: Run) -> None:
        if run.info.status == "RUNNING":
            self._client.log_batch(
                run.info.run_id, tags=[RunTag("status", "killed"), RunTag("reason", ZOMBIE)]
            )
            self._client.set_terminated(run.info.run_id, "KILLED")

    def _attempt(self, trial: StudyTrial, step: Callable[..., Any], *arguments: Any) -> None:
        """Do one step of a push. If MLflow refuses it, that is noted, and the other steps are still done."""
        try:
            step(*arguments)
        except Exception as error:
            if not is_refusal(error):
                raise
            self._note(trial, error)

    def _note(self, trial: StudyTrial, error: Exception) -> None:
        self.problems.setdefault(trial.number, f"{trial.name}: {reason(error)}")


def has_ended(trial: StudyTrial) -> bool:
    """Whether the trial has ended or is interrupted, and its end is completely known."""
    return trial.ended is not None and trial.status != "running"


def _agrees(run: Run, trial: StudyTrial) -> bool:
    """Whether a run is complete for a trial that has ended."""
    tags = run.data.tags
    return (
        has_ended(trial)
        and run.info.status == END_STATES[trial.status]
        and tags.get("status") == trial.status
        and tags.get("rows") == str(len(trial.rows))
    )
