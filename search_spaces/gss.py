"""COPS as a search over scores: target and controls are any members of the family, not only named scores."""

from typing import cast, get_args

from optuna.trial import BaseTrial

from cops_core.config import Control, Selection, TrialConfig
from cops_core.scores.family import FUNCTIONALS, MAX_POWER, Form, Member
from search_spaces.suggest import suggest_any_arm, suggest_training

MAX_CONTROLS = 3
ROUNDS = (1, 10, 30)
MIN_POWER = 0.01  # of the weights, where both powers are drawn as 0: all scores would be equal


def gss(trial: BaseTrial) -> TrialConfig:
    """Any generalized synaptic scores as target and controls, any arm: LeNet-300-100 on Fashion-MNIST."""
    arm, scale = suggest_any_arm(trial)
    return TrialConfig(
        dataset="fashion_mnist",
        model="lenet_300_100",
        arm=arm,
        scale=scale,
        selection=suggest_family(trial),
        training=suggest_training(trial, epochs=10),
    )


def suggest_family(trial: BaseTrial) -> Selection:
    """A target with one to three controls, in one round or several. Infeasible levels are shrunk.

    A control that equals the target or an earlier control is left out: its constraint would be redundant.
    A control with a level of 0 has no effect, so single scores are part of the space.

    Args:
        trial: The Optuna trial that suggests the parameters.

    Returns:
        The selection.
    """
    target = suggest_member(trial, "target")
    controls: dict[Member, float] = {}
    for number in range(1, trial.suggest_int("controls", 1, MAX_CONTROLS) + 1):
        member = suggest_member(trial, f"control_{number}")
        level = trial.suggest_float(f"control_{number}_level", 0.0, 1.0)
        if member != target:
            controls.setdefault(member, level)
    return Selection(
        target=target,
        controls=tuple(Control(score=member, level=level) for member, level in controls.items()),
        rounds=trial.suggest_categorical("rounds", ROUNDS),
    )


def suggest_member(trial: BaseTrial, role: str) -> Member:
    """A member of the family of generalized synaptic scores.

    Args:
        trial: The Optuna trial that suggests the parameters.
        role: What the member is used for, e.g. "target". The parameters' names start with it.

    Returns:
        The member, its powers in [0, 2].
    """
    functional = trial.suggest_categorical(f"{role}_functional", tuple(FUNCTIONALS))
    form = cast(Form, trial.suggest_categorical(f"{role}_form", get_args(Form)))
    if form == "signed":
        return Member(functional=functional, form=form)
    p = trial.suggest_float(f"{role}_p", 0.0, MAX_POWER)
    r = trial.suggest_float(f"{role}_r", 0.0, MAX_POWER)
    return Member(functional=functional, p=p, r=r if p > 0 else max(r, MIN_POWER))
