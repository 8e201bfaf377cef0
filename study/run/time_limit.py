"""`--time-limit`: ends a study cleanly when its time is over, after the turn that it is in."""

import time
from collections.abc import Callable

from study.duration import parse_duration
from study.records.observer import Observer
from study.run.study_run import StudyRun


class TimeLimit(Observer):
    """Ends a study when the time since the start of its launch is over.

    Running trials are interrupted, as by `cops stop`. A plan that is in the middle of a turn first hands out
    the rest of the turn, and the trials run to their ends.

    Args:
        limit: The time, e.g. "2h"; None is no limit.
        run: The study.
        resume: The command that resumes the study; None if its caller says that.
        say: Shows a message while the study runs.
        started: When the launch started, as `now` gives it.
        now: The time in seconds.
    """

    def __init__(
        self,
        limit: str | None,
        run: StudyRun,
        resume: str | None,
        say: Callable[[str], None],
        started: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._say = say
        self._now = now
        self._ends_at = None if limit is None else started + parse_duration(limit)
        self._words = f"its time limit of {limit} is over"
        self._resume = resume

    def tick(self) -> None:
        """Check the time."""
        if self._ends_at is None or self._now() < self._ends_at:
            return
        self._ends_at = None
        if self._run.has_ended:
            return
        because = self._words + ("" if self._resume is None else f"; {self._resume} continues it")
        if self._run.plan.in_turns:
            self._say(f"{self._words}: the study ends after this turn over its methods")
            self._run.end_after_turn(because)
        else:
            self._say(f"{self._words}: running trials write a checkpoint")
            self._run.stop(because)
