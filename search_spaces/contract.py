"""The contract of every search space (see `search_spaces.base`), checked on random draws."""

from collections.abc import Iterator

import optuna
from optuna.trial import BaseTrial, FixedTrial, Trial

from cops_core.config import TrialConfig
from cops_core.contracts.base import Check, require
from search_spaces.base import SearchSpace
from search_spaces.baselines import baseline_count
from search_spaces.question import Question

DRAWS = 60

optuna.logging.set_verbosity(optuna.logging.WARNING)


def draws(space: SearchSpace, count: int = DRAWS) -> Iterator[tuple[Trial, TrialConfig]]:
    """Random trials, the same at every call.

    Args:
        space: The search space.
        count: The number of trials.

    Yields:
        Each trial with its configuration, without those that the space prunes.

    Raises:
        ContractError: The space does not return a TrialConfig.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        try:
            config = _sampled(space, trial)
        except optuna.TrialPruned:
            continue
        yield trial, config


def space_is_described(space: SearchSpace) -> None:
    """The space has a question, enough trials for its baselines, and a docstring that describes it."""
    require(isinstance(space.question, Question), f"question is {space.question!r}, not a Question")
    baselines = baseline_count(space.baselines, space.question)
    require(space.trials >= baselines, f"{space.trials} trials are fewer than the {baselines} baselines")
    require(space.description.endswith("."), "its function has no docstring of one sentence with a full stop")


def configurations_are_valid(space: SearchSpace) -> None:
    """Every draw gives a valid configuration, and no parameter changes its range or its choices."""
    for trial, _ in draws(space):
        require(bool(trial.params), "it suggests no parameter: there is nothing to search")


def density_and_seed_are_left_to_the_study(space: SearchSpace) -> None:
    """No configuration sets the density or the seed."""
    for _, config in draws(space):
        require(config.density is None, f"it sets the density, {config.density}")
        require(config.seed == 0, f"it sets the seed, {config.seed}")


def parameters_replay_the_configuration(space: SearchSpace) -> None:
    """The parameters alone give the same configuration again."""
    for trial, config in draws(space):
        require(
            _sampled(space, FixedTrial(trial.params)) == config,
            f"the same parameters give another configuration: {trial.params}",
        )


SPACE_CHECKS: tuple[Check, ...] = (
    Check(space_is_described),
    Check(configurations_are_valid),
    Check(density_and_seed_are_left_to_the_study),
    Check(parameters_replay_the_configuration),
)


def _sampled(space: SearchSpace, trial: BaseTrial) -> TrialConfig:
    """The space's configuration for `trial`, checked to be one."""
    config: object = space.sample(trial)
    require(isinstance(config, TrialConfig), f"it returns {type(config).__name__}, not a TrialConfig")
    assert isinstance(config, TrialConfig)
    return config
