"""What is not equal between results that are compared: budgets, epochs, recipes, seeds.

A method's result is the best of the configurations that were tried of it. So the number of these belongs to
the result, and so does everything else that differs apart from the method itself. Every view that shows
results side by side asks here, so that all of them say the same.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from cops_core.config import Training, TrialConfig
from cops_core.trainers import IMAGES, TRAINERS
from study.analysis.configurations import ConfigurationResult

# The names of conditions that are not part of a recipe.
BUDGET, EPOCHS, SEEDS = "configurations", "epochs", "seeds"
SEARCHED = "searched"
UNSET = "none"  # the value of a field that is None: None itself says that a field has no meaning
SETTING = "setting "  # before the name of a trainer's own setting
# Fields of a training that are not part of its recipe: the epochs are a condition of their own, and probes
# change no result.
NOT_RECIPE = ("epochs", "probes")
NAMED_FIELDS = ("trainer", "dataset", "model", "initialization", "validation_fraction")
# Fields of a selection that are in no method's name.
UNNAMED_FIELDS = ("level_kind", "samples_per_class", "if_infeasible")

Conditions = Mapping[str, Hashable]


@dataclass(frozen=True)
class Choice:
    """A configuration, and those from which it was chosen.

    Attributes:
        result: The configuration.
        tried: All from which it was chosen, itself included; without draws that the space rejected, and
            without the networks that are trained on fresh seeds after the choice.
        searched: The fields of its recipe that were searched.
    """

    result: ConfigurationResult
    tried: tuple[ConfigurationResult, ...]
    searched: frozenset[str]

    @property
    def budget(self) -> int:
        """The number of configurations from which it was chosen."""
        return len(self.tried)

    @property
    def stopped(self) -> int:
        """How many of them were stopped early, or got fewer seeds since they could not win any more."""
        seeds = max((len(each.trials) for each in self.tried), default=0)
        return sum(
            each.status == "stopped" or (each.status == "finished" and len(each.trials) < seeds)
            for each in self.tried
        )

    @property
    def shown_budget(self) -> str:
        """`12 (5)`: 12 configurations, of which 5 were stopped early; `12` if none was."""
        return f"{self.budget} ({self.stopped})" if self.stopped else str(self.budget)

    @cached_property
    def conditions(self) -> Conditions:
        """What must be equal in a fair comparison, by name. A field that was searched is `SEARCHED`."""
        config = self.result.trials[0].config
        fixed = {name: SEARCHED if name in self.searched else value for name, value in recipe(config).items()}
        seeds = frozenset(trial.config.seed for trial in self.result.trials if not math.isnan(trial.accuracy))
        return {BUDGET: self.budget, EPOCHS: config.training.epochs, SEEDS: seeds, **fixed}

    def shown(self, name: str) -> str:
        """A condition as text: `12`, `0.05`, `searched, 0.173`; empty if it has no meaning here."""
        condition = self.conditions.get(name)
        if isinstance(condition, frozenset):
            return str(len(condition))
        if condition == SEARCHED:
            return f"{SEARCHED}, {shown_value(recipe(self.result.trials[0].config)[name])}"
        return "" if name not in self.conditions else shown_value(condition)


def recipe(config: TrialConfig) -> dict[str, Hashable]:
    """Everything about a training, except its method, rate, epochs and seed, by the field's name.

    Args:
        config: The configuration.

    Returns:
        The values. With a trainer of one's own: its settings, also those at their defaults.
    """
    values: dict[str, Hashable] = {name: getattr(config, name) for name in NAMED_FIELDS}
    if config.trainer == IMAGES:
        names = [name for name in Training.model_fields if name not in NOT_RECIPE]
        values |= {name: getattr(config.training, name) for name in names}
    else:
        settings = {**TRAINERS[config.trainer].defaults, **config.settings}
        values |= {f"{SETTING}{name}": value for name, value in settings.items()}
    if config.selection is not None:
        values |= {name: getattr(config.selection, name) for name in UNNAMED_FIELDS}
    return {name: UNSET if value is None else value for name, value in values.items()}


def choices(
    chosen: Sequence[ConfigurationResult], found: Sequence[ConfigurationResult]
) -> tuple[Choice, ...]:
    """Configurations with those of the same method at the same rate, from which they were chosen.

    Args:
        chosen: The configurations, of one study.
        found: All configurations of the study.

    Returns:
        The choices, in the same order.
    """
    groups: dict[Hashable, list[ConfigurationResult]] = {}
    for each in found:
        groups.setdefault((each.rate, each.method), []).append(each)
    return tuple(choice(each, groups.get((each.rate, each.method), [each]), found) for each in chosen)


def choice(
    chosen: ConfigurationResult, tried: Sequence[ConfigurationResult], found: Sequence[ConfigurationResult]
) -> Choice:
    """A configuration with those from which it was chosen.

    Args:
        chosen: The configuration.
        tried: Those from which it was chosen.
        found: All configurations of its study.
    """
    tried = [each for each in tried if each.status != "rejected" and each.judges is None]
    return Choice(chosen, tuple(tried), _searched(tried, [each for each in found if _is_proposal(each)]))


def differences(compared: Sequence[Choice]) -> dict[str, tuple[Hashable, ...]]:
    """The conditions that are not the same for all.

    Args:
        compared: Two or more choices; with fewer nothing differs.

    Returns:
        The values of each by the condition's name, in the same order: first budget, epochs and seeds, then
        the recipe. None where the condition has no meaning: a dense network has no selection.
    """
    names = dict.fromkeys(name for each in compared for name in each.conditions)
    values = {name: tuple(each.conditions.get(name) for each in compared) for name in names}
    return {name: found for name, found in values.items() if len(set(found) - {None}) > 1}


def by_rate(compared: Sequence[Choice]) -> list[list[Choice]]:
    """Choices in groups that stand for one comparison each: those of a rate, with the dense network.

    Args:
        compared: The choices, sorted by rate.

    Returns:
        A group for each rate. If the rate is not an axis, all are one group.
    """
    dense = [each for each in compared if each.result.method == "dense"]
    others = [each for each in compared if each.result.method != "dense"]
    groups = [[*dense, *group] for _, group in groupby(others, lambda each: each.result.rate)]
    return groups or [dense]


def shown_value(value: object) -> str:
    """The value of a field as text: `0.05`, `cosine`, `0.9, 0.999`."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return ", ".join(map(shown_value, value)) if isinstance(value, tuple) else str(value)


