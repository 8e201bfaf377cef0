"""Early stopping: which trials of a race go on. Its whole state is what the trials have reported."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler

from cops_core.facts import MetricRow
from study.records.trial import StudyTrial
from study.settings import StoppingName

# A third of a rung's trials goes on to the next rung, which is three times as long.
REDUCTION_FACTOR = 3

optuna.logging.set_verbosity(optuna.logging.WARNING)


def _first_rung(epochs: int) -> int:
    """The epoch at which trials of so many epochs are first compared: two rungs before the last."""
    return max(1, epochs // REDUCTION_FACTOR**2)


def _asha(epochs: int) -> BasePruner:
    """Asynchronous successive halving (Li et al., MLSys 2020), in the variant that stops trials.

    A trial goes on if it is, so far, among the best third of those that came as far, or the best.
    """
    return SuccessiveHalvingPruner(min_resource=_first_rung(epochs), reduction_factor=REDUCTION_FACTOR)


def _hyperband(epochs: int) -> BasePruner:
    """Hyperband (Li et al., JMLR 2018): several such races, the first rung of each later than the last's."""
    return HyperbandPruner(
        min_resource=_first_rung(epochs), max_resource=epochs, reduction_factor=REDUCTION_FACTOR
    )


def _none(epochs: int) -> BasePruner:
    """Every trial runs to its end."""
    return NopPruner()


# From the epochs of the longest trial, 1 or more.
STOPPINGS: Mapping[StoppingName, Callable[[int], BasePruner]] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "none": _none,
}


def rungs(stopping: StoppingName, epochs: int) -> tuple[int, ...]:
    """The epochs after which trials are compared, before the last. Of several races, those of the first."""
    found, rung = [], _first_rung(epochs)
    while stopping != "none" and rung < epochs:
        found.append(rung)
        rung *= REDUCTION_FACTOR
    return tuple(found)


class Race:
    """Trials that are held against each other at the same epochs, by their validation accuracy.

    An Optuna study in memory is the table of rungs: each trial's accuracy at each rung. Since a trial
    reports every epoch, the table does not depend on the order of the reports, only on who entered when.
    """

    def __init__(self, stopping: StoppingName, epochs: int, name: str) -> None:
        """stopping: one of STOPPINGS. epochs: of the longest trial.

        name: unique among a study's races, and the same each time the study is resumed: Hyperband
        derives a trial's bracket from it and from the trial's place in the race.
        """
        self._study = optuna.create_study(
            study_name=name,
            direction="maximize",
            sampler=RandomSampler(seed=0),  # there is nothing to sample
            pruner=STOPPINGS[stopping](epochs),
        )
        self._running: dict[int, optuna.Trial] = {}

    def enter(self, trial: StudyTrial) -> None:
        """A trial begins, in the order in which trials are handed out."""
        self._running[trial.number] = self._study.ask()

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Whether to stop the trial after this epoch: never a baseline, nor after its last epoch.

        Both count in the race all the same.
        """
        running = self._running[trial.number]
        running.report(row["validation_accuracy"], int(row["epoch"]))
        stop = running.should_prune()
        return stop and not trial.baseline and row["epoch"] < trial.config.training.epochs

    def leave(self, trial: StudyTrial) -> None:
        """A trial has ended, for whatever reason; its accuracies remain what others are held against."""
        del self._running[trial.number]


class Races:
    """The races of a study: one within each rate and seed index, begun by the first trial that enters it."""

    def __init__(self, stopping: StoppingName, epochs: int, name: str, *, later_seeds: bool) -> None:
        """stopping, epochs: as of `Race`. name: the study's part of the races' names.

        later_seeds: whether trials of the second seed and later ones race, too.
        """
        self._stopping = stopping
        self._epochs = epochs
        self._name = name
        self._later_seeds = later_seeds
        self._races: dict[tuple[Decimal, int], Race] = {}

    def enter(self, trial: StudyTrial) -> None:
        """A trial begins, in the order in which trials are handed out."""
        if (race := self._of(trial)) is not None:
            race.enter(trial)

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Whether the trial has lost its race with this epoch; never, where it is in none."""
        race = self._of(trial)
        return race is not None and race.report(trial, row)

    def leave(self, trial: StudyTrial) -> None:
        """A trial has ended, for whatever reason."""
        if (race := self._of(trial)) is not None:
            race.leave(trial)

    def _of(self, trial: StudyTrial) -> Race | None:
        """The trial's race; None where nothing is stopped early."""
        if trial.rate is None or self._stopping == "none":
            return None
        if trial.seed_index > 0 and not self._later_seeds:
            return None
        key = (trial.rate, trial.seed_index)
        if key not in self._races:
            name = f"{self._name} {trial.rate} {trial.seed_index}"
            self._races[key] = Race(self._stopping, self._epochs, name)
        return self._races[key]
