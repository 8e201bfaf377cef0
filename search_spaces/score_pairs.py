"""COPS only: every ordered pair of scores, its level, and the scope of the constraint."""

from typing import cast

from optuna.trial import BaseTrial

from cops_core.config import Control, LevelKind, Selection, TrialConfig
from cops_core.scores import published_rounds
from search_spaces.suggest import COMPARED_SCORES, suggest_scope, suggest_training

TARGETS = COMPARED_SCORES
CONTROLS = (*COMPARED_SCORES, "random")


def score_pairs(trial: BaseTrial) -> TrialConfig:
    """Every pair of scores, levels of both kinds: pruned LeNet-300-100 on Fashion-MNIST."""
    target = trial.suggest_categorical("target", TARGETS)
    others = tuple(score for score in CONTROLS if score != target)
    control = trial.suggest_categorical(f"control_for_{target}", others)
    kind: LevelKind = "relative"
    if "grasp" not in (target, control):  # an absolute level needs scores that are never negative
        kind = cast(LevelKind, trial.suggest_categorical("level_kind", ("relative", "absolute")))
    selection = Selection(
        target=target,
        controls=(Control(score=control, level=trial.suggest_float("level", 0.0, 1.0)),),
        level_kind=kind,
        scope=suggest_scope(trial),
        rounds=published_rounds(target),
    )
    return TrialConfig(
        dataset="fashion_mnist",
        model="lenet_300_100",
        arm="prune",
        selection=selection,
        training=suggest_training(trial, epochs=10),
    )
