"""The trials that did not finish, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from cops_core.errors import listed
from study.records.trial import OPEN, Status, StudyTrial

MOST_REASONS = 3  # of one row


@dataclass(frozen=True)
class End:
    """Trials of one method with the same status.

    Attributes:
        status: Their status.
        method: Their method.
        rates: Their freezing rates, as text.
        trials: Their names.
        why: The reasons, as one text.
    """

    status: Status
    method: str
    rates: tuple[str, ...]
    trials: tuple[str, ...]
    why: str


def ends(trials: Sequence[StudyTrial]) -> list[End]:
    """Group the trials that did not finish by status and method, within a status the largest group first."""
    groups: dict[tuple[Status, str], list[StudyTrial]] = {}
    for trial in trials:
        if trial.status != "finished":
            groups.setdefault((trial.status, trial.method), []).append(trial)
    order = {status: place for place, status in enumerate(dict.fromkeys(trial.status for trial in trials))}
    rows = [_end(status, method, group) for (status, method), group in groups.items()]
    return sorted(rows, key=lambda end: (order[end.status], -len(end.trials), end.method))


def _end(status: Status, method: str, group: Sequence[StudyTrial]) -> End:
    rates = sorted({rate for trial in group if (rate := trial.freezing_rate) is not None})
    reasons = list(dict.fromkeys(why(trial) for trial in group))
    left_out = len(reasons) - MOST_REASONS
    more = f"; and {left_out} more reasons" if left_out > 0 else ""
    return End(
        status,
        method,
        tuple(f"{rate:f}" for rate in rates),
        tuple(trial.name for trial in group),
        "; ".join(reasons[:MOST_REASONS]) + more,
    )


def why(trial: StudyTrial) -> str:
    """Why a trial did not finish, in a few words."""
    if trial.reason:
        return " ".join(trial.reason.split())
    if trial.status == "stopped":
        return f"lost its race in epoch {trial.epoch} of {trial.config.training.epochs}"
    if trial.status == "diverged":
        return f"the loss was not a number in epoch {trial.epoch or 1}"
    if trial.status == "collapsed":
        return _collapse(trial)
    return "has not ended yet" if trial.status in OPEN else "no recorded reason"


def _collapse(trial: StudyTrial) -> str:
    found = trial.connectivity
    if found is None:
        return "no signal reaches the outputs"
    empty = [layer.removesuffix(".weight") for layer in found["empty_layers"]]
    if empty:
        return f"no weight is left in {listed(empty)}"
    dead = [layer.removesuffix(".weight") for layer in found["dead_layers"] or ()]
    return f"no signal passes {listed(dead)}" if dead else "no signal reaches the outputs"
