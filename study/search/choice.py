"""Which configurations validation chooses while a study runs."""

from collections.abc import Sequence
from decimal import Decimal
from statistics import fmean

from study.records.trial import StudyTrial
from study.search.configuration import Configuration


def chosen(proposed: Sequence[Configuration]) -> list[Configuration]:
    """The best configuration of each method at each rate, by its mean over the seeds.

    Args:
        proposed: All configurations of a study that compares methods; each has ended.

    Returns:
        One for each method and rate that has a complete configuration and none that is judged already. What
        was chosen once stays chosen, also if a failed trial runs again later.
    """
    judged = {each.slot.group for each in proposed if each.slot.judges is not None}
    groups: dict[tuple[str, Decimal | None], list[Configuration]] = {}
    for each in proposed:
        if each.slot.judges is None and each.slot.group not in judged and each.is_complete:
            groups.setdefault(each.slot.group, []).append(each)
    return [max(group, key=_mean) for group in groups.values()]


def best_trials(dense: Sequence[Configuration]) -> Sequence[StudyTrial]:
    """The trials of the best of the dense network's configurations.

    Args:
        dense: Those so far.

    Returns:
        Its trials; those of the first one if none has run to its end, and none without any.
    """
    complete = [each for each in dense if each.is_complete]
    if complete:
        return max(complete, key=_mean).trials
    return dense[0].trials if dense else ()


def _mean(configuration: Configuration) -> float:
    return fmean(configuration.accuracies.values())
