"""The methods of a space: what is compared, and what remains to be searched within each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from optuna.trial import Trial

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.streams import stream
from cops_core.trial_state import config_hash
from search_spaces.base import SearchSpace
from search_spaces.baselines import Baseline
from study.search.combinations import MOST_COMBINATIONS, Combination, combinations

# Numbers lie here in their ranges, to see which of them matter; not in the middle, not at an end.
ELSEWHERE = 0.31

Sample = Callable[[Trial], TrialConfig]


@dataclass(frozen=True)
class Method:
    """A method of a study.

    Attributes:
        name: Its name in tables.
        choices: The space's combinations of choices that are this method, without its numbers.
        searches_numbers: Whether numbers remain to be searched. If not, there are no more configurations than
            `choices`.
        baseline: What replaces arm and selection of the space's configurations; None for a method of the
            space itself.
        is_named: Whether the space gives it its name.
        is_dense: Whether it is the dense network, which has no rate.
    """

    name: str
    choices: tuple[Mapping[str, Any], ...]
    searches_numbers: bool
    baseline: Baseline | None = None
    is_named: bool = False
    is_dense: bool = False

    def count(self, most: int) -> int:
        """How many configurations it has if it may have so many: fewer if there are no more.

        Args:
            most: At least 1.
        """
        return most if self.searches_numbers else min(most, len(self.choices))

    def fixed(self, place: int, seed: int) -> dict[str, Any]:
        """The parameters that the sampler does not choose in one of the method's configurations.

        Without numbers each configuration has other choices: the first ones, then the others in random order.
        With numbers the sampler chooses, too, between choices that go with each other; where they do not,
        they are drawn.

        Args:
            place: Which of its configurations, from 0 on.
            seed: The study's.

        Returns:
            Values by the parameter's name.
        """
        if self.searches_numbers and self._are_free:
            return dict(self._common)
        if place == 0:
            return dict(self.choices[0])
        if self.searches_numbers:
            drawn = stream(seed, "choices", self.name, place).randint(len(self.choices))
            return dict(self.choices[int(drawn)])
        order = stream(seed, "choices", self.name).permutation(len(self.choices) - 1)
        return dict(self.choices[1 + int(order[place - 1])])

    def config(self, config: TrialConfig) -> TrialConfig:
        """The method's configuration from one of the space."""
        return config if self.baseline is None else self.baseline.of(config)

    @cached_property
    def _common(self) -> dict[str, Any]:
        """The choices that are the same in all combinations."""
        first, *others = self.choices
        return {
            name: value
            for name, value in first.items()
            if all(name in other and _same(other[name], value) for other in others)
        }

    @cached_property
    def _are_free(self) -> bool:
        """Whether each of the other choices goes with all others."""
        if len(self.choices) == 1:
            return True
        if self.baseline is not None or len({tuple(choices) for choices in self.choices}) > 1:
            return False
        counts = [len({repr(choices[name]) for choices in self.choices}) for name in self.choices[0]]
        return prod(counts) == len(self.choices)


@dataclass(frozen=True)
class Methods:
    """The methods of a study: those of its space, and its baselines.

    Attributes:
        own: The methods of the space; empty if they are too many to be listed.
        baselines: The baselines, in order. One that is in the space is its method.
    """

    own: tuple[Method, ...]
    baselines: tuple[Method, ...]

    @property
    def every(self) -> tuple[Method, ...]:
        """Each method once: the baselines first."""
        names = {method.name for method in self.baselines}
        return (*self.baselines, *(method for method in self.own if method.name not in names))


def methods_of(space: SearchSpace, sample: Sample, *, compared: bool) -> Methods:
    """The methods of a space and its baselines.

    Args:
        space: The space.
        sample: Returns the space's checked configuration for a draw, without a density that the study sets.
        compared: Whether methods are what the study compares. They then have the names that the space gives.

    Returns:
        The methods.

    Raises:
        InputError: The space fails. If methods are compared also: they are too many to be listed, depend on
            a number, or the space names some that it does not have.
    """
    found = _found(sample)
    if compared and space.methods is not None:
        own = _named(space, sample)
    else:
        own = _by_name([pair for pair in found or () if pair.has_one_name])
        if compared:
            _check_listed(space, found)
    in_space = {method.name: method for method in own if not (method.is_named or method.is_dense)}
    if any(pair.middle.config.density is not None for pair in found or ()):
        in_space = {}  # the study decides the density of a baseline
    baselines = [in_space.get(each.name) or _baseline(each, found) for each in space.baselines]
    return Methods(own, tuple(baselines))


@dataclass(frozen=True)
class _Pair:
    """A combination twice: numbers in the middle of their ranges, and elsewhere."""

    middle: Combination
    elsewhere: Combination | None

    @property
    def has_one_name(self) -> bool:
        """Whether its method is the same, wherever the numbers are."""
        return self.elsewhere is None or self.elsewhere.config.method == self.middle.config.method

    def matters(self, baseline: Baseline | None = None) -> bool:
        """Whether numbers change the configuration."""
        if not self.middle.numbers:
            return False
        if self.elsewhere is None:
            return True
        one, other = self.middle.config, self.elsewhere.config
        return one != other if baseline is None else baseline.of(one) != baseline.of(other)


