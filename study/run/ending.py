"""How a study that was conducted ends: what is written, and what of it could not be."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.records.lease import Lease
from study.records.writer import LedgerWriter
from study.run.study_run import StudyRun
from study.run.summary import go_on_command
from study.settings import Settings
from study.tracking import MlflowView
from study.views.report.closing import show

AT_ONCE_S = 1.0  # for the records, when Ctrl-C was pressed twice
MLFLOW_TIMEOUT_S = 20.0  # at the end of a study, for a server that is away to come back, or to take one run


def end(
    ledger: LedgerWriter, mlflow: MlflowView, run: StudyRun, lease: Lease, record: Mapping[str, Any]
) -> list[str]:
    """Write all that is not written; what could not be, a line each."""
    store, problems = ledger.store, []
    if unwritten := ledger.close():
        problems.append(
            f"not everything could be written to {store.path} ({unwritten}): when that is mended,"
            f" cops resume {store.name}"
        )
    if lease.lost:
        return problems
    shown = show(store.name, record, run.trials)
    problems += shown.problems
    files = {**ledger.tables(), **shown.files}
    refused = mlflow.close(run.complete, files, MLFLOW_TIMEOUT_S, shown.description)
    if refused:
        problems.append(
            f"MLflow did not take all ({refused[0]}{_more(refused)}): it is all in {store.path};"
            f" cops resume {store.name} fills it in"
        )
    return problems


def break_off(ledger: LedgerWriter, run: StudyRun, settings: Settings) -> list[str]:
    """Write the records as they are. What MLflow and the tables lack is in them; it is said, a line each."""
    run.interrupt()
    go_on = go_on_command(settings)
    if ledger.close_now(AT_ONCE_S):
        return [f"stopped at once: every record is written; MLflow and the tables may lack the last: {go_on}"]
    return [f"stopped at once: not every record could be written to {ledger.store.path}: {go_on}"]


def _more(lines: Sequence[str]) -> str:
    return f"; and {len(lines) - 1} more" if len(lines) > 1 else ""
