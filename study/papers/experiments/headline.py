"""Freezing compared with pruning, and pairs of scores with single scores, each with the same budget.

It is a study that compares the methods of the space `headline`, for one network after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from cops_core.config import TrialConfig
from search_spaces import find_space
from search_spaces.headline import FREEZENET, PAIR, PER_METHOD, QUESTION, SINGLE, SNIP_PRUNED
from study.analysis.configurations import ConfigurationResult, by_configuration
from study.papers.experiments.base import Experiment, ExperimentChanges, ExperimentResult, RunParts
from study.papers.experiments.headline_words import Contender, ContenderResult, Outcome, tables
from study.records.trial import StudyTrial
from study.views.figures.methods import Panel, draw_methods
from study.views.figures.style import png

# The pairs that are compared: the second is subtracted from the first.
COMPARISONS = ((FREEZENET, SNIP_PRUNED), (PAIR, SINGLE))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A network, how long it is trained, and how many configurations each method has at each rate.

    Attributes:
        model: A registered network.
        epochs: Epochs of each trial.
        rates: Freezing rates in (0, 1).
        per_method: Configurations of each method, if it has so many.
        choosing_seeds: Seeds on which each configuration is run before one is chosen.
    """

    model: str
    epochs: int
    rates: tuple[Decimal, ...] = QUESTION.rates
    per_method: int = PER_METHOD
    choosing_seeds: int = QUESTION.choosing_seeds


SETTINGS = (Setting(model="lenet_300_100", epochs=5), Setting(model="lenet_5_caffe", epochs=2))


@dataclass(frozen=True)
class Headline(Experiment):
    """The four methods and the dense network at every rate, for one setting after the other."""

    settings: tuple[Setting, ...] = SETTINGS

    def changed(self, changes: ExperimentChanges) -> Self:
        """A copy with these changes. A model selects its setting; epochs and rates apply to every setting."""
        settings = self.settings
        if changes.model is not None:
            known = {setting.model: setting for setting in settings}
            settings = (known.get(changes.model, replace(settings[0], model=changes.model)),)
        return replace(
            super().changed(changes),
            settings=tuple(
                replace(each, epochs=changes.epochs or each.epochs, rates=changes.rates or each.rates)
                for each in settings
            ),
        )

    def answer(self, run: RunParts) -> ExperimentResult:
        """Tables for each setting, and one figure of all settings."""
        lines: list[str] = []
        panels: list[Panel] = []
        for setting in self.settings:
            found = outcome(self._trials(setting, run), setting)
            count = self.evaluation_seeds
            title = f"{setting.model} on {self.dataset}, {setting.epochs} epochs, {count} seeds"
            lines += [f"### {title}", "", *tables(found, COMPARISONS)]
            panels.append(Panel(title, found.curves(), found.dense))
        return ExperimentResult("\n".join(lines), {"headline.png": png(draw_methods(panels))})

    def _trials(self, setting: Setting, run: RunParts) -> list[StudyTrial]:
        question = replace(
            QUESTION,
            rates=setting.rates,
            choosing_seeds=setting.choosing_seeds,
            judging_seeds=self.evaluation_seeds,
        )
        values = {
            "dataset": self.dataset,
            "model": setting.model,
            "epochs": setting.epochs,
            "per_method": setting.per_method,
            "seed": self.seed,
        }
        part = f"{setting.model}-{setting.epochs}-epochs"
        return run.compare(part, find_space("headline"), question, values)


def outcome(trials: Sequence[StudyTrial], setting: Setting) -> Outcome:
    """The results of a study of the space `headline`.

    Args:
        trials: All of its trials, judged.
        setting: What was run.

    Returns:
        What was tried, chosen and found, by method and rate.
    """
    found = by_configuration(trials)
    judged = [each for each in found if each.judges is not None]
    numbers = {each.number: each for each in found}
    results = [
        ContenderResult(
            Contender(each.method, each.rate, tuple(_tried(found, each))),
            _plain(numbers[each.judges]),
            numbers[each.judges].mean,
            each.trials,
        )
        for each in judged
        if each.rate is not None and each.judges is not None
    ]
    dense = next(each.trials for each in judged if each.rate is None)
    return Outcome(tuple(results), dense, setting.choosing_seeds)


def _tried(found: Sequence[ConfigurationResult], judged: ConfigurationResult) -> list[TrialConfig]:
    """The configurations from which validation chose."""
    return [
        _plain(each)
        for each in found
        if each.judges is None and (each.method, each.rate) == (judged.method, judged.rate)
    ]


def _plain(each: ConfigurationResult) -> TrialConfig:
    """The configuration without a seed."""
    return each.trials[0].config.changed(seed=0)
