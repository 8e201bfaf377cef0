"""JSON lines: each event of a study as one JSON object, for programs."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from cops_core.facts import MetricRow, values_of
from study.records.trial import StudyTrial
from study.run.progress.base import Lines, View
from study.run.progress.tally import Tally, host
from study.views.status import trial_content


class JsonLines(View):
    """Writes an object `{"event": ..., "time": ...}` per line; the time is in seconds since 1970.

    Args:
        stream: Receives the lines.
        study: The content of the first event, "study".
        tally: The state of the study. It must receive each event before this view.
    """

    def __init__(self, stream: TextIO, study: Mapping[str, Any], tally: Tally) -> None:
        self._lines = Lines(stream)
        self._study = study
        self._tally = tally

    def write(self, event: str, **content: Any) -> None:
        """Write an event with this content."""
        self._lines.write(_line(event, content))

    def say(self, line: str) -> None:
        """Write a message to a person as an event."""
        self.write("note", message=line)

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Write the study, and how many of its trials have ended."""
        self.write("study", **self._study, **self._counts())

    def started(self, trial: StudyTrial) -> None:
        """Write the trial and its number of epochs."""
        self.write("started", **_identity(trial), epochs=trial.config.training.epochs)

    def resumed(self, trial: StudyTrial) -> None:
        """Write the trial and its number of recorded epochs."""
        self.write("resumed", **_identity(trial), epoch=len(trial.rows))

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """Write the trial, and why it will be resumed on another worker."""
        self.write("lost", **_identity(trial), reason=reason)

    def reported(self, trial: StudyTrial, row: MetricRow) -> None:
        """Write the metrics of the epoch; null if a metric is not finite."""
        metrics = {key: value if math.isfinite(value) else None for key, value in values_of(row).items()}
        where = {"host": host(trial), "gpus": "" if trial.placed is None else trial.placed["visible_gpus"]}
        self.write("epoch", number=trial.number, trial=trial.name, **metrics, **where)

    def ended(self, trial: StudyTrial) -> None:
        """Write the trial as in `cops status NAME --json`, and the progress of the study."""
        seconds = (trial.ended or trial.started) - trial.started
        self.write("ended", **trial_content(trial), title=trial.title, seconds=seconds, **self._counts())

    def _counts(self) -> dict[str, Any]:
        tally = self._tally
        return {"finished": tally.trials_ended, "max_trials": tally.size, "seconds_left": tally.left}


def write_event(stream: TextIO, event: str, **content: Any) -> None:
    """Write an event that is not a view's, such as the summary.

    Args:
        stream: Receives the line.
        event: Its name.
        content: Its other keys.
    """
    Lines(stream).write(_line(event, content))


def _line(event: str, content: Mapping[str, Any]) -> str:
    return json.dumps({"event": event, "time": time.time(), **content}, allow_nan=False)


def _identity(trial: StudyTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "trial": trial.name,
        "configuration": trial.configuration,
        "seed_index": trial.seed_index,
        "title": trial.title,
    }
