"""A slow and obviously right training of a masked network, to compare `FreezeNet` with.

A plain dense model is trained by torch's own SGD or AdamW. Before each step the gradients outside the
mask are set to zero, after each step the weights outside the mask are written again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, AdamW, Optimizer

from cops_core.arms import Scale
from cops_core.config import Training
from cops_core.mask import Mask
from cops_core.train import autocast

Batch = tuple[Tensor, Tensor]


def dense_training(
    model: nn.Module,
    mask: Mask | None,
    scale: Scale,
    training: Training,
    batches: Sequence[Batch],
    seed: int,
) -> nn.Module:
    """Train a dense model for one step per batch, in place, with a constant learning rate.

    Args:
        model: The model with theta0 as its weights.
        mask: The kept weights; None trains everything.
        scale: The factor of theta0 outside the mask.
        training: All but its schedule, warm-up, number of epochs and augmentation counts.
        batches: Images and labels of each step.
        seed: Step k draws its random numbers, e.g. of dropout, after `torch.manual_seed(seed + k)`.

    Returns:
        The trained model. Its weights outside the mask are the final factor times theta0.
    """
    model.train()
    weights = {name: model.get_parameter(name) for name in mask or ()}
    theta0 = {name: weight.detach().clone() for name, weight in weights.items()}
    keep = {name: layer.to(weights[name].device) for name, layer in (mask or {}).items()}
    factor = nn.Parameter(torch.tensor(scale.start, dtype=next(model.parameters()).dtype))
    trained = [*model.parameters(), *([factor] if scale.decays else [])]
    optimizer = _optimizer(trained, training)

    def write() -> None:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(torch.where(keep[name], weight, theta0[name] * factor))

    write()
    for step, (images, labels) in enumerate(batches):
        torch.manual_seed(seed + step)
        optimizer.zero_grad()
        with autocast(images, training.precision):
            loss = cross_entropy(model(images.clone()), labels, label_smoothing=training.label_smoothing)
        torch.autograd.backward(loss)
        for name, weight in weights.items():
            if weight.grad is not None:
                weight.grad *= keep[name]
        if training.max_gradient_norm is not None:
            clip_grad_norm_(model.parameters(), training.max_gradient_norm)
        if scale.decays:
            factor.grad = torch.zeros_like(factor)
        optimizer.step()
        write()
    return model


def _optimizer(trained: Sequence[nn.Parameter], training: Training) -> Optimizer:
    rate, decay = training.learning_rate, training.weight_decay
    if training.optimizer == "adamw":
        return AdamW(trained, rate, training.betas, training.eps, decay)
    return SGD(trained, rate, training.momentum, weight_decay=decay, nesterov=training.nesterov)
