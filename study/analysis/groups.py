"""Which configurations are drawn into one panel: those of one network, at one rate."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cops_core.scores import kind_of
from study.analysis.configurations import ConfigurationResult, comparable

ARMS = ("prune", "scale", "freeze_wd", "freeze")  # from zero to frozen


@dataclass(frozen=True)
class Group:
    """Configurations that may be held against each other, and what a panel of them is called."""

    title: str
    members: tuple[ConfigurationResult, ...]


def networks(found: Iterable[ConfigurationResult]) -> dict[str, list[ConfigurationResult]]:
    """Configurations by network and data set: `lenet_300_100 on digits`."""
    groups: dict[str, list[ConfigurationResult]] = {}
    for each in found:
        config = each.trials[0].config
        groups.setdefault(f"{config.model} on {config.dataset}", []).append(each)
    return groups


def at_each_rate(found: Sequence[ConfigurationResult]) -> list[Group]:
    """Comparable configurations with a mask by network and freezing rate, the lowest rate first.

    Where the rate is no axis each decade of the density is a group.
    """
    split = networks(comparable(found))
    groups = []
    for network, members in split.items():
        places: dict[tuple[float, str], list[ConfigurationResult]] = {}
        for each in members:
            if each.method != "dense":
                places.setdefault(_place(each), []).append(each)
        for (_, place), there in sorted(places.items(), key=lambda entry: entry[0]):
            title = place if len(split) == 1 else f"{network}\n{place}"
            groups.append(Group(title, tuple(there)))
    return groups


def arms(found: Iterable[ConfigurationResult]) -> list[str]:
    """The arms with a mask that there are, from pruned to frozen."""
    there = {each.trials[0].config.arm for each in found}
    return [arm for arm in ARMS if arm in there]


def of_arm(found: Iterable[ConfigurationResult], arm: str) -> list[ConfigurationResult]:
    """Those of one arm."""
    return [each for each in found if each.trials[0].config.arm == arm]


def dense_of(found: Iterable[ConfigurationResult]) -> ConfigurationResult | None:
    """The dense configuration, if it has run to its end."""
    return next((each for each in comparable(list(found)) if each.method == "dense"), None)


def scores_of(each: ConfigurationResult) -> tuple[str, tuple[str, ...]]:
    """Target and controls of a configuration with a mask; of members of the family their kinds."""
    selection = each.trials[0].config.selection
    assert selection is not None
    target, *controls = map(kind_of, selection.scores)
    return target, tuple(controls)


def _place(each: ConfigurationResult) -> tuple[float, str]:
    """Where a configuration is compared: a key by which places are ordered, and its name."""
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
    """What every figure of accuracies says of itself: over how many seeds, and what its intervals are."""
    counts = sorted({len(each.accuracies) for each in comparable(list(found))})
    if not counts or counts[-1] == 1:
        return "one seed each: no intervals"
    return f"means over {counts[-1]} seeds with 95 % intervals (Student's t)"
