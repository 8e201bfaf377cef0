"""The sampler's histories, as Optuna studies in memory: proposals are asked for, results are passed on."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import Trial

from cops_core.streams import derive_seed
from study.records.trial import StudyTrial
from study.search.combinations import MiddleSampler
from study.search.configuration import Configuration
from study.search.outcome import Outcome, outcome_of
from study.search.samplers import SAMPLERS, substitute_sampler
from study.settings import Settings

optuna.logging.set_verbosity(optuna.logging.WARNING)


# A rate (None where it is not an axis, and for the dense network), and a method; empty for any method.
History = tuple[Decimal | None, str]


class Histories:
    """What the sampler knows: an Optuna study for each rate if the rate is an axis, else a single one.

    A study that compares methods has one for each method at each rate. In other studies, a baseline that is
    not in the space has its own. A proposal's random stream is derived from the study's seed and the
    proposal's number.

    Args:
        settings: The study's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._sampler = SAMPLERS[settings.sampler]
        self._seed = settings.seed
        self._seeds = settings.seeds
        self._question = settings.question
        self._studies: dict[History, optuna.Study] = {}
        if not self._question.strata:
            for rate in self._question.rates if self._question.axis else (None,):
                self._study((rate, ""))

    @property
    def by_name(self) -> dict[str, optuna.Study]:
        """The Optuna studies by name: the rate, `all` if it is not an axis, `0.99 freeze snip` of a method.

        Baselines outside the space of a search are left out.
        """
        return {
            " ".join(filter(None, ("" if rate is None else str(rate), method))) or "all": study
            for (rate, method), study in self._studies.items()
            if self._question.strata or not method
        }

    def sampler(self, number: int, *, middle: bool = False, replayed: bool = False) -> BaseSampler:
        """The sampler for a single proposal.

        Args:
            number: The number of the configuration.
            middle: Whether parameters that are not fixed have the middle of their range.
            replayed: Whether they are recorded. Then only samplers that keep a state need to draw.

        Returns:
            Optuna's sampler.
        """
        if middle:
            return MiddleSampler()
        if replayed and not self._sampler.replays:
            return substitute_sampler()
        return self._sampler.make(derive_seed(self._seed, "proposal", number), self._seed)

    def ask(self, history: History, fixed: Mapping[str, Any] | None, sampler: BaseSampler) -> Trial:
        """The next trial in a history.

        Args:
            history: Which history.
            fixed: Parameters that the sampler does not choose; None if it chooses all.
            sampler: As `sampler` returned it.

        Returns:
            Optuna's trial.
        """
        study = self._study(history)
        if fixed is not None:
            study.enqueue_trial(dict(fixed))
        study.sampler = sampler
        return study.ask()

    def outcome(self, configuration: Configuration, dense: Sequence[StudyTrial]) -> Outcome:
        """What the sampler receives about a configuration.

        Args:
            configuration: The configuration, whose trials have all ended.
            dense: The trials of the dense network, once there are any.

        Returns:
            Its outcome as it is now.
        """
        return outcome_of(
            configuration.trials,
            self._question,
            raced_out=len(configuration.trials) < self._seeds,
            dense=dense,
        )

    def tell(self, history: History, optuna_trial: Trial, outcome: Outcome) -> None:
        """Pass the outcome of a configuration to the sampler.

        Args:
            history: The configuration's history.
            optuna_trial: Optuna's trial.
            outcome: The outcome.
        """
        outcome.tell(self._study(history), optuna_trial)

    def _study(self, history: History) -> optuna.Study:
        """The Optuna study of a history, made when it is first used."""
        if history not in self._studies:
            self._studies[history] = optuna.create_study(directions=self._question.directions)
        return self._studies[history]
