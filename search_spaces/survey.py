"""What a survey compares: masks before training, random ones, and yardsticks that need a training."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from optuna.trial import BaseTrial

from cops_core.config import Control, Floor, Regrow, Selection, Training, TrialConfig, named_selection
from cops_core.config.selection import Combine
from search_spaces.question import Compare

LEARNING_RATES = (0.05, 0.1, 0.025, 0.2)
SYNFLOW_ROUNDS = 100


def _pair(target: str, control: str, rounds: int, combine: Combine = "cops", level: float = 0.3) -> Selection:
    controls = (Control(score=control, level=level),)
    return Selection(target=target, controls=controls, rounds=rounds, combine=combine)


RANDOM = {
    "random, uniform": Selection(target="random", scope="layer"),
    "random, ERK": Selection(target="random", scope="erk"),
    "random, balanced": Selection(target="random", scope="balanced"),
}
SINGLE = {
    "magnitude": Selection(target="magnitude"),
    "SNIP": Selection(target="snip"),
    "SNIP, ERK": Selection(target="snip", scope="erk"),
    "Iterative SNIP": named_selection("iterative_snip"),
    "FORCE": named_selection("force"),
    "GraSP": Selection(target="grasp"),
    "Fisher": Selection(target="fisher"),
    "SynFlow": Selection(target="synflow", rounds=SYNFLOW_ROUNDS),
    "SynFlow, one-shot": Selection(target="synflow"),
    "SynFlow, one-shot, 1 per unit": Selection(target="synflow", floor=Floor(count=1, per="unit")),
}
COMBINED = {
    "COPS(SynFlow; SNIP)": _pair("synflow", "snip", SYNFLOW_ROUNDS),
    "COPS(SNIP; SynFlow)": _pair("snip", "synflow", 1),
    "SynFlow and SNIP, weighted": _pair("synflow", "snip", SYNFLOW_ROUNDS, "weighted", 0.5),
    "SynFlow and SNIP, union": _pair("synflow", "snip", SYNFLOW_ROUNDS, "union", 0.5),
}
# Not before training: the mask changes during the training, or the trained network is scored.
YARDSTICKS = {
    "RigL": Selection(target="random", scope="erk", regrow=Regrow()),
    "magnitude, after training": Selection(target="magnitude", at="trained"),
    "SNIP, after training": Selection(target="snip", at="trained"),
    "IMP, 3 rounds": Selection(target="magnitude", at="trained", rounds=3),
}
FROZEN = {
    "FreezeNet": Selection(target="snip"),
    "SynFlow, frozen": Selection(target="synflow", rounds=SYNFLOW_ROUNDS),
    "COPS(SynFlow; SNIP), frozen": _pair("synflow", "snip", SYNFLOW_ROUNDS),
}
SELECTIONS: Mapping[str, Selection] = RANDOM | SINGLE | COMBINED | YARDSTICKS | FROZEN
METHODS: Mapping[str, Mapping[str, Any]] = {name: {"contender": name} for name in SELECTIONS}
QUESTION = Compare(tuple(map(Decimal, ("0.9", "0.98", "0.99", "0.995"))), judging_seeds=5, baseline="SNIP")


def survey(trial: BaseTrial) -> TrialConfig:
    """Random masks, scores, pairs, FreezeNet, IMP and RigL for LeNet-300-100 on Fashion-MNIST."""
    name = trial.suggest_categorical("contender", tuple(SELECTIONS))
    return TrialConfig(
        dataset="fashion_mnist",
        model="lenet_300_100",
        arm="freeze" if name in FROZEN else "prune",
        selection=SELECTIONS[name],
        training=Training(epochs=5, learning_rate=trial.suggest_categorical("learning_rate", LEARNING_RATES)),
    )
