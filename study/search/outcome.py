"""What the sampler receives about a configuration: the outcome of all of its seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import optuna
from optuna.trial import Trial, TrialState

from search_spaces.question import Question
from study.records.trial import COMPARABLE, FAILURES, StudyTrial

# Ends that a sampler should avoid: their share of the trials is a constraint, which must be at most zero.
AVOIDED = ("diverged", "collapsed", "infeasible")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the sampler receives about a configuration.

    Attributes:
        state: PRUNED if not all seeds ran to the end, and if the space rejected the parameters: then there is
            no value, and a violated constraint, so that they are avoided. FAIL only if nothing is known,
            since all of its trials failed.
        values: Of a COMPLETE one; None of others.
        constraints: By name; above zero is violated.
        report: Of a stopped one: its value so far, and the number of epochs; None of others.
    """

    state: TrialState
    values: Sequence[float] | None = None
    constraints: Mapping[str, float] = field(default_factory=dict)
    report: tuple[float, int] | None = None

    def tell(self, study: optuna.Study, optuna_trial: Trial) -> None:
        """Pass it on.

        Args:
            study: The history.
            optuna_trial: The sampler's trial.
        """
        for name, value in self.constraints.items():
            optuna_trial.set_constraint(name, value)
        if self.report is not None:
            optuna_trial.report(*self.report)
        if self.values is None:
            study.tell(optuna_trial, state=self.state)
        else:
            study.tell(optuna_trial, self.values)


def outcome_of(
    trials: Sequence[StudyTrial], question: Question, *, raced_out: bool, dense: Sequence[StudyTrial]
) -> Outcome:
    """A configuration's mean over its seeds, for the sampler.

    Args:
        trials: The configuration's trials.
        question: The study's question.
        raced_out: Whether the configuration got fewer seeds than the study has.
        dense: The trials of the dense network, if there are any.
    """
    if any(trial.rejected for trial in trials):
        return Outcome(state=TrialState.PRUNED, constraints={"infeasible": 1.0})
    known = [trial for trial in trials if trial.status not in FAILURES and (trial.rows or _avoided(trial))]
    if not known:
        return Outcome(state=TrialState.FAIL)
    accuracy = fmean(_quality(trial) for trial in known)
    # If no mask meets the levels, there is no network to store. Its size is then that of the dense one.
    stored = [trial.stored_bytes for trial in (*known, *dense) if not math.isnan(trial.stored_bytes)]
    stored_bytes = fmean(stored[: len(known)]) if stored else math.nan
    values = question.values(accuracy, known[0].density, stored_bytes)
    if any(math.isnan(value) for value in values):
        return Outcome(state=TrialState.FAIL)
    constraints = {end: fmean(float(trial.status == end) for trial in known) for end in AVOIDED}
    shortfall = question.constraint(accuracy, mean_accuracy(dense))
    if shortfall is not None:
        constraints["accuracy"] = shortfall
    if raced_out or any(trial.status == "stopped" for trial in known):
        # Samplers rank stopped trials by their step first: here the number of all epochs that were trained.
        epochs = sum(int(trial.rows[-1]["epoch"]) for trial in known if trial.rows)
        return Outcome(state=TrialState.PRUNED, constraints=constraints, report=(accuracy, epochs))
    return Outcome(state=TrialState.COMPLETE, values=values, constraints=constraints)


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
