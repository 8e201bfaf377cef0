"""Parts that search spaces share, so that a parameter has the same name in every study."""

from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from optuna.trial import BaseTrial

from cops_core.config import NAMED_SELECTIONS, Arm, Control, Scope, Selection, Training
from cops_core.scores import published_rounds

MIN_DENSITY, MAX_DENSITY = 0.0005, 0.5
COMPARED_SCORES = ("magnitude", "snip", "grasp", "synflow")


def suggest_arm(trial: BaseTrial) -> Arm:
    """The arm "prune" or "freeze": weights outside the mask are zero, or keep their initial value."""
    return cast(Arm, trial.suggest_categorical("arm", ("prune", "freeze")))


def suggest_any_arm(trial: BaseTrial) -> tuple[Arm, float | None]:
    """Any arm with a mask.

    Args:
        trial: The Optuna trial that suggests the parameters.

    Returns:
        The arm, and for arm "scale" its constant in [0.05, 0.95] (0 would be pruned, 1 frozen), else None.
    """
    arm = cast(Arm, trial.suggest_categorical("arm", ("prune", "scale", "freeze", "freeze_wd")))
    return arm, trial.suggest_float("scale", 0.05, 0.95) if arm == "scale" else None


def suggest_scope(trial: BaseTrial) -> Scope:
    """Whether the kept weights are chosen from all layers together, or in each layer separately."""
    return cast(Scope, trial.suggest_categorical("scope", ("global", "layer")))


def suggest_selection(
    trial: BaseTrial,
    targets: Sequence[str] = COMPARED_SCORES,
    controls: Sequence[str] = COMPARED_SCORES,
    scope: Scope = "global",
    rounds: int | Sequence[int] | None = None,
) -> Selection:
    """A single score, or COPS: a target and one control score above a level.

    Each target has its own parameter for the control: a categorical parameter of Optuna cannot change its
    choices, and the control must differ from the target.

    Args:
        trial: The Optuna trial that suggests the parameters.
        targets: Names in `SCORES`, from which the target is chosen; also names in `NAMED_SELECTIONS`, which
            have rounds of their own and no control.
        controls: Names in `SCORES`, from which the control is chosen.
        scope: Whether kept weights are chosen from all layers together or per layer.
        rounds: The number of rounds. None: the one with which the target was published, 100 for SynFlow; a
            pair takes its target's. Several numbers are the choices of the parameter `rounds`.

    Returns:
        The selection; a control's level is in [0, 1].
    """
    target = trial.suggest_categorical("target", tuple(targets))
    if target in NAMED_SELECTIONS:
        return NAMED_SELECTIONS[target].model_copy(update={"scope": scope})
    if not trial.suggest_categorical("combine", (False, True)):
        return Selection(target=target, scope=scope, rounds=_suggest_rounds(trial, target, rounds))
    others = tuple(score for score in controls if score != target)
    control = Control(
        score=trial.suggest_categorical(f"control_for_{target}", others),
        level=trial.suggest_float("level", 0.0, 1.0),
    )
    rounds = _suggest_rounds(trial, target, rounds)
    return Selection(target=target, controls=(control,), scope=scope, rounds=rounds)


def _suggest_rounds(trial: BaseTrial, target: str, rounds: int | Sequence[int] | None) -> int:
    if rounds is None:
        return published_rounds(target)
    return rounds if isinstance(rounds, int) else trial.suggest_categorical("rounds", tuple(rounds))


def suggest_training(trial: BaseTrial, epochs: int) -> Training:
    """A training whose learning rate and weight decay are searched, since the arms need different ones.

    Args:
        trial: The Optuna trial that suggests the parameters.
        epochs: Number of epochs, at least 1.

    Returns:
        The training: learning rate in [0.01, 0.2], weight decay in [1e-6, 1e-2], both log-uniform.
    """
    return Training(
        epochs=epochs,
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
    )


def suggest_adamw_training(trial: BaseTrial, epochs: int) -> Training:
    """A training with AdamW, of which a tenth is warm-up; learning rate and weight decay are searched.

    Args:
        trial: The Optuna trial that suggests the parameters.
        epochs: Number of epochs, at least 1.

    Returns:
        The training: learning rate in [1e-4, 1e-2], weight decay in [1e-4, 1e-1], both log-uniform.
    """
    return Training(
        epochs=epochs,
        optimizer="adamw",
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-4, 1e-1, log=True),
        warmup_epochs=epochs / 10,
    )


def suggest_density(trial: BaseTrial) -> Decimal:
    """A density in [0.0005, 0.5], log-uniform, with four significant digits."""
    density = trial.suggest_float("density", MIN_DENSITY, MAX_DENSITY, log=True)
    return Decimal(f"{density:.4g}")
