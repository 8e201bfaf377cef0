"""Freezing compared with pruning, and pairs of scores with single scores, each with the same budget.

FreezeNet and pruned SNIP differ in the weights outside the mask. COPS and the best single score differ
in the number of scores. The two contenders of a comparison have equally many configurations, the same seeds
and equally many epochs. The best configuration on validation is then evaluated on the test images, with
other seeds than those on which it was chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import permutations
from typing import Self

import numpy as np

from cops_core.config import Arm, Control, Selection, TrialConfig
from cops_core.errors import InputError
from cops_core.streams import derive_seed, stream
from cops_core.trial_state import config_hash
from study.papers.experiments.base import Experiment, ExperimentChanges, ExperimentResult, RunTrials
from study.papers.experiments.headline_words import Contender, ContenderResult, Outcome, tables
from study.records.trial import StudyTrial
from study.views.figures.methods import Panel, draw_methods
from study.views.figures.style import png

SCORES = ("magnitude", "snip", "grasp", "synflow")
LEVELS = (0.3, 0.6)
ROUNDS = (1, 30)
LEARNING_RATES = (0.05, 0.1, 0.025, 0.2)

SNIP_PRUNED, FREEZENET = "SNIP, pruned", "FreezeNet"
SINGLE, PAIR = "best single score, pruned", "best COPS pair, pruned"
# The pairs that are compared: the second is subtracted from the first.
COMPARISONS = ((FREEZENET, SNIP_PRUNED), (PAIR, SINGLE))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A network, how long it is trained, and how many configurations each contender has at each rate.

    Attributes:
        model: A registered network.
        epochs: Epochs of each trial.
        rates: Freezing rates in (0, 1).
        arm_budget: Configurations of FreezeNet, and of pruned SNIP.
        score_budget: Configurations of the single scores, and of the pairs.
        selection_seeds: Seeds on which each configuration is run before one is chosen.
    """

    model: str
    epochs: int
    rates: tuple[Decimal, ...] = tuple(
        map(Decimal, ("0.9", "0.95", "0.98", "0.99", "0.995", "0.998", "0.999"))
    )
    arm_budget: int = 4
    score_budget: int = 16
    selection_seeds: int = 2


SETTINGS = (Setting(model="lenet_300_100", epochs=5), Setting(model="lenet_5_caffe", epochs=2))


