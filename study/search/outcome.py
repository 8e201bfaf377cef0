"""What the sampler is told about a configuration: the truth about all of its seeds."""

import math
from collections.abc import Sequence
from statistics import fmean

import optuna
from optuna.trial import Trial, TrialState

from search_spaces.question import Question
from study.ledger.trial import FAILURES, StudyTrial

# Ends that a sampler should avoid: the share of such trials is a constraint, to be at most zero.
AVOIDED = ("diverged", "collapsed", "infeasible")


def tell_sampler(
    study: optuna.Study,
    asked: Trial,
    trials: Sequence[StudyTrial],
    raced_out: bool,
    question: Question,
    dense_accuracy: float | None,
) -> None:
    """Tell how a configuration did: its mean over the seeds; PRUNED if not all of them ran to the end.

    A configuration is FAIL only if nothing is known about it: all of its trials failed.
    """
    known = [trial for trial in trials if trial.status not in FAILURES and (trial.rows or _avoided(trial))]
    if not known:
        study.tell(asked, state=TrialState.FAIL)
        return
    accuracy = fmean(trial.accuracy if trial.rows else 0.0 for trial in known)
    values = question.values(accuracy, known[0].density, fmean(trial.stored_bytes for trial in known))
    if any(math.isnan(value) for value in values):
        study.tell(asked, state=TrialState.FAIL)
        return
    for end in AVOIDED:
        asked.set_constraint(end, fmean(float(trial.status == end) for trial in known))
    shortfall = question.constraint(accuracy, dense_accuracy)
    if shortfall is not None:
        asked.set_constraint("accuracy", shortfall)
    if raced_out or any(trial.status == "stopped" for trial in known):
        # Samplers rank what was stopped by its step first: all epochs that were trained.
        asked.report(accuracy, sum(int(trial.rows[-1]["epoch"]) for trial in known if trial.rows))
        study.tell(asked, state=TrialState.PRUNED)
    else:
        study.tell(asked, values)


def _avoided(trial: StudyTrial) -> bool:
    return trial.status in AVOIDED
