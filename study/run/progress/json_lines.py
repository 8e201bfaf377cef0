"""JSON lines: each event of a study as one JSON object, for a program that follows it."""

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
    """Writes `{"event": ..., "time": ...}` objects, one a line. time: seconds since 1970.

    study: what the event "study" says, which comes first. tally: what is known, told of each event before
    this is.
    """

    def __init__(self, stream: TextIO, study: Mapping[str, Any], tally: Tally) -> None:
        self._lines = Lines(stream)
        self._study = study
        self._tally = tally

    def write(self, event: str, **content: Any) -> None:
        """Write one event."""
        self._lines.write(_line(event, content))

    def say(self, line: str) -> None:
        """What a person is told, as an event."""
        self.write("note", message=line)

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """The study, and how much of it is there from before."""
        self.write("study", **self._study, **self._counts())

    def started(self, trial: StudyTrial) -> None:
        """The trial, and what it is."""
        self.write("started", **_identity(trial), epochs=trial.config.training.epochs)

    def resumed(self, trial: StudyTrial) -> None:
        """The trial, and the epochs that are known of it."""
        self.write("resumed", **_identity(trial), epoch=len(trial.rows))

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """The trial, and why it goes on elsewhere."""
        self.write("lost", **_identity(trial), reason=reason)

    def reported(self, trial: StudyTrial, row: MetricRow) -> None:
        """The epoch's metrics; null where one is no number."""
        metrics = {key: value if math.isfinite(value) else None for key, value in values_of(row).items()}
        where = {"host": host(trial), "gpus": "" if trial.placed is None else trial.placed["visible_gpus"]}
        self.write("epoch", number=trial.number, trial=trial.name, **metrics, **where)

    def ended(self, trial: StudyTrial) -> None:
        """The trial as `cops status NAME --json` has it, and how far the study is."""
        seconds = (trial.ended or trial.started) - trial.started
        self.write("ended", **trial_content(trial), title=trial.title, seconds=seconds, **self._counts())

    def _counts(self) -> dict[str, Any]:
        tally = self._tally
        return {"finished": tally.trials_ended, "max_trials": tally.size, "seconds_left": tally.left}


def write_event(stream: TextIO, event: str, **content: Any) -> None:
    """Write one event, such as the last, which comes after the study."""
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