def _is_proposal(each: ConfigurationResult) -> bool:
    """Whether a sampler proposed it. A baseline has fixed values, also if its space could propose them."""
    first = each.trials[0]
    return bool(first.parameters) and not (first.baseline or first.rejected) and first.judges is None


def _searched(
    tried: Sequence[ConfigurationResult], proposals: Sequence[ConfigurationResult]
) -> frozenset[str]:
    """The fields that were searched among those tried.

    A field was searched if a proposal has a parameter of its name; or if the field varies within the study,
    and varies among those tried, or has the value of a parameter. A single proposal cannot vary: then the
    study decides alone.
    """
    own = [each.trials[0] for each in tried if _is_proposal(each)]
    varying = _varying([recipe(each.trials[0].config) for each in proposals])
    recipes = [recipe(trial.config) for trial in own]
    named = {name for trial in own for name in trial.parameters}
    found = {name for each in recipes for name in each if name.removeprefix(SETTING) in named}
    valued = {
        name
        for each, trial in zip(recipes, own, strict=True)
        for name, value in each.items()
        if value in trial.parameters.values()
    }
    alike = set() if len(own) == 1 else {name for name in varying - valued if name not in _varying(recipes)}
    return frozenset(found | (varying - alike if own else set()))


def _varying(recipes: Sequence[Mapping[str, Hashable]]) -> set[str]:
    values: dict[str, set[Hashable]] = {}
    for each in recipes:
        for name, value in each.items():
            values.setdefault(name, set()).add(value)
    return {name for name, found in values.items() if len(found) > 1}
