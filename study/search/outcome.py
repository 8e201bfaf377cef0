"""What the sampler receives about a configuration: the outcome of all of its seeds."""

import math
from collections.abc import Sequence
from statistics import fmean

import optuna
from optuna.trial import Trial, TrialState

from search_spaces.question import Question
from study.records.trial import COMPARABLE, FAILURES, StudyTrial

# Ends that a sampler should avoid: their share of the trials is a constraint, which must be at most zero.
AVOIDED = ("diverged", "collapsed", "infeasible")


def tell_sampler(
    study: optuna.Study,
    optuna_trial: Trial,
    trials: Sequence[StudyTrial],
    question: Question,
    *,
    raced_out: bool,
    dense: Sequence[StudyTrial],
) -> None:
    """Pass a configuration's mean over its seeds to the sampler.

    The Optuna trial is PRUNED if not all seeds ran to the end, and if the space rejected its parameters: then
    it has no value, and violates a constraint, so that they are avoided. It is FAIL only if nothing is known
    about the configuration, since all of its trials failed.

    Args:
        study: The history.
        optuna_trial: The sampler's trial.
        trials: The configuration's trials.
        question: The study's question.
        raced_out: Whether the configuration got fewer seeds than the study has.
        dense: The trials of the dense network, if there are any.
    """
    if any(trial.rejected for trial in trials):
        optuna_trial.set_constraint("infeasible", 1.0)
        study.tell(optuna_trial, state=TrialState.PRUNED)
        return
    known = [trial for trial in trials if trial.status not in FAILURES and (trial.rows or _avoided(trial))]
    if not known:
        study.tell(optuna_trial, state=TrialState.FAIL)
        return
    accuracy = fmean(_quality(trial) for trial in known)
    # If no mask meets the levels, there is no network to store. Its size is then that of the dense one.
    stored = [trial.stored_bytes for trial in (*known, *dense) if not math.isnan(trial.stored_bytes)]
    stored_bytes = fmean(stored[: len(known)]) if stored else math.nan
    values = question.values(accuracy, known[0].density, stored_bytes)
    if any(math.isnan(value) for value in values):
        study.tell(optuna_trial, state=TrialState.FAIL)
        return
    for end in AVOIDED:
        optuna_trial.set_constraint(end, fmean(float(trial.status == end) for trial in known))
    shortfall = question.constraint(accuracy, mean_accuracy(dense))
    if shortfall is not None:
        optuna_trial.set_constraint("accuracy", shortfall)
    if raced_out or any(trial.status == "stopped" for trial in known):
        # Samplers rank stopped trials by their step first: here the number of all epochs that were trained.
        optuna_trial.report(accuracy, sum(int(trial.rows[-1]["epoch"]) for trial in known if trial.rows))
        study.tell(optuna_trial, state=TrialState.PRUNED)
    else:
        study.tell(optuna_trial, values)


def mean_accuracy(trials: Sequence[StudyTrial]) -> float | None:
    """The mean accuracy of the trials that ran to their end; None if there are none.

    Of another measure it is the mean of `Measure.quality`, of which more is better.
    """
    accuracies = [_quality(trial) for trial in trials if trial.status in COMPARABLE]
    return fmean(accuracies) if accuracies else None


def _quality(trial: StudyTrial) -> float:
    """The trial's accuracy, or value of another measure, as a number of which more is better."""
    return trial.measure.quality(trial.accuracy if trial.rows else trial.measure.worst)


def _avoided(trial: StudyTrial) -> bool:
    return trial.status in AVOIDED