def _found(sample: Sample, fixed: Mapping[str, Any] | None = None) -> list[_Pair] | None:
    """The combinations of a space; None if there are too many."""
    middle = combinations(sample, fixed)
    if middle is None:
        return None
    others = {repr(each.parameters): each for each in combinations(sample, fixed, ELSEWHERE) or ()}
    return [_Pair(each, others.get(repr(each.parameters))) for each in middle]


def _check_listed(space: SearchSpace, pairs: Sequence[_Pair] | None) -> None:
    """Raise InputError unless choices alone decide the methods, and these can be listed."""
    if pairs is None:
        raise InputError(
            f"space {space.name!r} has more than {MOST_COMBINATIONS} combinations of choices: name the"
            " methods that are compared (methods = {NAME: {PARAMETER: VALUE}} in the space's file)"
        )
    for pair in pairs:
        if pair.elsewhere is not None and not pair.has_one_name:
            raise InputError(
                f"space {space.name!r}: numbers ({', '.join(pair.middle.numbers)}) decide between the methods"
                f" {pair.middle.config.method!r} and {pair.elsewhere.config.method!r}: suggest a choice"
                " instead, or name the methods (methods = {NAME: {PARAMETER: VALUE}})"
            )


def _by_name(pairs: Sequence[_Pair]) -> tuple[Method, ...]:
    """The methods as their configurations name them, in the order in which the space gives them."""
    groups: dict[str, list[_Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.middle.config.method, []).append(pair)
    return tuple(
        Method(
            name,
            tuple(pair.middle.parameters for pair in _different(group)),
            any(pair.matters() for pair in group),
            is_dense=_is_dense(group),
        )
        for name, group in groups.items()
    )


def _different(pairs: Sequence[_Pair], baseline: Baseline | None = None) -> list[_Pair]:
    """The first of all combinations that give the same configurations."""
    found: dict[tuple[str, ...], _Pair] = {}
    for pair in pairs:
        configs = [each.config for each in (pair.middle, pair.elsewhere) if each is not None]
        changed = configs if baseline is None else [baseline.of(config) for config in configs]
        found.setdefault(tuple(map(config_hash, changed)), pair)
    return list(found.values())


def _named(space: SearchSpace, sample: Sample) -> tuple[Method, ...]:
    """The methods that the space names."""
    found: list[Method] = []
    for name, fixed in (space.methods or {}).items():
        if name in {baseline.name for baseline in space.baselines}:
            raise InputError(
                f"space {space.name!r}: {name!r} is the name of a baseline: give its method another"
            )
        pairs = _found(sample, fixed)
        if pairs is None:  # too many to be listed: the sampler chooses between them
            found.append(Method(name, (dict(fixed),), searches_numbers=True, is_named=True))
            continue
        if not pairs:
            raise InputError(f"space {space.name!r} prunes every draw of its method {name!r}: change that")
        choices = tuple(_with_numbers(space, name, fixed, pair.middle) for pair in _different(pairs))
        searches = any(pair.matters() for pair in pairs)
        found.append(Method(name, choices, searches, is_named=True, is_dense=_is_dense(pairs)))
    return tuple(found)


def _is_dense(pairs: Sequence[_Pair]) -> bool:
    """Whether these are configurations of the dense network."""
    return all(pair.middle.config.arm == "dense" for pair in pairs)


def _with_numbers(
    space: SearchSpace, name: str, fixed: Mapping[str, Any], combination: Combination
) -> dict[str, Any]:
    """The choices of a combination, and the numbers that the method fixes."""
    for parameter, value in fixed.items():
        if parameter not in combination.parameters and parameter not in combination.numbers:
            known = ", ".join((*combination.parameters, *combination.numbers))
            raise InputError(
                f"space {space.name!r}: its method {name!r} fixes {parameter!r}, which the space does not"
                f" suggest there (it suggests {known}): leave it out"
            )
        if not _same(combination.parameters.get(parameter, value), value):
            raise InputError(
                f"space {space.name!r}: its method {name!r} fixes {parameter!r} at {value!r}, which is not"
                " among its values: write one of them"
            )
    numbers = {parameter: fixed[parameter] for parameter in combination.numbers if parameter in fixed}
    return {**combination.parameters, **numbers}


def _baseline(baseline: Baseline, pairs: Sequence[_Pair] | None) -> Method:
    """A baseline that is not in the space. Of choices that give the same configuration the first is taken."""
    if not pairs:
        dense = baseline.selection is None
        return Method(baseline.name, ({},), searches_numbers=True, baseline=baseline, is_dense=dense)
    different = _different(pairs, baseline)
    return Method(
        baseline.name,
        tuple(pair.middle.parameters for pair in different),
        any(pair.matters(baseline) for pair in different),
        baseline,
        is_dense=baseline.selection is None,
    )


def check_finite(space: SearchSpace, methods: Methods) -> None:
    """Check that all configurations of a space can be tried.

    Raises:
        InputError: A number is searched, or there are too many combinations.
    """
    if not methods.own:
        raise InputError(
            f"space {space.name!r} has more than {MOST_COMBINATIONS} combinations of choices: write another"
            " --sampler than grid"
        )
    for method in methods.every:
        if method.searches_numbers:
            raise InputError(
                f"--sampler grid needs a space whose choices are finite, and {space.name!r} searches numbers"
                f" with {method.name!r}: suggest choices or steps, or write another --sampler"
            )


def _same(one: object, other: object) -> bool:
    """Whether two choices are the same: True is not 1."""
    return type(one) is type(other) and one == other
