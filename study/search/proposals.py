"""Which configuration stands at each slot of a study: a baseline's, or what the sampler proposes."""

from collections.abc import Mapping
from typing import Any

from optuna.trial import Trial

from cops_core.config import TrialConfig
from search_spaces.base import SearchSpace
from search_spaces.baselines import baseline_config, dense_baseline, first_config, in_space
from search_spaces.suggest import MAX_DENSITY, MIN_DENSITY, suggest_density
from study.search.configuration import Configuration
from study.search.errors import check_choices, recordable, space_errors
from study.search.given import check_given
from study.search.sampling import Histories
from study.search.slots import Slot, baseline_count, slots
from study.settings import Settings


class Proposals:
    """Makes the configurations of a space, without their seeds.

    base: the dense baseline, on which the others are built. histories: what the sampler knows.

    Raises InputError if the space fails, if it chooses what is not its to choose, or if it cannot be
    given the first proposals of the settings.
    """

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.space = space
        self.question = settings.question
        with space_errors(space.name):
            first = first_config(space, settings.seed)
        check_choices(space.name, self.question, first)
        for place, parameters in enumerate(settings.first, start=1):
            check_given(space, self.question, parameters, f"configuration {place} of those given")
        self.base = dense_baseline(first)
        self.histories = Histories(settings)
        self._given = settings.first

    @property
    def baselines(self) -> list[TrialConfig]:
        """The configurations that every study of this question begins with."""
        return [self.plain(slot) for slot in slots(self.question, baseline_count(self.question))]

    def plain(self, slot: Slot) -> TrialConfig:
        """The configuration of a baseline that is outside the sampler's history."""
        config = baseline_config(self.base, slot.baseline) if slot.baseline else self.base
        return config.changed(density=slot.density)

    def make(self, number: int, slot: Slot, recorded: Mapping[str, Any] | None = None) -> Configuration:
        """The configuration of that number.

        recorded: its parameters, where a recorded study is repeated.
        Raises InputError if the space fails on the parameters, or gives what cannot be recorded.
        """
        if not self._in_history(slot):
            return Configuration(number, slot, self.plain(slot))
        replayed = recorded is not None
        asked = self.histories.ask(
            slot.history, number, recorded if replayed else self._fixed(number, slot), replayed=replayed
        )
        config = self._sample(slot, asked)
        asked.set_user_attr("configuration", number)
        return Configuration(number, slot, config, dict(asked.params), asked)

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
        """The parameters of a baseline or of a given proposal; None where the sampler is free."""
        if slot.baseline is not None:
            density = {} if slot.density is None else {"density": float(slot.density)}
            return {**slot.baseline, **density}
        # Each of those given is tried at each rate, after the baselines.
        place = number - baseline_count(self.question)
        if self.question.axis:
            place //= len(self.question.rates)
        return self._given[place] if 0 <= place < len(self._given) else None

    def _sample(self, slot: Slot, asked: Trial) -> TrialConfig:
        """The space's configuration for what the sampler proposes."""
        with space_errors(self.space.name):
            config = self.space.sample(asked)
        check_choices(self.space.name, self.question, config)
        if config.arm != "dense" and config.density is None:
            config = config.changed(density=slot.density if self.question.axis else suggest_density(asked))
        recordable(self.space.name, asked.params)
        return config
