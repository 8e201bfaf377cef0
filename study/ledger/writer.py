"""Writes the records as the study goes on, and then what follows from them: tables, MLflow."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from study.ledger.store import CHECKPOINT_FILES, CHECKPOINTS, StudyStore
from study.ledger.trial import StudyTrial
from study.observer import Observer
from study.reconciler import Reconciler
from study.results import trial_tables

# A running trial's record is written at most this often; its beginning and end at once.
RECORD_INTERVAL_S = 1.0
TABLE_INTERVAL_S = 30.0
CLOSE_TIMEOUT_S = 15.0


class LedgerWriter(Observer):
    """Writes records in a thread of its own, in the order of events, until each is written.

    saved: told of each trial as it was just recorded, so that no view ever shows what a crash could
    take back.
    """

    def __init__(self, store: StudyStore, saved: Callable[[StudyTrial], None]) -> None:
        self.store = store
        self._saved = saved
        self._trials: dict[int, StudyTrial] = {}
        self._tables_written = time.monotonic()
        self._records = Reconciler("records", self._push)

    def resumed(self, trials: Sequence[StudyTrial]) -> None:
        """The records of these are there; the tables are of all."""
        self._trials |= {trial.number: trial for trial in trials}

    def started(self, trial: StudyTrial) -> None:
        """Record that the trial was handed out."""
        self._trials[trial.number] = trial
        self._records.mark(trial.number)

    def reported(self, trial: StudyTrial, row: dict[str, float]) -> None:
        """Record the epoch, soon."""
        self._records.mark(trial.number, RECORD_INTERVAL_S)

    def ended(self, trial: StudyTrial) -> None:
        """Record how the trial ended."""
        self._records.mark(trial.number)

    def _push(self, number: int) -> None:
        trial = snapshot(self._trials[number])
        self.store.save(trial)
        if trial.over:
            for kind in CHECKPOINT_FILES:
                self.store.delete(f"{CHECKPOINTS}/{trial.name}{kind}")
        self._saved(trial)
        if time.monotonic() - self._tables_written > TABLE_INTERVAL_S:
            self.write_tables()

    def tables(self) -> dict[str, bytes]:
        """The tables of all trials, by file name."""
        return trial_tables(self.store.name, [self._trials[number] for number in sorted(self._trials)])

    def write_tables(self) -> None:
        """Write the tables, each whole or not at all."""
        for name, content in self.tables().items():
            self.store.write(name, content)
        self._tables_written = time.monotonic()

    def close(self) -> str:
        """Write what is left. Returns why that was not possible, else an empty line."""
        written = self._records.close(CLOSE_TIMEOUT_S)
        try:
            self._sweep()
            self.write_tables()
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        return "" if written else str(self._records.failure or "the storage is slow")

    def _sweep(self) -> None:
        """Remove checkpoints that trials left which ended while their worker wrote."""
        over = {
            f"{trial.name}{kind}"
            for trial in self._trials.values()
            if trial.over
            for kind in CHECKPOINT_FILES
        }
        for name in self.store.files(CHECKPOINTS):
            if name in over:
                self.store.delete(f"{CHECKPOINTS}/{name}")


def snapshot(trial: StudyTrial) -> StudyTrial:
    """The trial as it is now, whatever is reported to it meanwhile."""
    count = len(trial.rows)
    return replace(trial, rows=trial.rows[:count], stamps=trial.stamps[:count], facts=dict(trial.facts))