@dataclass(frozen=True)
class Headline(Experiment):
    """The four contenders and the dense network at every rate, for one setting after the other."""

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

    def answer(self, run: RunTrials) -> ExperimentResult:
        """Tables for each setting, and one figure of all settings."""
        lines: list[str] = []
        panels: list[Panel] = []
        for setting in self.settings:
            outcome = self._outcome(setting, run)
            count = self.evaluation_seeds
            title = f"{setting.model} on {self.dataset}, {setting.epochs} epochs, {count} seeds"
            lines += [f"### {title}", "", *tables(outcome, COMPARISONS)]
            panels.append(Panel(title, outcome.curves(), outcome.dense))
        return ExperimentResult("\n".join(lines), {"headline.png": png(draw_methods(panels))})

    def _outcome(self, setting: Setting, run: RunTrials) -> Outcome:
        part = f"{setting.model}-{setting.epochs}-epochs"
        contenders = [found for rate in setting.rates for found in self.contenders(setting, rate)]
        check_fair(contenders)
        seeds = self._seeds("selection", setting.selection_seeds)
        trials = [config.changed(seed=s) for each in contenders for config in each.tried for s in seeds]
        validation = choose(contenders, seeds, run(f"selection-{part}", trials))

        others = self._seeds("judge", self.evaluation_seeds)  # the name of a stream: it must not change
        dense = self._config(setting, 0.05, arm="dense")
        chosen = [dense, *(config for config, _ in validation)]
        evaluations = [config.changed(seed=s, test=True) for config in chosen for s in others]
        found = _by_hash(run(f"evaluation-{part}", evaluations))

        def evaluated(config: TrialConfig) -> tuple[StudyTrial, ...]:
            return tuple(found[config_hash(config.changed(seed=seed, test=True))] for seed in others)

        results = [
            ContenderResult(contender, config, accuracy, evaluated(config))
            for contender, (config, accuracy) in zip(contenders, validation, strict=True)
        ]
        return Outcome(tuple(results), evaluated(dense), setting.selection_seeds)

    def contenders(self, setting: Setting, rate: Decimal) -> list[Contender]:
        """The contenders at `rate`, with their configurations.

        Raises:
            InputError: A budget is larger than the number of configurations that exist.
        """
        arms, scores = setting.arm_budget, setting.score_budget

        def snip(arm: Arm) -> list[TrialConfig]:
            selection = Selection(target="snip")
            rates = LEARNING_RATES[:arms]  # the first ones, so that both arms have the same
            return [self._config(setting, lr, arm, selection, rate) for lr in rates]

        def pruned(name: str, selections: Sequence[Selection]) -> list[TrialConfig]:
            grid = [
                self._config(setting, lr, "prune", selection, rate)
                for selection in selections
                for lr in LEARNING_RATES[:2]
            ]
            order = stream(self.seed, "headline", name, setting.model, str(rate)).permutation(len(grid))
            return [grid[place] for place in order[:scores]]

        found = [
            Contender(SNIP_PRUNED, rate, tuple(snip("prune"))),
            Contender(FREEZENET, rate, tuple(snip("freeze"))),
            Contender(SINGLE, rate, tuple(pruned(SINGLE, singles()))),
            Contender(PAIR, rate, tuple(pruned(PAIR, pairs()))),
        ]
        for contender, budget in zip(found, (arms, arms, scores, scores), strict=True):
            if len(contender.tried) < budget:
                raise InputError(
                    f"a budget of {budget} is larger than the {len(contender.tried)} configurations of"
                    f" {contender.name}: write {len(contender.tried)} or less"
                )
        return found

    def _config(
        self,
        setting: Setting,
        learning_rate: float,
        arm: Arm,
        selection: Selection | None = None,
        rate: Decimal | None = None,
    ) -> TrialConfig:
        changes = {"epochs": setting.epochs, "learning_rate": learning_rate}
        return TrialConfig(
            dataset=self.dataset,
            model=setting.model,
            arm=arm,
            selection=selection,
            density=None if rate is None else 1 - rate,
            training=self.training.model_copy(update=changes),
        )

    def _seeds(self, purpose: str, count: int) -> list[int]:
        return [derive_seed(self.seed, "headline", purpose, index) for index in range(count)]


def singles() -> list[Selection]:
    """Every single score, in one shot and iterated."""
    return [Selection(target=score, rounds=rounds) for score in SCORES for rounds in ROUNDS]


def pairs() -> list[Selection]:
    """Every ordered pair of scores at every level, in one shot and iterated."""
    return [
        Selection(target=target, controls=(Control(score=control, level=level),), rounds=rounds)
        for target, control in permutations(SCORES, 2)
        for level in LEVELS
        for rounds in ROUNDS
    ]


def check_fair(contenders: Sequence[Contender]) -> None:
    """Check that contenders that are compared have the same budget.

    Raises:
        ValueError: They have not.
    """
    budgets = {(contender.name, contender.rate): contender.budget for contender in contenders}
    for first, second in COMPARISONS:
        for rate in {contender.rate for contender in contenders}:
            if budgets[first, rate] != budgets[second, rate]:
                raise ValueError(f"{first} and {second} have different budgets at a rate of {rate}")


def choose(
    contenders: Sequence[Contender], seeds: Sequence[int], trials: Sequence[StudyTrial]
) -> list[tuple[TrialConfig, float]]:
    """Choose the configuration of each contender that has the highest mean validation accuracy.

    Args:
        contenders: Who chooses.
        seeds: On which each configuration was run.
        trials: One for each configuration and seed.

    Returns:
        The configuration and its mean validation accuracy, for each contender.
    """
    found = _by_hash(trials)

    def mean(config: TrialConfig) -> float:
        runs = [found[config_hash(config.changed(seed=seed))].accuracy for seed in seeds]
        return float(np.nan_to_num(np.mean(runs), nan=0.0))  # a diverged trial has no accuracy

    best = [max(contender.tried, key=mean) for contender in contenders]
    return [(config, mean(config)) for config in best]


def _by_hash(trials: Sequence[StudyTrial]) -> Mapping[str, StudyTrial]:
    return {config_hash(trial.config): trial for trial in trials}
