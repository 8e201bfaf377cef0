"""What the sampler receives about a configuration: the truth about all of its seeds."""

import math
from collections.abc import Sequence
from statistics import fmean

import optuna
from optuna.trial import Trial, TrialState

from search_spaces.question import Question
from study.records.trial import COMPARABLE, FAILURES, StudyTrial

# Ends that a sampler should avoid: the share of such trials is a constraint, to be at most zero.
AVOIDED = ("diverged", "collapsed", "infeasible")


def tell_sampler(
    study: optuna.Study,
    asked: Trial,
    trials: Sequence[StudyTrial],
    question: Question,
    *,
    raced_out: bool,
    dense: Sequence[StudyTrial],
) -> None:
    """Tell how a configuration did: its mean over the seeds; PRUNED if not all of them ran to the end.

    A configuration is FAIL only if nothing is known about it: all of its trials failed.
    dense: the dense network's trials, as far as there are any.
    """
    known = [trial for trial in trials if trial.status not in FAILURES and (trial.rows or _avoided(trial))]
    if not known:
        study.tell(asked, state=TrialState.FAIL)
        return
    accuracy = fmean(trial.accuracy if trial.rows else 0.0 for trial in known)
    # Levels that no mask meets leave no network to be stored: nothing is gained over the dense one.
    stored = [trial.stored_bytes for trial in (*known, *dense) if not math.isnan(trial.stored_bytes)]
    stored_bytes = fmean(stored[: len(known)]) if stored else math.nan
    values = question.values(accuracy, known[0].density, stored_bytes)
    if any(math.isnan(value) for value in values):
        study.tell(asked, state=TrialState.FAIL)
        return
    for end in AVOIDED:
        asked.set_constraint(end, fmean(float(trial.status == end) for trial in known))
    shortfall = question.constraint(accuracy, mean_accuracy(dense))
    if shortfall is not None:
        asked.set_constraint("accuracy", shortfall)
    if raced_out or any(trial.status == "stopped" for trial in known):
        # Samplers rank what was stopped by its step first: all epochs that were trained.
        asked.report(accuracy, sum(int(trial.rows[-1]["epoch"]) for trial in known if trial.rows))
        study.tell(asked, state=TrialState.PRUNED)
    else:
        study.tell(asked, values)


def mean_accuracy(trials: Sequence[StudyTrial]) -> float | None:
    """Of the trials that ran to their end; None if there are none."""
    accuracies = [trial.accuracy for trial in trials if trial.status in COMPARABLE]
    return fmean(accuracies) if accuracies else None


def _avoided(trial: StudyTrial) -> bool:
    return trial.status in AVOIDED
