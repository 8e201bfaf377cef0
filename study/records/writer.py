"""Writes the records of a running study, and then what follows from them: tables, MLflow."""

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace

from cops_core.facts import MetricRow
from study.records.observer import Observer
from study.records.reconciler import Reconciler
from study.records.store import CHECKPOINT_FILES, CHECKPOINTS, STATE_FILE, StudyStore
from study.records.tables import trial_tables
from study.records.trial import StudyTrial

# A running trial's record is written at most this often; its start and end are written at once. In a remote
# storage a write takes tens of milliseconds and costs money: a hundred running trials would fill the time of
# the thread.
LOCAL_RECORD_S, REMOTE_RECORD_S = 1.0, 10.0
TABLE_INTERVAL_S = 30.0
CLOSE_TIMEOUT_S = 10.0


class RecordWriter(Observer):
    """Writes records in a thread of its own, in the order of events, until each is written.

    Args:
        store: The study.
        saved: Called with each trial in the state that was just recorded. So no view ever shows a state
            that a crash could undo.
        lost: Whether another driver runs the study by now. Then nothing is written any more.
    """

    def __init__(
        self, store: StudyStore, saved: Callable[[StudyTrial], None], lost: Callable[[], bool] = lambda: False
    ) -> None:
        self.store = store
        self._saved = saved
        self._lost = lost
        self._table_problem = ""
        self._trials: dict[int, StudyTrial] = {}
        self._recorded: dict[int, StudyTrial] = {}  # in the state that was last written
        self._tables_written = time.monotonic()
        self._records = Reconciler("records", self._push)

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Include the trials of earlier launches in the tables. Their records exist."""
        self._trials |= {trial.number: trial for trial in trials}
        self._recorded |= {trial.number: snapshot(trial) for trial in trials}

    def started(self, trial: StudyTrial) -> None:
        """Record that the trial was handed out."""
        self._trials[trial.number] = trial
        self._records.mark(trial.number)

    def reported(self, trial: StudyTrial, row: MetricRow) -> None:
        """Record the epoch, within the interval of running trials."""
        self._records.mark(trial.number, LOCAL_RECORD_S if self.store.is_local else REMOTE_RECORD_S)

    def ended(self, trial: StudyTrial) -> None:
        """Record how the trial ended."""
        self._records.mark(trial.number)

    def _push(self, number: int) -> None:
        if self._lost():
            return
        trial = snapshot(self._trials[number])
        self.store.save(trial)
        self._recorded[number] = trial
        if trial.has_ended:
            self.store.delete(f"{CHECKPOINTS}/{trial.name}{STATE_FILE}")
        self._saved(trial)
        if time.monotonic() - self._tables_written > TABLE_INTERVAL_S:
            self._write_tables()

    def tables(self) -> dict[str, bytes]:
        """The tables of all trials in their recorded state, by file name."""
        recorded = [self._recorded[number] for number in sorted(self._recorded)]
        return trial_tables(self.store.name, recorded)

    def _write_tables(self) -> None:
        """Write the tables. Records never wait for them: an error is returned by `close`."""
        self._tables_written = time.monotonic()
        try:
            for name, content in self.tables().items():
                self.store.write(name, content)
            self._table_problem = ""
        except Exception as error:
            self._table_problem = f"{type(error).__name__}: {error}"

    def close(self) -> str:
        """Write everything that is left.

        Returns:
            Why that was not possible; empty if it was.
        """
        written = self._records.close(CLOSE_TIMEOUT_S)
        if self._lost():
            return "another process runs the study now"
        if not written:
            return str(self._records.failure or "the storage is slow")
        try:
            self._sweep()
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        self._write_tables()
        return self._table_problem

    def close_now(self, timeout_s: float) -> bool:
        """Write the records and nothing else.

        The main thread may have been interrupted before it marked the last event, so all trials are compared
        with what was written.

        Args:
            timeout_s: Give up after about this many seconds.

        Returns:
            Whether all records were written.
        """
        for number, trial in self._trials.items():
            recorded = self._recorded.get(number)
            if recorded is None or recorded.status != trial.status:
                self._records.mark(number)
        return self._records.close(timeout_s) and not self._lost()

    def _sweep(self) -> None:
        """Remove the checkpoints of trials that have ended. Their workers no longer exist."""
        ended = {
            f"{trial.name}{kind}"
            for trial in self._trials.values()
            if trial.has_ended
            for kind in CHECKPOINT_FILES
        }
        for name in self.store.files(CHECKPOINTS):
            if name in ended:
                self.store.delete(f"{CHECKPOINTS}/{name}")


def snapshot(trial: StudyTrial) -> StudyTrial:
    """A copy of the trial in its present state, which later reports do not change."""
    count = len(trial.rows)
    return replace(trial, rows=trial.rows[:count], stamps=trial.stamps[:count], facts=copy(trial.facts))
