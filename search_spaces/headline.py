"""Does freezing help, and are pairs of scores better than single ones? Four methods to be compared."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from optuna.trial import BaseTrial

from cops_core.config import Control, Selection, Training, TrialConfig
from search_spaces.question import Compare

SCORES = ("magnitude", "snip", "grasp", "synflow")
LEVELS = (0.3, 0.6)
ROUNDS = (1, 30)
LEARNING_RATES = (0.05, 0.1, 0.025, 0.2)

SNIP_PRUNED, FREEZENET = "SNIP, pruned", "FreezeNet"
SINGLE, PAIR = "best single score, pruned", "best COPS pair, pruned"
# FreezeNet and pruned SNIP differ in the weights outside the mask; pairs and single scores in the number of
# scores. The first two have four configurations, which are all that there are.
METHODS: Mapping[str, Mapping[str, Any]] = {
    name: {"contender": name} for name in (SNIP_PRUNED, FREEZENET, SINGLE, PAIR)
}
PER_METHOD = 16
QUESTION = Compare(
    tuple(map(Decimal, ("0.9", "0.95", "0.98", "0.99", "0.995", "0.998", "0.999"))),
    choosing_seeds=2,
    judging_seeds=5,
    baseline=SNIP_PRUNED,
)


def headline(trial: BaseTrial) -> TrialConfig:
    """FreezeNet, pruned SNIP, single scores and COPS pairs, with equal budgets: LeNets on Fashion-MNIST."""
    contender = trial.suggest_categorical("contender", tuple(METHODS))
    alone = contender in (SNIP_PRUNED, FREEZENET)
    rates = LEARNING_RATES if alone else LEARNING_RATES[:2]
    return TrialConfig(
        dataset="fashion_mnist",
        model="lenet_300_100",
        arm="freeze" if contender == FREEZENET else "prune",
        selection=Selection(target="snip") if alone else _selection(trial, pair=contender == PAIR),
        training=Training(
            epochs=5,
            learning_rate=trial.suggest_categorical("learning_rate" if alone else "rate", rates),
        ),
    )


def _selection(trial: BaseTrial, *, pair: bool) -> Selection:
    """A single score, or an ordered pair at one of the levels; in one shot or iterated."""
    target = trial.suggest_categorical("target", SCORES)
    rounds = trial.suggest_categorical("rounds", ROUNDS)
    if not pair:
        return Selection(target=target, rounds=rounds)
    others = tuple(score for score in SCORES if score != target)
    control = Control(
        score=trial.suggest_categorical(f"control_for_{target}", others),
        level=trial.suggest_categorical("level", LEVELS),
    )
    return Selection(target=target, controls=(control,), rounds=rounds)
