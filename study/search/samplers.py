"""How the next configuration is proposed: Optuna's samplers, so used that the history alone decides."""

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

# TPE and GP begin to model once this many trials of a history have ended; before, they draw at random.
# A rate of the quickstart has eight trials in all: Optuna's own ten would never model anything.
STARTUP_TRIALS = 5
# Of a generation of NSGA-II; the first one is drawn at random. With Optuna's own fifty, a study of
# sixty trials would hardly be a search.
POPULATION = 20

optuna.logging.set_verbosity(optuna.logging.WARNING)
# QMC warns that it draws conditional parameters independently of each other, which is meant; GP, that
# one proposal looks as good as any other, as they do while no trial has met the constraints, and that it
# would be faster with another package.
logging.getLogger("optuna.samplers._qmc").setLevel(logging.ERROR)
logging.getLogger("optuna._gp").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Sampler:
    """A way to propose configurations.

    A study is rebuilt from its record by asking and telling in the true order of its events, each
    recorded proposal with its parameters enqueued and `make` or `standin` as the study's sampler.

    draw: from the proposal's seed and the study's seed, both 32 bits, to Optuna's sampler.
    replays: whether recorded proposals, too, need `make`, because the sampler keeps state in the Optuna
    study (the place in a sequence, a trial's generation).
    """

    draw: Callable[[int, int], BaseSampler]
    replays: bool = False

    def make(self, proposal_seed: int, study_seed: int) -> BaseSampler:
        """The sampler for a single proposal: what it proposes depends on the history and the seeds."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self.draw(proposal_seed, study_seed)


def standin() -> BaseSampler:
    """The sampler for a recorded proposal of one that does not replay: all parameters are enqueued."""
    return RandomSampler(seed=0)


@final
class Alone(BaseSampler):
    """A sampler for a single proposal, which is drawn when it is asked for, by the only process that asks.

    Optuna draws later: when a space suggests the first parameter that is not enqueued. For a recorded
    proposal that is never, and a sampler with state would not notice it.

    TPE and GP note what they drew for a running trial, for other processes that ask before the space has
    chosen from it. Here it has chosen before anybody asks again, and the note would do harm: in a
    conditional space it names parameters that the trial does not have, so that the model would count
    them as being tried; and no record has them, so that a rebuilt study would go on differently.
    """

    def __init__(self, sampler: BaseSampler, note: str | None = None, single_thread: bool = False) -> None:
        """note: the first of the trial's system attributes that hold what was drawn.

        single_thread: whether to draw with one thread (3 ms to arrange it).
        """
        self._single_thread = single_thread
        self._sampler = sampler
        self._note = note
        self._space: dict[str, BaseDistribution] = {}
        self._parameters: dict[str, Any] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Draw the parameters that are drawn together; the note is left empty, which reads as none."""
        self._sampler.before_trial(study, trial)
        self._space = self._sampler.infer_relative_search_space(study, trial)
        with np.errstate(invalid="ignore"):  # GP divides by 0 where all proposals look equally good
            self._parameters = self._draw(study, trial)
        if self._note is not None:
            study._storage.set_trial_system_attr(trial._trial_id, self._note, "")

    def _draw(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        if not self._single_thread:
            return self._sampler.sample_relative(study, trial, self._space)
        with threadpool_limits(1):
            return self._sampler.sample_relative(study, trial, self._space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that were drawn together."""
        return self._space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Their values."""
        return self._parameters

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a parameter that is not among them."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """A trial has ended."""
        self._sampler.after_trial(study, trial, state, values)


def _tpe(proposal_seed: int, study_seed: int) -> BaseSampler:
    """TPE over all parameters together, grouped by the conditions under which they exist."""
    sampler = TPESampler(seed=proposal_seed, n_startup_trials=STARTUP_TRIALS, multivariate=True, group=True)
    return Alone(sampler, "tpe:relative_params:0")


def _random(proposal_seed: int, study_seed: int) -> BaseSampler:
    """Each parameter on its own, whatever came before."""
    return RandomSampler(seed=proposal_seed)


def _qmc(proposal_seed: int, study_seed: int) -> BaseSampler:
    """The next point of one Sobol sequence, scrambled by the study's seed.

    The sequence spans the parameters of the history's first trial; others are drawn at random, by the
    proposal's seed: by the study's, each proposal would have the same.
    """
    sampler = QMCSampler(
        scramble=True,
        seed=study_seed,
        independent_sampler=RandomSampler(seed=proposal_seed),
        warn_independent_sampling=False,
    )
    return Alone(sampler)


def _nsga2(proposal_seed: int, study_seed: int) -> BaseSampler:
    """NSGA-II; parameters that not every trial has are drawn at random."""
    return Alone(NSGAIISampler(population_size=POPULATION, seed=proposal_seed))


def _gp(proposal_seed: int, study_seed: int) -> BaseSampler:
    """A Gaussian process over the parameters that every trial has; the others are drawn at random.

    It knows finished trials only: stopped ones teach it nothing.
    """
    sampler = GPSampler(seed=proposal_seed, n_startup_trials=STARTUP_TRIALS, warn_independent_sampling=False)
    # Its many small products took 3 s a proposal on two busy cores, and 0.4 s with one thread each.
    return Alone(sampler, "gp:relative_params:0", single_thread=True)


SAMPLERS: Mapping[SamplerName, Sampler] = {
    "tpe": Sampler(_tpe),
    "random": Sampler(_random),
    "qmc": Sampler(_qmc, replays=True),
    "nsga2": Sampler(_nsga2, replays=True),
    "gp": Sampler(_gp),
}
