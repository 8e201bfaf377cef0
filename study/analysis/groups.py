"""Which configurations are drawn in one panel: those of one network, at one rate."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cops_core.scores import kind_of
from study.analysis.configurations import ConfigurationResult, comparable

ARMS = ("prune", "scale", "freeze_wd", "freeze")  # from zero to frozen


@dataclass(frozen=True)
class Group:
    """Configurations that may be compared.

    Attributes:
        title: The title of their panel.
        members: The configurations.
    """

    title: str
    members: tuple[ConfigurationResult, ...]


def networks(found: Iterable[ConfigurationResult]) -> dict[str, list[ConfigurationResult]]:
    """Configurations in groups by network and data set.

    Args:
        found: Configurations of one or several studies.

    Returns:
        The groups, by a name such as `lenet_300_100 on digits`.
    """
    groups: dict[str, list[ConfigurationResult]] = {}
    for each in found:
        config = each.trials[0].config
        groups.setdefault(config.subject, []).append(each)
    return groups


def at_each_rate(found: Sequence[ConfigurationResult]) -> list[Group]:
    """Comparable configurations with a mask, in groups by network and freezing rate.

    Args:
        found: The configurations.

    Returns:
        The groups, the lowest rate first. If the rate is not an axis, each decade of the density is a group.
    """
    split = networks(comparable(found))
    groups = []
    for network, members in split.items():
        places: dict[tuple[float, str], list[ConfigurationResult]] = {}
        for each in members:
            if each.method != "dense":
                places.setdefault(_place(each), []).append(each)
        for (_, place), placed in sorted(places.items(), key=lambda entry: entry[0]):
            title = place if len(split) == 1 else f"{network}\n{place}"
            groups.append(Group(title, tuple(placed)))
    return groups


def arms(found: Iterable[ConfigurationResult]) -> list[str]:
    """The arms with a mask that these configurations have, from pruned to frozen."""
    existing = {each.trials[0].config.arm for each in found}
    return [arm for arm in ARMS if arm in existing]


def of_arm(found: Iterable[ConfigurationResult], arm: str) -> list[ConfigurationResult]:
    """The configurations of one arm."""
    return [each for each in found if each.trials[0].config.arm == arm]


def dense_of(found: Iterable[ConfigurationResult]) -> ConfigurationResult | None:
    """The dense configuration; None if it has not run to its end."""
    return next((each for each in comparable(list(found)) if each.method == "dense"), None)


def scores_of(each: ConfigurationResult) -> tuple[str, tuple[str, ...]]:
    """The names of the scores of a configuration with a mask.

    Args:
        each: The configuration.

    Returns:
        The target, and the controls. A member of the score family has the name of its kind.
    """
    selection = each.trials[0].config.selection
    assert selection is not None
    target, *controls = map(kind_of, selection.scores)
    return target, tuple(controls)


def _place(each: ConfigurationResult) -> tuple[float, str]:
    """The group in which a configuration is compared: a key for the order of groups, and a name."""
    if each.rate is not None:
        return float(each.rate), f"freezing rate {each.rate}"
    decade = math.floor(math.log10(each.density) + 1e-9)
    low, high = Decimal(10) ** decade, Decimal(10) ** (decade + 1)
    return -float(decade), f"density {low:f} to {high:f}"


def half_width(each: ConfigurationResult) -> float:
    """Half the width of the 95 % interval of its mean; NaN with a single seed."""
    found = each.interval
    return found.half_width if found is not None and found.count > 1 else math.nan


def over_seeds(found: Iterable[ConfigurationResult]) -> str:
    """The note on every figure of accuracies: the number of seeds, and the kind of intervals."""
    counts = sorted({len(each.accuracies) for each in comparable(list(found))})
    if not counts or counts[-1] == 1:
        return "one seed each: no intervals"
    return f"means over {counts[-1]} seeds with 95 % intervals (Student's t)"
