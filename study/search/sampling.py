"""Asking and telling the sampler: its histories are Optuna studies in memory."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import optuna
from optuna.trial import Trial

from cops_core.streams import derive_seed
from study.search.configuration import Configuration
from study.search.outcome import tell_sampler
from study.search.samplers import SAMPLERS, standin
from study.settings import Settings

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Histories:
    """What the sampler knows: one Optuna study for each rate where the rate is an axis, else a single one.

    A proposal's random stream is derived from the study's seed and the proposal's number.
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
        """The studies by rate as text; `all` where the rate is no axis."""
        return {"all" if rate is None else str(rate): study for rate, study in self._studies.items()}

    def ask(
        self, rate: Decimal | None, number: int, fixed: Mapping[str, Any] | None, *, replayed: bool
    ) -> Trial:
        """The sampler's next trial in a history.

        number: of the configuration. fixed: parameters that are not the sampler's to choose.
        replayed: whether they are recorded, so that only samplers that keep a state need to draw.
        """
        study = self._studies[rate]
        if fixed is not None:
            study.enqueue_trial(dict(fixed))
        if replayed and not self._sampler.replays:
            study.sampler = standin()
        else:
            proposal_seed = derive_seed(self._seed, "proposal", number)
            study.sampler = self._sampler.make(proposal_seed, self._seed)
        return study.ask()

    def tell(self, configuration: Configuration, dense: Configuration | None) -> None:
        """How a configuration did whose trials have all ended, if it is in a history.

        dense: the dense baseline, once it has been proposed.
        """
        if configuration.asked is None:
            return
        tell_sampler(
            self._studies[configuration.slot.history],
            configuration.asked,
            configuration.trials,
            self._question,
            raced_out=len(configuration.trials) < self._seeds,
            dense=() if dense is None else dense.trials,
        )
