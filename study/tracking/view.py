"""MLflow as a view of a study: one parent run, one nested run per trial, reconciled with the records.

One background thread writes, so that a slow server or disk does not delay a trial. It repeats a push until it
has succeeded: if a server is down for minutes, the runs are only late.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cops_core.plugins import Plugin
from study.records.reconciler import Reconciler
from study.records.trial import StudyTrial
from study.records.writer import snapshot
from study.tracking.connect import connect, experiment_id
from study.tracking.describe import where
from study.tracking.parent import ParentRun
from study.tracking.refusal import is_lost, reason
from study.tracking.trial_runs import TrialRuns, has_ended

# Keys of the reconciler, in addition to the trials' numbers.
OPEN_PARENT, COMPARE, CLOSE_PARENT = -1, -2, -3


class MlflowView:
    """Keeps a study's runs up to date with its trials.

    The records are the source of truth. What is missing in MLflow, for any reason, is pushed again; nothing
    is logged twice. Studies share an experiment; the tags of their runs distinguish them.
    """

    def __init__(
        self,
        tracking_uri: str,
        home: Path,
        name: str,
        settings: Mapping[str, Any],
        plugins: Iterable[Plugin],
        read: Callable[[str], bytes],
    ) -> None:
        """Connect to MLflow and start the thread.

        Args:
            tracking_uri: Where MLflow is.
            home: The study's home.
            name: The study's name.
            settings: The study's settings as JSON values, with its `study_id`.
            plugins: Those in use.
            read: Returns a file of the study's storage; raises FileNotFoundError if it does not exist.

        Raises:
            InputError: MLflow does not answer.
        """
        client = connect(tracking_uri)
        self._where = f"MLflow at {tracking_uri}"
        self._name = name
        find_experiment = partial(experiment_id, client, tracking_uri, home)
        find_experiment()  # an error is raised here, before the study starts
        self._parent = ParentRun(client, find_experiment, name, settings, plugins, home)
        self._runs = TrialRuns(client, self._parent, read, where(tracking_uri, home))
        self._trials: dict[int, StudyTrial] = {}
        self._waiting: set[int] = set()  # keys that are marked but not in MLflow yet
        self._ending: tuple[bool, Mapping[str, bytes], str] | None = None
        self._problem = ""  # with the files of the study's run
        self._reconciler = Reconciler[int]("mlflow", self._push)
        self._mark(OPEN_PARENT)

    def resume(self, trials: Sequence[StudyTrial]) -> None:
        """Compare the trials of earlier launches with MLflow, and push what differs."""
        # A copy: what they report from now on is not recorded yet, and a crash could undo it.
        self._trials |= {trial.number: snapshot(trial) for trial in trials}
        self._mark(COMPARE)

    def mark(self, trial: StudyTrial) -> None:
        """Update the run of a trial whose record has just been saved. Returns at once.

        Args:
            trial: A copy of the trial as it was recorded (see `study.records.writer.snapshot`).
        """
        self._trials[trial.number] = trial
        self._mark(trial.number)

    def close(
        self, complete: bool, files: Mapping[str, bytes], timeout_s: float, description: str = ""
    ) -> list[str]:
        """Push everything that is left, attach files to the study's run, and end it.

        Args:
            complete: Whether the study is complete. If not, its run is KILLED, and so are the runs of
                trials that have not ended.
            files: Files for the study's run, by their paths.
            timeout_s: How long to wait for MLflow, in seconds.
            description: Headline and key figure as Markdown, the first part of the run's description.
                `![...](artifact:PATH)` shows a file of the run, `[...](artifact:PATH)` links to it.

        Returns:
            A line for each problem, with a trial's name and a reason; empty if everything is in MLflow.
        """
        self._ending = complete, files, description
        unended = {number for number, trial in self._trials.items() if not has_ended(trial)}
        for number in sorted(unended | set(self._runs.problems)):
            self._mark(number)
        self._mark(CLOSE_PARENT)
        self._reconciler.close(timeout_s)
        failure = self._reconciler.failure
        why = "out of time" if failure is None else reason(failure)
        left = [
            f"{self._name_of(key)}: not in {self._where} after {timeout_s:g} s ({why})"
            for key in sorted(self._waiting)
        ]
        return [
            *(line for number, line in sorted(self._runs.problems.items()) if number not in self._waiting),
            *([self._problem] if self._problem else []),
            *left,
        ]

    def run_ids(self) -> dict[str, str]:
        """The ids of the trials' runs by the trial's name, after `close`; of those that MLflow has."""
        return {self._trials[number].name: run_id for number, run_id in self._runs.run_ids().items()}

    def _mark(self, key: int) -> None:
        self._waiting.add(key)
        self._reconciler.mark(key)

    def _name_of(self, key: int) -> str:
        return self._trials[key].name if key >= 0 else self._name

    def _push(self, key: int) -> None:
        self._waiting.discard(key)  # first: a trial that is marked in the meantime is pushed again
        try:
            if key >= 0:
                self._runs.push(self._trials[key], closing=self._ending is not None)
            elif key == OPEN_PARENT:
                self._attach({})
            elif key == COMPARE:
                self._compare()
            else:
                self._close_parent()
        except Exception as error:
            self._waiting.add(key)
            if is_lost(error):
                # Another database answers now. It may lack runs of the old one.
                self._runs.forget()
                self._mark(COMPARE)
            raise

    def _compare(self) -> None:
        for number in self._runs.compare(dict(self._trials)):
            self._mark(number)

    def _close_parent(self) -> None:
        assert self._ending is not None
        complete, files, description = self._ending
        self._attach(files)
        self._parent.end(complete, description)

    def _attach(self, files: Mapping[str, bytes]) -> None:
        """Attach files of the study's run, and late networks. A failure does not delay any metric."""
        self._parent.open()
        self._problem = ""
        try:
            self._runs.push_late()
            self._parent.attach(files)
        except Exception as error:
            if is_lost(error):
                raise
            self._problem = f"{self._name}: {reason(error)}"
