"""How the next configuration is proposed: Optuna's samplers, used such that only the history decides."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits

from study.settings import SamplerName

# TPE and GP start to model once this many trials of a history have ended; before that they draw at random.
# A rate of the quickstart has eight trials in total: with Optuna's default of ten nothing would be modelled.
STARTUP_TRIALS = 5
# The size of a generation of NSGA-II, of which the first is drawn at random. With Optuna's default of fifty
# a study of sixty trials would hardly be a search.
POPULATION = 20

optuna.logging.set_verbosity(optuna.logging.WARNING)
# QMC warns that it draws conditional parameters independently, which is intended. GP warns that all
# proposals seem equally good, which is so while no trial has met the constraints, and that another package
# would make it faster.
logging.getLogger("optuna.samplers._qmc").setLevel(logging.ERROR)
logging.getLogger("optuna._gp").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Sampler:
    """A way to propose configurations.

    A study is rebuilt from its records by repeating its events in their order. Each recorded proposal has its
    parameters enqueued, and `make` or `substitute_sampler` as its sampler.

    Attributes:
        draw: From the proposal's seed and the study's seed, both of 32 bits, to Optuna's sampler.
        replays: Whether recorded proposals need `make`, too, since the sampler keeps state in the Optuna
            study: the position in a sequence, or a trial's generation.
    """

    draw: Callable[[int, int], BaseSampler]
    replays: bool = False

    def make(self, proposal_seed: int, study_seed: int) -> BaseSampler:
        """The sampler for a single proposal, which depends on the history and the seeds alone.

        Args:
            proposal_seed: 32 bits, different for each proposal.
            study_seed: 32 bits, the same for all proposals of a study.

        Returns:
            Optuna's sampler.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self.draw(proposal_seed, study_seed)


def substitute_sampler() -> BaseSampler:
    """The sampler for recorded proposals of a sampler that does not replay: all parameters are enqueued."""
    return RandomSampler(seed=0)


@final
class SingleProposalSampler(BaseSampler):
    """A sampler for a single proposal, which is drawn at once, by the only process that asks for proposals.

    Optuna draws later: when a space suggests the first parameter that is not enqueued. For a recorded
    proposal this never happens, and a sampler with state would not count it.

    TPE and GP store what they drew for a running trial, for other processes that ask before the space has
    chosen from it. Here the space has chosen before the next proposal, and this note would be harmful. In a
    conditional space it names parameters that the trial does not have, so the model would count them as being
    tried. And no record contains them, so a rebuilt study would continue differently.

    Args:
        sampler: Optuna's sampler.
        note: The first of the trial's system attributes that contain what was drawn.
        single_thread: Whether to draw with one thread (3 ms to arrange it).
    """

    def __init__(self, sampler: BaseSampler, note: str | None = None, single_thread: bool = False) -> None:
        self._single_thread = single_thread
        self._sampler = sampler
        self._note = note
        self._space: dict[str, BaseDistribution] = {}
        self._parameters: dict[str, Any] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Draw the joint parameters, and empty the note, which Optuna reads as no note."""
        self._sampler.before_trial(study, trial)
        self._space = self._sampler.infer_relative_search_space(study, trial)
        with np.errstate(invalid="ignore"):  # GP divides by 0 if all proposals seem equally good
            self._parameters = self._draw(study, trial)
        if self._note is not None:
            study._storage.set_trial_system_attr(trial._trial_id, self._note, "")

    def _draw(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        if not self._single_thread:
            return self._sampler.sample_relative(study, trial, self._space)
        with threadpool_limits(1):
            return self._sampler.sample_relative(study, trial, self._space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are drawn jointly."""
        return self._space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Their values."""
        return self._parameters

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a parameter that is not drawn jointly."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Inform Optuna's sampler that a trial has ended."""
        self._sampler.after_trial(study, trial, state, values)


def _tpe(proposal_seed: int, study_seed: int) -> BaseSampler:
    """TPE over all parameters jointly, in groups by the conditions under which they exist."""
    sampler = TPESampler(seed=proposal_seed, n_startup_trials=STARTUP_TRIALS, multivariate=True, group=True)
    return SingleProposalSampler(sampler, "tpe:relative_params:0")


def _random(proposal_seed: int, study_seed: int) -> BaseSampler:
    """Each parameter independently of the others and of the history."""
    return RandomSampler(seed=proposal_seed)


def _qmc(proposal_seed: int, study_seed: int) -> BaseSampler:
    """The next point of one Sobol sequence, scrambled by the study's seed.

    The sequence covers the parameters of the history's first trial. Others are drawn at random from the
    proposal's seed: from the study's seed each proposal would have the same values.
    """
    sampler = QMCSampler(
        scramble=True,
        seed=study_seed,
        independent_sampler=RandomSampler(seed=proposal_seed),
        warn_independent_sampling=False,
    )
    return SingleProposalSampler(sampler)


def _nsga2(proposal_seed: int, study_seed: int) -> BaseSampler:
    """NSGA-II; parameters that not every trial has are drawn at random."""
    return SingleProposalSampler(NSGAIISampler(population_size=POPULATION, seed=proposal_seed))


def _gp(proposal_seed: int, study_seed: int) -> BaseSampler:
    """A Gaussian process over the parameters that every trial has; the others are drawn at random.

    It uses finished trials only, and ignores stopped ones.
    """
    sampler = GPSampler(seed=proposal_seed, n_startup_trials=STARTUP_TRIALS, warn_independent_sampling=False)
    # Its many small products took 3 s per proposal on two busy cores, and 0.4 s with one thread.
    return SingleProposalSampler(sampler, "gp:relative_params:0", single_thread=True)


SAMPLERS: Mapping[SamplerName, Sampler] = {
    "tpe": Sampler(_tpe),
    "random": Sampler(_random),
    "qmc": Sampler(_qmc, replays=True),
    "nsga2": Sampler(_nsga2, replays=True),
    "gp": Sampler(_gp),
    "grid": Sampler(_random),  # every parameter is fixed
}
