"""What a training minimises, how it updates what is trained, and with which learning rates."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)

from cops_core.config import Training
from cops_core.freeze_net import FreezeNet


def _sgd(parameters: Iterable[nn.Parameter], training: Training, fused: bool | None) -> Optimizer:
    return SGD(
        parameters,
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=training.nesterov,
        fused=fused,
    )


def _adamw(parameters: Iterable[nn.Parameter], training: Training, fused: bool | None) -> Optimizer:
    return AdamW(
        parameters,
        lr=training.learning_rate,
        betas=training.betas,
        eps=training.eps,
        weight_decay=training.weight_decay,
        fused=fused,
    )


OPTIMIZERS: Mapping[str, Callable[[Iterable[nn.Parameter], Training, bool | None], Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
}


def build_optimizer(parameters: Iterable[nn.Parameter], training: Training, *, fused: bool) -> Optimizer:
    """The optimizer of a training.

    Args:
        parameters: What is optimized.
        training: The optimizer and its settings.
        fused: Whether one kernel updates all parameters.

    Returns:
        The optimizer.
    """
    optimizer = OPTIMIZERS[training.optimizer](parameters, training, fused or None)  # None: torch's choice
    set_fused(optimizer, fused)
    return optimizer


def set_fused(optimizer: Optimizer, fused: bool) -> None:
    """Set whether an optimizer continues fused, also if it has loaded the state of another optimizer.

    SGD's momentum starts at zero, as torch's does in effect. Its fused kernel needs it for all parameters or
    none, and would fail for one that has its first gradient after the others. AdamW's counts of steps are on
    the device of their parameters if it is fused.

    Args:
        optimizer: The optimizer.
        fused: Whether one kernel updates all parameters.
    """
    for group in optimizer.param_groups:
        group["fused"] = fused or None
        for parameter in group["params"] if fused else ():
            if group.get("momentum"):
                state = optimizer.state[parameter]
                if state.get("momentum_buffer") is None:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
            elif parameter in optimizer.state and "step" in optimizer.state[parameter]:
                state = optimizer.state[parameter]
                state["step"] = state["step"].to(parameter.device)


def _constant(optimizer: Optimizer, training: Training, steps: int) -> LRScheduler:
    return ConstantLR(optimizer, factor=1.0)


def _step(optimizer: Optimizer, training: Training, steps: int) -> LRScheduler:
    return StepLR(optimizer, training.step_every, training.step_factor)


def _cosine(optimizer: Optimizer, training: Training, steps: int) -> LRScheduler:
    return CosineAnnealingLR(optimizer, steps)


SCHEDULES: Mapping[str, Callable[[Optimizer, Training, int], LRScheduler]] = {
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
}


def build_schedule(optimizer: Optimizer, training: Training, epoch_steps: int) -> LRScheduler:
    """The learning rates of a training: a linear warm-up if there is one, then the schedule.

    Args:
        optimizer: The optimizer, whose learning rate is set.
        training: The schedule, the warm-up, the number of epochs.
        epoch_steps: Steps of an epoch, at least 1.

    Returns:
        The schedule; `step()` is called after each training step.
    """
    steps = training.epochs * epoch_steps
    warmup = min(round(training.warmup_epochs * epoch_steps), steps - 1)
    after = SCHEDULES[training.schedule](optimizer, training, steps - warmup)
    if not warmup:
        return after
    rise = LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    return SequentialLR(optimizer, [rise, after], milestones=[warmup])


def loss_of(logits: Tensor, labels: Tensor, training: Training) -> Tensor:
    """What is minimised: the mean cross-entropy of a batch in nats, with label smoothing if it is set.

    Args:
        logits: Shape (N, classes).
        labels: Shape (N,).
        training: Its label smoothing counts.

    Returns:
        A scalar.
    """
    return cross_entropy(logits, labels, label_smoothing=training.label_smoothing)


def update(network: FreezeNet, optimizer: Optimizer, training: Training) -> None:
    """One step of an optimizer, with the gradient clipped before it if the training says so.

    Args:
        network: The network. Its kept values, biases and normalisation parameters count for the norm, and
            nothing else: the scale of FreezeNet-WD has a gradient of zero.
        optimizer: Of the network's parameters, which have their gradients.
        training: Its `max_gradient_norm` counts.
    """
    if training.max_gradient_norm is not None:
        clip_grad_norm_(network.trained.values(), training.max_gradient_norm)
    optimizer.step()
