"""Which region of the score family wins at which density: the best configurations against all drawn.

Nothing is fitted: the best tenth by mean validation accuracy is described beside all configurations of
the family at that rate or density, and what any as many of these would have in common by chance is said.
Of fewer than `FEWEST` configurations nothing is said.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from cops_core.scores import Member, member_of
from cops_core.scores.family import WEIGHTS
from study.configurations import ConfigurationResult
from study.figures.groups import at_each_rate
from study.statistics import common_by_chance, holm, narrow_by_chance

FEWEST = 20  # configurations at a rate, below which their best are no region
SHARE = 0.1  # of them that are the best
LEAST = 3  # and that many at least
SIGNIFICANT = 0.05
ASPECTS = ("accuracy of the best", "functional", "p", "r", "arm", "controls", "rounds")
CAVEAT = (
    "The best tenth of each column, by the accuracies that chose them. More than chance is what as many"
    " configurations, taken at random of those drawn, would have in common in fewer than 5 % of cases, all"
    " aspects of a column together (Holm); a sampler that learns draws more where it was good, and with one"
    " seed each the best are also the lucky."
)


@dataclass(frozen=True)
class Aspect:
    """One thing about the best configurations.

    chance: how probable it is that as many drawn at random have as much in common; see `study.statistics`.
    """

    name: str
    text: str
    chance: float


@dataclass(frozen=True)
class Region:
    """The best configurations of the family at one rate or in one decade of the density.

    members: all that are comparable and whose target is in the family, the best first. best: how many
    of them are described; 0 where there are too few.
    """

    where: str
    members: tuple[ConfigurationResult, ...]
    best: int

    @property
    def seeds(self) -> int:
        """Over how many seeds each accuracy is a mean."""
        return len(self.members[0].accuracies)

    @property
    def winners(self) -> tuple[ConfigurationResult, ...]:
        """The best."""
        return self.members[: self.best]

    @cached_property
    def aspects(self) -> tuple[Aspect, ...]:
        """What the best are, each beside all that were drawn; empty where there are too few."""
        if not self.best:
            return ()
        return (
            self._kinds("functional", functional),
            self._powers("p", lambda member: member.p),
            self._powers("r", lambda member: member.r),
            self._kinds("arm", lambda each: each.trials[0].config.arm),
            self._kinds("controls", lambda each: str(controls(each))),
            self._kinds("rounds", lambda each: str(rounds(each))),
        )

    @property
    def reached(self) -> str:
        """The accuracies of the best, and what is usual."""
        best, last = self.winners[0].mean, self.winners[-1].mean
        return f"{last:.1%} to {best:.1%} (median of all {median(each.mean for each in self.members):.1%})"

    @property
    def texts(self) -> dict[str, str]:
        """What the best have, by the names in `ASPECTS`; empty words where there are too few."""
        found = {aspect.name: aspect.text for aspect in self.aspects}
        reached = {"accuracy of the best": f"{self.best}: {self.reached}"} if self.best else {}
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
        best = f"{self.where}: the best {self.best} of {of_family} reach {self.reached}."
        return f"{best} {parts[0].upper()}{parts[1:]}. {self._said}"

    @property
    def _said(self) -> str:
        return f"{self.verdict[0].upper()}{self.verdict[1:]}."

    def _kinds(self, name: str, of: Callable[[ConfigurationResult], str]) -> Aspect:
        """`loss (4 of 20), synflow (1 of 15)`: how many of each kind are among the best, the most first."""
        drawn, best = Counter(map(of, self.members)), Counter(map(of, self.winners))
        text = ", ".join(f"{kind} ({count} of {drawn[kind]})" for kind, count in best.most_common())
        return Aspect(name, text, common_by_chance(drawn, best))

    def _powers(self, name: str, of: Callable[[Member], float]) -> Aspect:
        """`0.31 to 1.2, median 0.8 (all 0 to 2, median 1)`; signed members have no powers to choose."""
        drawn = [of(target(each)) for each in self.members if target(each).form == "powers"]
        best = [of(target(each)) for each in self.winners if target(each).form == "powers"]
        text = f"{_spread(best)} (all {_spread(drawn)})" if best else "none of the best has powers"
        return Aspect(name, text, narrow_by_chance(drawn, best))


def regions(found: Sequence[ConfigurationResult]) -> list[Region]:
    """The region of the best at each rate or decade of the density, the lowest rate first.

    Of studies that have drawn members of the family, as targets or controls; else none.
    """
    if not any(map(_draws_members, found)):
        return []
    return [
        Region(group.title.replace("\n", ", "), there, best_count(len(there)))
        for group in at_each_rate(found)
        if (there := ranked(group.members))
    ]


def ranked(members: Iterable[ConfigurationResult]) -> tuple[ConfigurationResult, ...]:
    """Those whose target is in the family, the best first; of equals the first."""
    return tuple(sorted(filter(in_family, members), key=lambda each: (-each.mean, each.number)))


def best_count(count: int) -> int:
    """How many of that many configurations are the best; 0 where they are too few to say."""
    return 0 if count < FEWEST else max(LEAST, math.ceil(SHARE * count))


def in_family(each: ConfigurationResult) -> bool:
    """Whether its target is a member of the family, by name or by what it is made of."""
    selection = each.trials[0].config.selection
    return selection is not None and member_of(selection.target) is not None


def target(each: ConfigurationResult) -> Member:
    """The target of a configuration that is `in_family`."""
    selection = each.trials[0].config.selection
    assert selection is not None
    member = member_of(selection.target)
    assert member is not None
    return member


def functional(each: ConfigurationResult) -> str:
    """`loss`, `gradient_flow signed`, `weights`."""
    member = target(each)
    return (member.functional or WEIGHTS) + (" signed" if member.form == "signed" else "")


def controls(each: ConfigurationResult) -> int:
    """How many control scores it has."""
    selection = each.trials[0].config.selection
    return 0 if selection is None else len(selection.controls)


def rounds(each: ConfigurationResult) -> int:
    """In how many rounds its weights are chosen."""
    selection = each.trials[0].config.selection
    return 1 if selection is None else selection.rounds


def family_rows(found: Sequence[ConfigurationResult]) -> Iterator[dict[str, object]]:
    """A row per comparable configuration of the family: where it lies, and how good it is."""
    for group in at_each_rate(found):
        there = ranked(group.members)
        for place, each in enumerate(there):
            member = target(each)
            yield {
                "where": group.title.replace("\n", ", "),
                "configuration": each.number,
                "functional": member.functional,
                "p": member.p,
                "r": member.r,
                "form": member.form,
                "arm": each.trials[0].config.arm,
                "controls": controls(each),
                "rounds": rounds(each),
                "density": each.density,
                "accuracy": each.mean,
                "seeds": len(each.accuracies),
                "best": place < best_count(len(there)),
            }


def _draws_members(each: ConfigurationResult) -> bool:
    selection = each.trials[0].config.selection
    return selection is not None and any(isinstance(score, Member) for score in selection.scores)


def _spread(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}, median {median(values):.2g}"
