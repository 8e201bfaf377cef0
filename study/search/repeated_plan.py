"""A plan that trains known configurations on the same seeds, one seed after the other."""

from collections.abc import Sequence

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.trial_state import config_hash
from study.records.trial import StudyTrial
from study.search.errors import difference
from study.search.plan import Forecast, Plan


class RepeatedPlan(Plan):
    """Runs every configuration on a seed before the next seed, each trial once and to its end.

    Args:
        name: The study's.
        configs: The configurations; their seeds do not matter.
        seeds: The seeds of each.
    """

    def __init__(self, name: str, configs: Sequence[TrialConfig], seeds: Sequence[int]) -> None:
        self._name = name
        self._trials = [config.changed(seed=seed) for seed in seeds for config in configs]
        self._next = 0
        self.configurations = len(configs)
        self.size = len(self._trials)

    @property
    def example(self) -> TrialConfig | None:
        """The first configuration."""
        return self._trials[0] if self._trials else None

    @property
    def samples(self) -> Sequence[TrialConfig]:
        """Each configuration with the first seed."""
        return self._trials[: self.configurations]

    @property
    def every(self) -> Sequence[TrialConfig]:
        """All trials, in their order."""
        return self._trials

    @property
    def exhausted(self) -> bool:
        """Whether every trial has been handed out."""
        return self._next == self.size

    @property
    def forecast(self) -> Forecast:
        """All trials that are left are certain."""
        return Forecast(certain=self._trials[self._next :])

    @property
    def mid_turn(self) -> bool:
        """Whether some configurations have a seed more than others so far."""
        return self._next % self.configurations > 0

    def ask(self) -> StudyTrial:
        """The next configuration on the present seed, or the first on the next one."""
        number = self._next
        config = self._trials[number]
        self._next += 1
        seed_index, configuration = divmod(number, self.configurations)
        return StudyTrial(
            number=number,
            configuration=configuration,
            seed_index=seed_index,
            config=config,
            rate=config.freezing_rate,
        )

    def expect(self, trials: Sequence[StudyTrial]) -> None:
        """Do nothing: no configuration is made ahead."""

    def recall(self, trial: StudyTrial) -> None:
        """Receive a recorded trial, in place of `ask`.

        Args:
            trial: The trial.

        Raises:
            InputError: A record is missing, or the trial of this number is another one now.
        """
        if trial.number != self._next:
            raise InputError(
                f"the record of trial {self._next} of {self._name!r} is missing: restore it, or choose"
                " another --name"
            )
        expected = self.ask()
        if config_hash(expected.config) != config_hash(trial.config):
            raise InputError(
                f"trial {trial.number} of {self._name!r} is another one now"
                f" ({difference(trial.config, expected.config)}): choose another --name"
            )

    def tell(self, trial: StudyTrial) -> None:
        """Do nothing: the plan does not depend on how a trial ended."""
