"""What a study's run in MLflow shows when the study ends: the report's page, key figure and headline."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from study.records.study_record import StudyRecord
from study.records.trial import StudyTrial
from study.views.report.content import make_report
from study.views.report.files import closing_files, description


@dataclass(frozen=True)
class Shown:
    """Files by their paths, the run's description as Markdown, and why they are missing, a line each."""

    files: dict[str, bytes] = field(default_factory=dict)
    description: str = ""
    problems: tuple[str, ...] = ()


def show(name: str, record: StudyRecord, trials: Sequence[StudyTrial]) -> Shown:
    """What is to be shown of these trials. record: the study's, as `study.json` has it."""
    if not any(trial.rows for trial in trials):
        return Shown()
    try:
        report = make_report(name, record, trials)
        return Shown(closing_files(report), description(report))
    except Exception as error:  # whatever it is: no picture is worth a study's end
        why = f"{type(error).__name__}: {error}"
        return Shown(problems=(f"the report could not be drawn ({why}): see cops report {name}",))
