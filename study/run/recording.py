"""Writes a running study: its records, its tables and MLflow."""

from collections.abc import Sequence

from study.records.lease import Lease
from study.records.runs import write_runs
from study.records.study_record import StudyRecord
from study.records.writer import RecordWriter
from study.run.prepare import PreparedStudy
from study.run.summary import resume_command
from study.tracking import MlflowView
from study.views.report.closing import run_content

ABORT_TIMEOUT_S = 1.0  # for the records, after Ctrl-C was pressed twice
MLFLOW_TIMEOUT_S = 20.0  # at the end of a study: for a server to be available again, or to receive one run


class Recording:
    """Writes the records, the tables and MLflow of a running study.

    Attributes:
        writer: Writes the records and tables.

    Args:
        study: The study.
        lease: Of the driver.
        record: The study's record.

    Raises:
        InputError: MLflow does not answer.
    """

    def __init__(self, study: PreparedStudy, lease: Lease, record: StudyRecord) -> None:
        self._study = study
        self._lease = lease
        self._record = record
        self._mlflow = MlflowView(
            study.settings.tracking,
            study.settings.home,
            study.settings.name,
            {**record["settings"], "study_id": record["study_id"]},
            study.settings.plugins,
            study.store.read,
        )
        self._mlflow.resume(study.run.trials)
        self.writer = RecordWriter(study.store, self._mlflow.mark, lambda: lease.lost)

    def close(self) -> list[str]:
        """Write everything that is left; returns what could not be written, a line for each problem."""
        store, run, problems = self._study.store, self._study.run, []
        if unwritten := self.writer.close():
            problems.append(
                f"some results could not be written to {store.path} ({unwritten}): fix that, then run"
                f" cops resume {store.name}"
            )
        if self._lease.lost:
            return problems
        content = run_content(store.name, self._record, run.trials)
        problems += content.problems
        files = {**self.writer.tables(), **content.files}
        refused = self._mlflow.close(run.complete, files, MLFLOW_TIMEOUT_S, content.description)
        problems += self._write_runs()
        if refused:
            problems.append(
                f"MLflow did not receive everything ({refused[0]}{_more(refused)}). The records are complete,"
                f" in {store.path}: cops resume {store.name} updates MLflow"
            )
        return problems

    def _write_runs(self) -> list[str]:
        """Record the ids of the trials' runs; returns a line if that is not possible."""
        try:
            write_runs(self._study.store, self._mlflow.run_ids())
        except OSError as error:
            return [f"the ids of MLflow's runs could not be written ({error.strerror or error})"]
        return []

    def close_at_once(self) -> list[str]:
        """Write the records at once; returns what may be missing, a line for each problem."""
        self._study.run.interrupt()
        command = resume_command(self._study.settings)
        if self.writer.close_now(ABORT_TIMEOUT_S):
            return [
                f"stopped at once: all records are written; MLflow and tables may be incomplete: {command}"
            ]
        path = self._study.store.path
        return [f"stopped at once: some records could not be written to {path}: {command}"]


def _more(lines: Sequence[str]) -> str:
    return f"; and {len(lines) - 1} more" if len(lines) > 1 else ""
