"""Where a running study is written: its records and tables, and MLflow; and how writing them ends."""

from collections.abc import Sequence

from study.records.lease import Lease
from study.records.study_record import StudyRecord
from study.records.writer import RecordWriter
from study.run.prepare import PreparedStudy
from study.run.summary import resume_command
from study.tracking import MlflowView
from study.views.report.closing import run_content

AT_ONCE_S = 1.0  # for the records, when Ctrl-C was pressed twice
MLFLOW_TIMEOUT_S = 20.0  # at the end of a study, for a server that is away to come back, or to take one run


class Recording:
    """Writes a running study. writer: of its records, from which MLflow follows.

    record: what the study's folder says about it.
    Raises InputError if MLflow does not answer.
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
        """Write all that is not written; what could not be, a line each."""
        store, run, problems = self._study.store, self._study.run, []
        if unwritten := self.writer.close():
            problems.append(
                f"not everything could be written to {store.path} ({unwritten}): when that is fixed,"
                f" cops resume {store.name}"
            )
        if self._lease.lost:
            return problems
        content = run_content(store.name, self._record, run.trials)
        problems += content.problems
        files = {**self.writer.tables(), **content.files}
        refused = self._mlflow.close(run.complete, files, MLFLOW_TIMEOUT_S, content.description)
        if refused:
            problems.append(
                f"MLflow did not take all ({refused[0]}{_more(refused)}): it is all in {store.path};"
                f" cops resume {store.name} fills it in"
            )
        return problems

    def close_at_once(self) -> list[str]:
        """Write the records as they are, and say what MLflow and the tables lack, a line each."""
        self._study.run.interrupt()
        go_on = resume_command(self._study.settings)
        if self.writer.close_now(AT_ONCE_S):
            return [
                f"stopped at once: every record is written; MLflow and the tables may lack the last: {go_on}"
            ]
        path = self._study.store.path
        return [f"stopped at once: not every record could be written to {path}: {go_on}"]


def _more(lines: Sequence[str]) -> str:
    return f"; and {len(lines) - 1} more" if len(lines) > 1 else ""
