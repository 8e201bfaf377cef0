"""A study's seeds, the same for all configurations; in a race, which ones are worth a further seed."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from scipy.special import stdtr

from cops_core.streams import derive_seed
from study.search.configuration import Configuration
from study.search.slots import Slot
from study.settings import Settings

# A configuration is given up when its chance to end as the best is below this. Simulated studies of 30
# configurations with 5 seeds ran 40 % of their trials so; 2.2 % of them gave up what would have been
# the best, for one that was worse by 0.3 % accuracy.
CHANCE = 0.05


class Seeds:
    """How many seeds each configuration has, and which.

    count: seeds of the study. racing: whether later ones are only for configurations that can still win.
    """

    def __init__(self, settings: Settings) -> None:
        self.count = settings.seeds
        self.racing = settings.racing and settings.seeds > 1 and settings.question.axis
        self._study_seed = settings.seed

    def value(self, index: int) -> int:
        """The 32-bit seed that every configuration's trial of that index has."""
        return derive_seed(self._study_seed, "trial", index)

    def at_first(self, slot: Slot) -> int:
        """How many seeds a new configuration may have: in a race one, but for baselines."""
        return 1 if self.racing and slot.baseline is None else self.count

    def deserves_another(self, configuration: Configuration, rivals: Sequence[Configuration]) -> bool:
        """Whether a configuration whose trials have all ended may have one more.

        It has not all seeds yet, every trial ran to its end, and it can still win against its rivals.
        """
        if configuration.granted >= self.count:
            return False
        accuracies = configuration.accuracies
        if len(accuracies) < len(configuration.trials):
            return False
        return can_still_win(accuracies, [rival.accuracies for rival in rivals], self.count)


def can_still_win(
    candidate: Mapping[int, float],
    others: Sequence[Mapping[int, float]],
    seeds: int,
    chance: float = CHANCE,
) -> bool:
    """Whether the candidate's mean over all seeds may yet exceed the best one there is.

    candidate, others: finite accuracies by seed index, of one configuration each; `others` does not
    hold the candidate. seeds: how many a configuration has in all, K. chance: in (0, 1).

    The incumbent is, of the others with all seeds, the one with the best mean. On the s seeds that
    the candidate shares with it let d_i be the difference of the two, normal about an unknown mu with
    variance v. With a flat prior, mu is normal about the observed mean d with variance v / s. The
    mean of the K - s differences to come is mu plus noise of variance v / (K - s), and enters the
    mean over all K with the weight (K - s) / K. So the latter is normal about d with variance

        ((K - s) / K)^2 (v / s + v / (K - s)) = v (1 / s - 1 / K).

    v is pooled: a few seeds of one configuration would not tell it. Each configuration that shares two
    seeds or more with the incumbent adds the sample variance of its differences, weighted by its degrees
    of freedom. Their sum belongs to Student's t, which takes the normal's place since v is estimated.

    True as long as there is nothing to judge by: no incumbent, no common seed, no degree of freedom;
    and for a candidate with all its seeds, where nothing is left to decide.
    """
    complete = [other for other in others if len(other) == seeds]
    if not complete or len(candidate) == seeds:
        return True
    incumbent = max(complete, key=lambda other: fmean(other.values()))
    differences = _differences(candidate, incumbent)
    groups = [differences, *(_differences(other, incumbent) for other in others if other is not incumbent)]
    freedom = sum(len(group) - 1 for group in groups if group)
    if not differences or not freedom:
        return True
    pooled = sum(_squares(group) for group in groups if group) / freedom
    error = math.sqrt(pooled * (1 / len(differences) - 1 / seeds))
    lead = fmean(differences)
    if error == 0:
        return lead > 0  # every difference to come is the same: a tie does not exceed
    return float(stdtr(freedom, lead / error)) >= chance


def _differences(first: Mapping[int, float], second: Mapping[int, float]) -> list[float]:
    """How much better the first is, on each seed that both have."""
    return [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]


def _squares(values: Sequence[float]) -> float:
    """The sum of squares about the mean of the values, one or more."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values)
