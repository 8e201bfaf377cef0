"""The content of a study's MLflow run when the study ends: the report's page, key figure and headline."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from study.records.study_record import StudyRecord
from study.records.trial import StudyTrial
from study.views.report.content import make_report
from study.views.report.files import closing_files, description


@dataclass(frozen=True)
class RunContent:
    """The content of a study's MLflow run.

    Attributes:
        files: By their paths.
        description: The run's description, Markdown.
        problems: Why content is missing, a line each.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    description: str = ""
    problems: tuple[str, ...] = ()


def run_content(name: str, record: StudyRecord, trials: Sequence[StudyTrial]) -> RunContent:
    """Make the content of a study's MLflow run. A failure is a problem, not an exception.

    Args:
        name: The study's name.
        record: The study's record.
        trials: The study's trials.
    """
    if not any(trial.rows for trial in trials):
        return RunContent()
    try:
        report = make_report(name, record, trials)
        return RunContent(closing_files(report), description(report))
    except Exception as error:  # any error: a figure must not stop the end of a study
        why = f"{type(error).__name__}: {error}"
        return RunContent(problems=(f"the report could not be drawn ({why}): run cops report {name}",))
