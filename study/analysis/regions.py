"""Which region of the score family is best at which density: the best configurations, and all others.

Nothing is fitted to the powers. The best tenth is described, and all configurations of the family at the same
rate or density, with the probability that accuracies differ as much by chance. With fewer than `FEWEST`
configurations there is no description.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from cops_core.scores import Member, member_of
from cops_core.scores.family import WEIGHTS
from study.analysis.configurations import ConfigurationResult
from study.analysis.groups import Group, at_each_rate
from study.analysis.statistics import differ, holm, trend

FEWEST = 20  # configurations at a rate; with fewer the best are not described
SHARE = 0.1  # the share of them that counts as the best
LEAST = 3  # the smallest number of the best
BIN = 0.5  # the width of the bins of a power, between which accuracies are compared
SIGNIFICANT = 0.05
ASPECTS = ("accuracy of the best", "functional", "p", "r", "arm", "controls", "rounds")
CAVEAT = (
    "The best tenth of each column, by the validation accuracies that also guided the search. If the density"
    " is searched, they are those farthest above the column's trend in it (Theil-Sen line). An aspect"
    " is more than chance if accuracies differ between its values by the Kruskal-Wallis test (powers in steps"
    " of 0.5), at 5 % for all aspects of a column together (Holm). A sampler that learns repeats good"
    " combinations, so one aspect may stand for another. With one seed each, the best are partly lucky."
)


@dataclass(frozen=True)
class FamilyConfiguration:
    """A configuration whose target score is in the family.

    Attributes:
        result: The configuration.
        member: Its target.
        residual_accuracy: Its mean accuracy without the part that its density explains.
    """

    result: ConfigurationResult
    member: Member
    residual_accuracy: float

    @property
    def functional(self) -> str:
        """`loss`, `gradient_flow signed`, `weights`."""
        return (self.member.functional or WEIGHTS) + (" signed" if self.member.form == "signed" else "")

    @property
    def arm(self) -> str:
        """The treatment of the weights outside the mask."""
        return self.result.trials[0].config.arm

    @property
    def controls(self) -> int:
        """The number of control scores."""
        selection = self.result.trials[0].config.selection
        return 0 if selection is None else len(selection.controls)

    @property
    def rounds(self) -> int:
        """The number of rounds in which the weights are chosen."""
        selection = self.result.trials[0].config.selection
        return 1 if selection is None else selection.rounds


@dataclass(frozen=True)
class Aspect:
    """One property of the best configurations.

    Attributes:
        name: The property, e.g. `arm`.
        text: Its values among the best, and among all.
        chance: The probability that accuracies differ as much between its values if it has no influence.
    """

    name: str
    text: str
    chance: float


@dataclass(frozen=True)
class Region:
    """The configurations of the family at one rate, or in one decade of the density.

    Attributes:
        where: The rate or the decade, as text.
        members: All comparable ones whose target is in the family, one or more, the best first.
    """

    where: str
    members: tuple[FamilyConfiguration, ...]

    @property
    def best(self) -> int:
        """The number of configurations that count as the best; 0 if there are too few in total."""
        count = len(self.members)
        return 0 if count < FEWEST else max(LEAST, math.ceil(SHARE * count))

    @property
    def winners(self) -> tuple[FamilyConfiguration, ...]:
        """The best configurations."""
        return self.members[: self.best]

    @property
    def seeds(self) -> int:
        """The number of seeds of each mean accuracy."""
        return len(self.members[0].result.accuracies)

    @cached_property
    def aspects(self) -> tuple[Aspect, ...]:
        """The properties of the best, each compared with all configurations; empty if there are too few."""
        if not self.best:
            return ()
        return (
            self._kinds("functional", lambda each: each.functional),
            self._powers("p", lambda member: member.p),
            self._powers("r", lambda member: member.r),
            self._kinds("arm", lambda each: each.arm),
            self._kinds("controls", lambda each: str(each.controls)),
            self._kinds("rounds", lambda each: str(each.rounds)),
        )

    @property
    def reached(self) -> str:
        """The accuracies of the best, and the median of all."""
        best = [each.result.mean for each in self.winners]
        usual = median(each.result.mean for each in self.members)
        return f"{min(best):.1%} to {max(best):.1%} (median of all {usual:.1%})"

    @property
    def texts(self) -> dict[str, str]:
        """The properties of the best as text, by the names in `ASPECTS`; empty texts if there are too few."""
        found = {aspect.name: aspect.text for aspect in self.aspects}
        reached = {ASPECTS[0]: f"{self.best}: {self.reached}"} if self.best else {}
        return dict.fromkeys(ASPECTS, "") | reached | found

    @property
    def verdict(self) -> str:
        """Which aspects are more than chance, at 5 % for all together (Holm)."""
        if not self.best:
            return f"too few to tell which region is best: {FEWEST} are needed"
        adjusted = holm([aspect.chance for aspect in self.aspects])
        clear = [a.name for a, p in zip(self.aspects, adjusted, strict=True) if p < SIGNIFICANT]
        return f"more than chance: {', '.join(clear)}" if clear else "no region: all of it may be chance"

    @property
    def sentence(self) -> str:
        """The region in a few sentences."""
        count, seeds = len(self.members), "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        of_family = f"{count} configuration{'s' if count > 1 else ''} of the family ({seeds} each)"
        if not self.best:
            return f"{self.where}: {of_family}, {self.verdict}."
        parts = "; ".join(f"{aspect.name} {aspect.text}" for aspect in self.aspects)
        verdict = f"{self.verdict[0].upper()}{self.verdict[1:]}"
        best = f"{self.where}: the best {self.best} of {of_family} reach {self.reached}."
        return f"{best} {parts[0].upper()}{parts[1:]}. {verdict}."

    def _kinds(self, name: str, of: Callable[[FamilyConfiguration], str]) -> Aspect:
        """`loss (4 of 20), synflow (1 of 15)`: the number of each kind among the best, the largest first."""
        drawn, best = Counter(map(of, self.members)), Counter(map(of, self.winners))
        text = ", ".join(f"{kind} ({count} of {drawn[kind]})" for kind, count in best.most_common())
        return Aspect(name, text, differ([(of(each), each.residual_accuracy) for each in self.members]))

    def _powers(self, name: str, of: Callable[[Member], float]) -> Aspect:
        """`0.31 to 1.2, median 0.8 (all 0 to 2, median 1)`; signed members have no powers."""
        drawn = [each for each in self.members if each.member.form == "powers"]
        best = [of(each.member) for each in self.winners if each.member.form == "powers"]
        everything = [of(each.member) for each in drawn]
        text = f"{_spread(best)} (all {_spread(everything)})" if best else "none of the best has powers"
        return Aspect(
            name, text, differ([(int(of(each.member) / BIN), each.residual_accuracy) for each in drawn])
        )


def all_regions(found: Sequence[ConfigurationResult]) -> list[Region]:
    """The regions of all rates or decades of the density that have a member of the family.

    Args:
        found: Configurations of one or several studies.

    Returns:
        The regions, the lowest rate first.
    """
    groups = [(group.title.replace("\n", ", "), _members(group)) for group in at_each_rate(found)]
    return [Region(where, members) for where, members in groups if members]


def searched_regions(found: Sequence[ConfigurationResult]) -> list[Region]:
    """The regions of a study that searches the family.

    Args:
        found: The study's configurations.

    Returns:
        As of `all_regions`; empty if the study has only scores with names.
    """
    return all_regions(found) if any(map(_draws_members, found)) else []


def family_rows(found: Sequence[ConfigurationResult]) -> Iterator[dict[str, object]]:
    """One row for each comparable configuration of the family.

    Args:
        found: Configurations of one or several studies.

    Yields:
        Values by column: the region, the properties of the score, accuracies.
    """
    for region in all_regions(found):
        for place, each in enumerate(region.members):
            yield {
                "where": region.where,
                "configuration": each.result.number,
                **{name: getattr(each.member, name) for name in ("functional", "p", "r", "form")},
                **{name: getattr(each, name) for name in ("arm", "controls", "rounds")},
                "density": each.result.density,
                "accuracy": each.result.mean,
                "residual_accuracy": each.residual_accuracy,
                "seeds": len(each.result.accuracies),
                "best": place < region.best,
            }


def _members(group: Group) -> tuple[FamilyConfiguration, ...]:
    """The configurations whose target is in the family, the best first; of equals the first.

    Within a decade of the density sparser networks are worse with any score. So the part of the accuracy that
    the trend in the density explains is subtracted.
    """
    pairs = [(each, member) for each in group.members if (member := _member(each)) is not None]
    slope = trend([(math.log10(each.density), each.mean) for each, _ in pairs])
    middle = median([math.log10(each.density) for each, _ in pairs]) if pairs else 0.0
    residuals = [each.mean - slope * (math.log10(each.density) - middle) for each, _ in pairs]
    placed = [
        FamilyConfiguration(each, member, residual_accuracy)
        for (each, member), residual_accuracy in zip(pairs, residuals, strict=True)
    ]
    return tuple(sorted(placed, key=lambda each: (-each.residual_accuracy, each.result.number)))


def _member(each: ConfigurationResult) -> Member | None:
    """The target as a member of the family, by its name or its definition; None if it is not a member."""
    selection = each.trials[0].config.selection
    return None if selection is None else member_of(selection.target)


def _draws_members(each: ConfigurationResult) -> bool:
    selection = each.trials[0].config.selection
    return selection is not None and any(isinstance(score, Member) for score in selection.scores)


def _spread(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}, median {median(values):.2g}"
