"""Early stopping: which trials of a race continue. Its state depends on the trials' reports alone."""

from collections.abc import Callable, Mapping

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler

from cops_core.facts import MetricRow
from study.records.trial import StudyTrial
from study.settings import StoppingName

# A third of the trials of a rung continue to the next rung, which is three times as long.
REDUCTION_FACTOR = 3

optuna.logging.set_verbosity(optuna.logging.WARNING)


def _first_rung(epochs: int) -> int:
    """The epoch after which trials are first compared: two rungs before the last."""
    return max(1, epochs // REDUCTION_FACTOR**2)


def _asha(epochs: int) -> BasePruner:
    """Asynchronous successive halving (Li et al., MLSys 2020), in the variant that stops trials.

    A trial continues if it is the best, or among the best third, of those that have reached its rung so far.
    """
    return SuccessiveHalvingPruner(min_resource=_first_rung(epochs), reduction_factor=REDUCTION_FACTOR)


def _hyperband(epochs: int) -> BasePruner:
    """Hyperband (Li et al., JMLR 2018): several such races, each with a later first rung."""
    return HyperbandPruner(
        min_resource=_first_rung(epochs), max_resource=epochs, reduction_factor=REDUCTION_FACTOR
    )


def _none(epochs: int) -> BasePruner:
    """Every trial runs to its end."""
    return NopPruner()


# Each makes a pruner from the epochs of the longest trial, 1 or more.
STOPPINGS: Mapping[StoppingName, Callable[[int], BasePruner]] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "none": _none,
}


def rungs(stopping: StoppingName, epochs: int) -> tuple[int, ...]:
    """The epochs after which trials are compared, without the last epoch.

    Args:
        stopping: One of `STOPPINGS`. With several races the result is that of the first.
        epochs: Those of the longest trial.

    Returns:
        The epochs, in order.
    """
    found, rung = [], _first_rung(epochs)
    while stopping != "none" and rung < epochs:
        found.append(rung)
        rung *= REDUCTION_FACTOR
    return tuple(found)


class Race:
    """Trials whose validation accuracies are compared at the same epochs.

    An Optuna study in memory is the table of rungs: each trial's accuracy at each rung. A trial reports every
    epoch. So the table depends on the order in which trials entered, but not on the order of the reports.

    Args:
        stopping: One of `STOPPINGS`.
        epochs: Those of the longest trial.
        name: Unique among a study's races, and the same each time the study is resumed: Hyperband derives a
            trial's bracket from it and from the trial's place in the race.
    """

    def __init__(self, stopping: StoppingName, epochs: int, name: str) -> None:
        self._study = optuna.create_study(
            study_name=name,
            direction="maximize",
            sampler=RandomSampler(seed=0),  # there is nothing to sample
            pruner=STOPPINGS[stopping](epochs),
        )
        self._running: dict[int, optuna.Trial] = {}

    def enter(self, trial: StudyTrial) -> None:
        """A trial starts. Trials enter in the order in which they are handed out."""
        self._running[trial.number] = self._study.ask()

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Receive the metrics of an epoch.

        Args:
            trial: A trial that has entered.
            row: The metrics.

        Returns:
            Whether to stop the trial now. A baseline is never stopped, nor a trial after its last epoch; both
            are compared with the others nevertheless.
        """
        running = self._running[trial.number]
        running.report(trial.measure.quality(trial.value_in(row)), int(row["epoch"]))
        stop = running.should_prune()
        return stop and not trial.baseline and row["epoch"] < trial.config.training.epochs

    def leave(self, trial: StudyTrial) -> None:
        """A trial has ended, for any reason. Later trials are still compared with its accuracies."""
        del self._running[trial.number]


class Races:
    """The races of a study. The first trial that enters one creates it.

    Args:
        stopping: As of `Race`.
        epochs: As of `Race`.
        name: The study's part of the races' names.
        group: The name of the group of a trial: trials of a group race with each other. None: the trial is
            never stopped.
        later_seeds: Whether trials with the second seed and later ones race, too.
    """

    def __init__(
        self,
        stopping: StoppingName,
        epochs: int,
        name: str,
        group: Callable[[StudyTrial], str | None],
        *,
        later_seeds: bool,
    ) -> None:
        self._stopping = stopping
        self._epochs = epochs
        self._name = name
        self._group = group
        self._later_seeds = later_seeds
        self._races: dict[tuple[str, int], Race] = {}

    def enter(self, trial: StudyTrial) -> None:
        """A trial starts. Trials enter in the order in which they are handed out."""
        if (race := self._of(trial)) is not None:
            race.enter(trial)

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Receive the metrics of an epoch.

        Args:
            trial: A trial that has entered.
            row: The metrics.

        Returns:
            Whether the trial has lost its race with this epoch; False if it is not in a race.
        """
        race = self._of(trial)
        return race is not None and race.report(trial, row)

    def leave(self, trial: StudyTrial) -> None:
        """A trial has ended, for any reason."""
        if (race := self._of(trial)) is not None:
            race.leave(trial)

    def _of(self, trial: StudyTrial) -> Race | None:
        """The trial's race; None if it is not stopped early."""
        if self._stopping == "none" or (trial.seed_index > 0 and not self._later_seeds):
            return None
        group = self._group(trial)
        if group is None:
            return None
        key = (group, trial.seed_index)
        if key not in self._races:
            name = f"{self._name} {group} {trial.seed_index}"
            self._races[key] = Race(self._stopping, self._epochs, name)
        return self._races[key]
