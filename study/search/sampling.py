"""The sampler's histories, as Optuna studies in memory: proposals are asked for, results are passed on."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import optuna
from optuna.trial import Trial

from cops_core.streams import derive_seed
from study.search.configuration import Configuration
from study.search.outcome import tell_sampler
from study.search.samplers import SAMPLERS, substitute_sampler
from study.settings import Settings

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Histories:
    """What the sampler knows: one Optuna study for each rate if the rate is an axis, else a single one.

    A proposal's random stream is derived from the study's seed and the proposal's number.

    Args:
        settings: The study's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._sampler = SAMPLERS[settings.sampler]
        self._seed = settings.seed
        self._seeds = settings.seeds
        self._question = question = settings.question
        rates = question.rates if question.axis else (None,)
        self._studies = {rate: optuna.create_study(directions=question.directions) for rate in rates}

    @property
    def by_rate(self) -> dict[str, optuna.Study]:
        """The Optuna studies by rate as text; `all` if the rate is not an axis."""
        return {"all" if rate is None else str(rate): study for rate, study in self._studies.items()}

    def ask(
        self,
        rate: Decimal | None,
        number: int,
        fixed: Mapping[str, Any] | None,
        *,
        replayed: bool = False,
    ) -> Trial:
        """The sampler's next trial in a history.

        Args:
            rate: The history; None if the rate is not an axis.
            number: The number of the configuration.
            fixed: Parameters that the sampler does not choose; None if it chooses all.
            replayed: Whether they are recorded. Then only samplers that keep a state need to draw.

        Returns:
            Optuna's trial.
        """
        study = self._studies[rate]
        if fixed is not None:
            study.enqueue_trial(dict(fixed))
        if replayed and not self._sampler.replays:
            study.sampler = substitute_sampler()
        else:
            study.sampler = self._sampler.make(derive_seed(self._seed, "proposal", number), self._seed)
        return study.ask()

    def tell(self, configuration: Configuration, dense: Configuration | None) -> None:
        """Pass the result of a configuration to the sampler, if it is in a history.

        Args:
            configuration: The configuration, whose trials have all ended.
            dense: The dense baseline, once it has been proposed.
        """
        if configuration.optuna_trial is None:
            return
        tell_sampler(
            self._studies[configuration.slot.history],
            configuration.optuna_trial,
            configuration.trials,
            self._question,
            raced_out=len(configuration.trials) < self._seeds,
            dense=() if dense is None else dense.trials,
        )
