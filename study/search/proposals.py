"""Which configuration belongs to each slot of a study: a baseline, or a proposal of the sampler."""

from collections.abc import Mapping
from typing import Any

from optuna.trial import Trial

from cops_core.config import TrialConfig
from search_spaces.base import SearchSpace
from search_spaces.baselines import baseline_config, dense_baseline, in_space, space_parameters
from search_spaces.suggest import MAX_DENSITY, MIN_DENSITY, suggest_density
from study.records.trial import StudyTrial
from study.search.configuration import Configuration
from study.search.errors import PrunedDrawError, check_choices, check_recordable, sampled, space_errors
from study.search.first_draws import first_draws
from study.search.fixed_parameters import check_parameters
from study.search.sampling import Histories
from study.search.slots import Slot, baseline_count, slots
from study.settings import Settings


class Proposals:
    """Makes the configurations of a study, without their seeds.

    Args:
        space: The study's space.
        settings: The study's settings.

    Attributes:
        base: The dense baseline, from which the other baselines are made.
        first_draws: Random configurations of the space: what its trials are like.
        histories: What the sampler knows.

    Raises:
        InputError: The space fails, sets fields that it may not set, or does not fit the parameters that the
            settings name to be tried first.
    """

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.space = space
        self.question = settings.question
        rates = self.question.rates
        slot = Slot(density=1 - rates[0] if rates else None)
        self.first_draws = first_draws(lambda trial: self._sample(slot, trial), settings.seed)
        for place, parameters in enumerate(settings.first, start=1):
            check_parameters(
                space, self.question, parameters, f"configuration {place} of the settings' first"
            )
        self.base = space.fixed(dense_baseline(self.first_draws[0]))
        self.histories = Histories(settings)
        self._given = settings.first

    @property
    def baselines(self) -> list[TrialConfig]:
        """The configurations with which every study of this question starts."""
        return [self.plain(slot) for slot in slots(self.question, baseline_count(self.question))]

    def plain(self, slot: Slot) -> TrialConfig:
        """The configuration of a baseline that is outside the sampler's history."""
        config = baseline_config(self.base, slot.baseline) if slot.baseline else self.base
        return config.changed(density=slot.density)

    def make(self, number: int, slot: Slot, recorded: StudyTrial | None = None) -> Configuration:
        """The configuration of a number. If the space rejects the sampler's parameters, it says so.

        Args:
            number: Its place in the study, from 0 on.
            slot: Its slot.
            recorded: Its first trial, if a recorded study is repeated.

        Returns:
            The configuration.

        Raises:
            InputError: The space fails on the parameters, rejects some that the sampler did not choose, or
                suggests what cannot be recorded.
        """
        if not self._in_history(slot):
            return Configuration(number, slot, self.plain(slot))
        fixed = self._fixed(number, slot) if recorded is None else recorded.parameters
        trial = self.histories.ask(slot.history, number, fixed, replayed=recorded is not None)
        trial.set_user_attr("configuration", number)
        config, rejected = self.base, ""
        try:
            config = self._sample(slot, trial)
        except PrunedDrawError as error:
            if recorded is None and fixed is not None:
                raise
            check_recordable(self.space.name, trial.params)
            rejected = error.reason
        return Configuration(number, slot, config, dict(trial.params), trial, rejected=rejected)

    def _in_history(self, slot: Slot) -> bool:
        """Whether the sampler learns from this slot: a proposal, or a baseline that lies within the space."""
        if slot.baseline is None:
            return True
        if not slot.baseline or slot.density is None:
            return False
        searched = self.question.axis or MIN_DENSITY <= float(slot.density) <= MAX_DENSITY
        with space_errors(self.space.name):
            return searched and in_space(self.space, self.base, slot.baseline)

    def _fixed(self, number: int, slot: Slot) -> Mapping[str, Any] | None:
        """The parameters of a baseline, or those that the user gives; None if the sampler proposes."""
        if slot.baseline is not None:
            density = {} if slot.density is None else {"density": float(slot.density)}
            return {**space_parameters(self.base, slot.baseline), **density}
        # The user's configurations come after the baselines, each one at each rate.
        place = number - baseline_count(self.question)
        if self.question.axis:
            place //= len(self.question.rates)
        return self._given[place] if 0 <= place < len(self._given) else None

    def _sample(self, slot: Slot, trial: Trial) -> TrialConfig:
        """The space's configuration for what the sampler proposes."""
        config = sampled(self.space, trial)
        check_choices(self.space.name, self.question, config)
        if config.arm != "dense" and config.density is None:
            config = config.changed(density=slot.density if self.question.axis else suggest_density(trial))
        check_recordable(self.space.name, trial.params)
        return config
