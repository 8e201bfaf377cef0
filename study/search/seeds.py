"""A study's seeds, the same for all configurations; with racing, which configurations get a further seed."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from scipy.special import stdtr

from cops_core.streams import derive_seed
from search_spaces.question import Compare
from study.search.configuration import Configuration
from study.search.slots import Slot
from study.settings import Settings

# A configuration gets no further seed if its probability to become the best is below this. Simulated studies
# of 30 configurations with 5 seeds then ran 40 % of their trials. In 2.2 % of them the best configuration was
# missed; the chosen one had 0.3 % less accuracy.
CHANCE = 0.05


class Seeds:
    """How many seeds each configuration has, and which.

    Args:
        settings: The study's settings.

    Attributes:
        count: The number of seeds of a configuration; of one from which validation chooses.
        judging: The number of fresh seeds of a chosen configuration.
        racing: Whether later seeds are only for configurations that can still win.
    """

    def __init__(self, settings: Settings) -> None:
        self.count = settings.seeds
        question = settings.question
        self.racing = settings.racing and settings.seeds > 1 and question.axis and not question.strata
        self.judging = question.judging_seeds if isinstance(question, Compare) else 0
        self._study_seed = settings.seed

    def value(self, index: int, *, judged: bool = False) -> int:
        """The 32-bit seed of every configuration's trial with this seed index.

        Args:
            index: The seed index, from 0 on.
            judged: Whether the configuration is judged, on seeds on which nothing was chosen.
        """
        purpose = "judged trial" if judged else "trial"
        return derive_seed(self._study_seed, purpose, index)

    def at_first(self, slot: Slot) -> int:
        """The number of seeds of a new configuration: one with racing, unless it is a baseline."""
        if slot.judges is not None:
            return self.judging
        return 1 if self.racing and slot.method is None else self.count

    def deserves_another(self, configuration: Configuration, rivals: Sequence[Configuration]) -> bool:
        """Whether a configuration gets one more seed.

        It does if it does not have all seeds yet, every trial ran to its end, and it can still win.

        Args:
            configuration: The configuration, whose trials have all ended.
            rivals: The other configurations of its history.

        Returns:
            Whether to run one more seed.
        """
        if not self.racing or configuration.granted >= self.count:
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
    """Whether the candidate's mean over all seeds can still exceed the best mean so far.

    The incumbent is the configuration with the best mean among the others with all seeds. On the s seeds
    that the candidate shares with it let d_i be the difference of the two, normal about an unknown mu with
    variance v. With a flat prior, mu is normal about the observed mean d with variance v / s. The mean of the
    K - s future differences is mu plus noise of variance v / (K - s), and enters the mean over all K with the
    weight (K - s) / K. So the latter is normal about d with variance

        ((K - s) / K)^2 (v / s + v / (K - s)) = v (1 / s - 1 / K).

    v is pooled, since a few seeds of one configuration do not determine it. Each configuration that shares
    two seeds or more with the incumbent adds the sample variance of its differences, weighted by its degrees
    of freedom. Since v is estimated, Student's t with the sum of these degrees replaces the normal.

    Args:
        candidate: Finite accuracies by seed index.
        others: The same of the other configurations, without the candidate.
        seeds: The number of seeds of a configuration in total, K.
        chance: The probability to win below which the result is False, in (0, 1).

    Returns:
        Whether it can still win. True without an incumbent, a common seed or a degree of freedom, and for a
        candidate that has all its seeds.
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
        return lead > 0  # every further difference is the same; a tie does not win
    return float(stdtr(freedom, lead / error)) >= chance


def _differences(first: Mapping[int, float], second: Mapping[int, float]) -> list[float]:
    """The first minus the second, on each seed that both have."""
    return [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]


def _squares(values: Sequence[float]) -> float:
    """The sum of squared deviations from the mean of one or more values."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values)
