"""The texts of the views: a trial's name and place, the remaining time, failures."""

import math
from collections.abc import Mapping

from study.records.trial import StudyTrial
from study.run.progress.tally import Tally, host


def name(trial: StudyTrial) -> str:
    """`freeze snip q=0.99 seed 1`: the name of a trial."""
    if trial.judges is not None:
        return f"{trial.title} judging seed {trial.seed_index}"
    return f"{trial.title} seed {trial.seed_index}" if trial.seed_index else trial.title


def place(trial: StudyTrial, *, with_host: bool) -> str:
    """`worker-2 GPU 1`: where a trial runs; empty for the CPU of this machine.

    Args:
        trial: That runs.
        with_host: Whether to name the machine.
    """
    placed = trial.placed
    gpus = f"GPU {placed['visible_gpus']}" if placed and placed["gpus"] and placed["visible_gpus"] else ""
    return " ".join(part for part in (host(trial) if with_host else "", gpus) if part)


def accuracy(trial: StudyTrial) -> str:
    """`91.25%`: the accuracy of a trial, or value of its measure; empty before the first epoch."""
    return "" if math.isnan(trial.accuracy) else f"{trial.accuracy:{trial.measure.spec}}"


def time_left(seconds: float | None) -> str:
    """`about 3 min left`; empty if it is not known."""
    if seconds is None:
        return ""
    if seconds < 10:
        return "less than 10 s left"
    if seconds < 90:
        return f"about {math.ceil(seconds / 10) * 10} s left"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min left"
    if seconds < 36 * 3600:
        return f"about {seconds / 3600:.1f} h left"
    return f"about {seconds / 86400:.1f} days left"


def duration(seconds: float) -> str:
    """`1:02:03`, `2:03`: a time in seconds as text."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def elapsed(tally: Tally) -> str:
    """`4:17`, or `4:17 of 2h` with a time limit: the time since the launch started."""
    limit = "" if tally.limit is None else f" of {tally.limit}"
    return f"{duration(tally.seconds)}{limit}"


def counts(status: Mapping[str, int], reused: int) -> str:
    """`20 finished, 3 stopped, 1 failed (6 reused)`: how many trials have each status."""
    parts = ", ".join(f"{count} {status}" for status, count in status.items())
    return parts + (f" ({reused} reused)" if reused else "")


def failure(trial: StudyTrial, happened: str, reason: str) -> str:
    """A line about a trial that failed or lost its worker.

    Args:
        trial: The trial.
        happened: What happened to it.
        reason: Why; it may have several lines.
    """
    return f"trial {trial.number} ({name(trial)}) {happened}: {' '.join(reason.split()) or 'no reason given'}"


def totals(tally: Tally) -> str:
    """`23/24`: the ended trials, and the largest number of trials."""
    return f"{tally.trials_ended}/{tally.size}"
