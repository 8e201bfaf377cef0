"""Which configuration belongs to each slot of a study: a method's, or a proposal of the sampler."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import Trial

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from search_spaces.baselines import DENSE
from search_spaces.suggest import MAX_DENSITY, MIN_DENSITY, suggest_density
from study.records.trial import StudyTrial
from study.search.combinations import MiddleSampler
from study.search.configuration import Configuration
from study.search.errors import PrunedDrawError, check_choices, check_recordable, sampled
from study.search.first_draws import first_draws
from study.search.fixed_parameters import check_parameters
from study.search.methods import Method, methods_of
from study.search.sampling import Histories, History
from study.search.slots import Slot
from study.settings import Settings


class Proposals:
    """Makes the configurations of a study, without their seeds.

    Args:
        space: The study's space.
        settings: The study's settings.

    Attributes:
        methods: Those of the space, and the baselines.
        base: The dense network with the training in the middle of the space.
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
        self.methods = methods_of(space, lambda trial: sampled(space, trial), compared=self.question.strata)
        if self.question.needs_dense and DENSE not in space.baselines:
            raise InputError(
                f"space {space.name!r} has no dense baseline, which --objective {self.question.name} needs:"
                " add search_spaces.baselines.DENSE to its baselines"
            )
        self.base = DENSE.of(self._middle({}) or self.first_draws[0])
        self.histories = Histories(settings)
        self._given = settings.first
        self._seed = settings.seed
        self._plain: dict[tuple[str, Decimal | None], TrialConfig] = {}

    def plain(self, method: Method, density: Decimal | None) -> TrialConfig:
        """The first configuration of a method, with all numbers in the middle: what its trials are like.

        Args:
            method: The method.
            density: The kept fraction.
        """
        key = method.name, density
        if key not in self._plain:
            config = self._middle(method.fixed(0, self._seed)) or self.first_draws[0]
            made = method.config(config)
            self._plain[key] = made if made.arm == "dense" else made.changed(density=density)
        return self._plain[key]

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
        return self.proposal(number, slot, recorded)()

    def proposal(
        self, number: int, slot: Slot, recorded: StudyTrial | None = None
    ) -> Callable[[], Configuration]:
        """A call that makes the configuration of a number, as `make` does; it may run in another thread."""
        middle = slot.method is not None and slot.place == 0
        sampler = self.histories.sampler(number, middle=middle, replayed=recorded is not None)
        return partial(self._make, number, slot, recorded, sampler)

    def _make(
        self, number: int, slot: Slot, recorded: StudyTrial | None, sampler: BaseSampler
    ) -> Configuration:
        fixed = self._fixed(slot) if recorded is None else recorded.parameters
        trial = self.histories.ask(self.history(slot), fixed, sampler)
        trial.set_user_attr("configuration", number)
        config, rejected = self.base, ""
        try:
            config = self._sample(slot, trial)
        except PrunedDrawError as error:
            if recorded is None and slot.method is None and fixed is not None:
                raise
            check_recordable(self.space.name, trial.params)
            rejected = error.reason
        return Configuration(number, slot, config, dict(trial.params), trial, rejected=rejected)

    def history(self, slot: Slot) -> History:
        """The sampler's history that a slot belongs to."""
        method = slot.method
        if method is None or (not self.question.strata and self._in_main_history(slot, method)):
            return slot.rate, ""
        return slot.rate, method.name if self.question.axis else f"{method.name} {slot.density}"

    def _in_main_history(self, slot: Slot, method: Method) -> bool:
        """Whether a baseline is in the space, with a density that is searched."""
        if method.baseline is not None:
            return False
        return self.question.axis or MIN_DENSITY <= float(slot.density or 1) <= MAX_DENSITY

    def _fixed(self, slot: Slot) -> Mapping[str, Any] | None:
        """The parameters of a method, or those that the user gives; None if the sampler proposes all."""
        if slot.method is None:
            return self._given[slot.place] if slot.place < len(self._given) else None
        fixed = slot.method.fixed(slot.place, self._seed)
        if not self.question.axis and not self.history(slot)[1]:
            fixed["density"] = float(slot.density or 1)
        return fixed

    def _sample(self, slot: Slot, trial: Trial) -> TrialConfig:
        """The space's configuration for what the sampler proposes, as the slot wants it."""
        config = sampled(self.space, trial)
        check_choices(self.space.name, self.question, config)
        method = slot.method
        if method is not None:
            if not method.is_named and method.baseline is None and config.method != method.name:
                raise InputError(
                    f"space {self.space.name!r} gave {config.method!r} where {method.name!r} was expected:"
                    " numbers must not decide between methods"
                )
            config = method.config(config)
        if config.arm != "dense" and config.density is None:
            main = method is None or not self.history(slot)[1]
            searched = not self.question.axis and main
            config = config.changed(density=suggest_density(trial) if searched else slot.density)
        check_recordable(self.space.name, trial.params)
        return config

    def _middle(self, fixed: Mapping[str, Any]) -> TrialConfig | None:
        """The space's configuration with all numbers in the middle; None if the space prunes it."""
        study = optuna.create_study(sampler=MiddleSampler())
        study.enqueue_trial(dict(fixed))
        try:
            return sampled(self.space, study.ask())
        except PrunedDrawError:
            return None
