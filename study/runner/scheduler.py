"""Early stopping: which trials go on."""

from decimal import Decimal
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from study.runner.driver_only import DriverOnly
from study.runner.searcher import StudySearcher
from study.runner.worker import ACCURACY

# A third of a rung's trials goes on to the next rung, which is three times as long.
REDUCTION_FACTOR = 3


class RateScheduler(DriverOnly, FIFOScheduler):
    """One ASHA race per freezing rate; anchors, and studies whose rate is no axis, run to their end."""

    def __init__(self, searcher: StudySearcher, rates: tuple[Decimal, ...], epochs: int) -> None:
        FIFOScheduler.__init__(self)
        self._searcher = searcher
        self._races = {
            rate: AsyncHyperBandScheduler(
                time_attr="epoch",
                metric=ACCURACY,
                mode="max",
                max_t=epochs,
                grace_period=max(1, epochs // REDUCTION_FACTOR**2),
                reduction_factor=REDUCTION_FACTOR,
            )
            for rate in rates
        }

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """The races know their metric."""
        return True

    def _race(self, trial: Any) -> AsyncHyperBandScheduler | None:
        study_trial = self._searcher.by_tune_id[trial.trial_id]
        return None if study_trial.rate is None else self._races.get(study_trial.rate)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Enter the race of the trial's rate."""
        if race := self._race(trial):
            race.on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """The race's decision; an anchor counts in it, but is never stopped."""
        race = self._race(trial)
        decision = (
            TrialScheduler.CONTINUE if race is None else race.on_trial_result(tune_controller, trial, result)
        )
        return TrialScheduler.CONTINUE if self._searcher.by_tune_id[trial.trial_id].anchor else decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Leave the race."""
        if race := self._race(trial):
            race.on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Leave the race."""
        if race := self._race(trial):
            race.on_trial_remove(tune_controller, trial)
