"""Which region of the score family wins at which density: the best configurations against all drawn.

Nothing is fitted to the powers: the best tenth is described beside all configurations of the family at
that rate or density, and how probable it is that accuracies differ as much by chance. Of fewer than
`FEWEST` configurations nothing is said.
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

FEWEST = 20  # configurations at a rate, below which their best are no region
SHARE = 0.1  # of them that are the best
LEAST = 3  # and that many at least
BIN = 0.5  # of a power: accuracies are compared between bins of that width
SIGNIFICANT = 0.05
ASPECTS = ("accuracy of the best", "functional", "p", "r", "arm", "controls", "rounds")
CAVEAT = (
    "The best tenth of each column, by the accuracies that chose them; where the density is searched, by how"
    " far they lie above the column's trend in it (Theil and Sen's line). More than chance is that between"
    " which accuracies differ by Kruskal and Wallis's test (powers in steps of 0.5), all aspects of a column"
    " together at 5 % (Holm). A sampler that learns draws together what was good together: one aspect may"
    " stand for another. With one seed each the best are also the lucky."
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
        """What becomes of the weights outside the mask."""
        return self.result.trials[0].config.arm

    @property
    def controls(self) -> int:
        """How many control scores there are."""
        selection = self.result.trials[0].config.selection
        return 0 if selection is None else len(selection.controls)

    @property
    def rounds(self) -> int:
        """In how many rounds the weights are chosen."""
        selection = self.result.trials[0].config.selection
        return 1 if selection is None else selection.rounds


@dataclass(frozen=True)
class Aspect:
    """One thing about the best. chance: that accuracies differ as much by it where it does not matter."""

    name: str
    text: str
    chance: float


@dataclass(frozen=True)
class Region:
    """The best configurations of the family at one rate or in one decade of the density.

    members: all that are comparable and whose target is in the family, one or more, the best first.
    """

    where: str
    members: tuple[FamilyConfiguration, ...]

    @property
    def best(self) -> int:
        """How many are described; 0 where there are too few."""
        count = len(self.members)
        return 0 if count < FEWEST else max(LEAST, math.ceil(SHARE * count))

    @property
    def winners(self) -> tuple[FamilyConfiguration, ...]:
        """The best."""
        return self.members[: self.best]

    @property
    def seeds(self) -> int:
        """Over how many seeds each accuracy is a mean."""
        return len(self.members[0].result.accuracies)

    @cached_property
    def aspects(self) -> tuple[Aspect, ...]:
        """What the best are, each beside all that were drawn; empty where there are too few."""
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
        """The accuracies of the best, and what is usual."""
        best = [each.result.mean for each in self.winners]
        usual = median(each.result.mean for each in self.members)
        return f"{min(best):.1%} to {max(best):.1%} (median of all {usual:.1%})"

    @property
    def texts(self) -> dict[str, str]:
        """What the best have, by the names in `ASPECTS`; empty words where there are too few."""
        found = {aspect.name: aspect.text for aspect in self.aspects}
        reached = {ASPECTS[0]: f"{self.best}: {self.reached}"} if self.best else {}
        return dict.fromkeys(ASPECTS, "") | reached | found

    @property
    def verdict(self) -> str:
        """What of the best is more than chance, all aspects together at 5 % (Holm)."""
        if not self.best:
            return f"too few to say which region wins: {FEWEST} are needed"
        adjusted = holm([aspect.chance for aspect in self.aspects])
        clear = [a.name for a, p in zip(self.aspects, adjusted, strict=True) if p < SIGNIFICANT]
        return f"more than chance: {', '.join(clear)}" if clear else "no region: all of it may be chance"

    @property
    def sentence(self) -> str:
        """All of it in a sentence or two."""
        count, seeds = len(self.members), "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        of_family = f"{count} configuration{'s' if count > 1 else ''} of the family ({seeds} each)"
        if not self.best:
            return f"{self.where}: {of_family}, {self.verdict}."
        parts = "; ".join(f"{aspect.name} {aspect.text}" for aspect in self.aspects)
        verdict = f"{self.verdict[0].upper()}{self.verdict[1:]}"
        best = f"{self.where}: the best {self.best} of {of_family} reach {self.reached}."
        return f"{best} {parts[0].upper()}{parts[1:]}. {verdict}."

    def _kinds(self, name: str, of: Callable[[FamilyConfiguration], str]) -> Aspect:
        """`loss (4 of 20), synflow (1 of 15)`: how many of each kind are among the best, the most first."""
        drawn, best = Counter(map(of, self.members)), Counter(map(of, self.winners))
        text = ", ".join(f"{kind} ({count} of {drawn[kind]})" for kind, count in best.most_common())
        return Aspect(name, text, differ([(of(each), each.residual_accuracy) for each in self.members]))

    def _powers(self, name: str, of: Callable[[Member], float]) -> Aspect:
        """`0.31 to 1.2, median 0.8 (all 0 to 2, median 1)`; signed members have no powers to choose."""
        drawn = [each for each in self.members if each.member.form == "powers"]
        best = [of(each.member) for each in self.winners if each.member.form == "powers"]
        everything = [of(each.member) for each in drawn]
        text = f"{_spread(best)} (all {_spread(everything)})" if best else "none of the best has powers"
        return Aspect(
            name, text, differ([(int(of(each.member) / BIN), each.residual_accuracy) for each in drawn])
        )


def all_regions(found: Sequence[ConfigurationResult]) -> list[Region]:
    """The region at each rate or decade of the density, the lowest rate first, where there is any member."""
    groups = [(group.title.replace("\n", ", "), _members(group)) for group in at_each_rate(found)]
    return [Region(where, members) for where, members in groups if members]


def searched_regions(found: Sequence[ConfigurationResult]) -> list[Region]:
    """The same of studies that have drawn members themselves, not only names of scores; else none."""
    return all_regions(found) if any(map(_draws_members, found)) else []


def family_rows(found: Sequence[ConfigurationResult]) -> Iterator[dict[str, object]]:
    """A row per comparable configuration of the family: where it lies, and how good it is."""
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
    """Those whose target is in the family, the best first; of equals the first.

    Within a decade of the density sparser networks are worse, whatever their score: what the trend in the
    density explains is taken off.
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
    """The target, where it is a member of the family by name or by what it is made of."""
    selection = each.trials[0].config.selection
    return None if selection is None else member_of(selection.target)


def _draws_members(each: ConfigurationResult) -> bool:
    selection = each.trials[0].config.selection
    return selection is not None and any(isinstance(score, Member) for score in selection.scores)


def _spread(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}, median {median(values):.2g}"
