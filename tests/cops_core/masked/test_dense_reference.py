"""Training a masked network is training the plain one, whose frozen weights are set back after each step."""

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

import cops_core as cops
from cops_core.masked.view import plain_parameters

from .networks import ARMS, BUILDERS, batch, loss_of, mask_of
from .networks import build as built

STEPS = 52
LR, DECAY = 0.05, 0.01
FACTORS = {"prune": 0.0, "freeze": 1.0, "scale": 0.5, "freeze_wd": 1.0}

OPTIMIZERS: dict[str, Callable[[Iterable[Tensor]], Optimizer]] = {
    "sgd": lambda parameters: SGD(parameters, LR, momentum=0.9, weight_decay=DECAY),
    "adamw": lambda parameters: AdamW(parameters, LR, weight_decay=DECAY),
}


class Reference:
    """A plain network, trained by hand: theta = scale theta0 (1 - m) + m theta after each step.

    The scale of FreezeNet-WD follows the update rule for a parameter with a zero gradient.
    """

    def __init__(self, model: nn.Module, arm: str, density: float) -> None:
        self.model, self.arm, self.scale = model, arm, FACTORS[arm]
        self.masks = dict(mask_of(model, density))
        self.initial = {name: model.get_parameter(name).detach().clone() for name in self.masks}
        self.momentum = 0.0
        self.set_back()

    def set_back(self) -> None:
        with torch.no_grad():
            for name, keep in self.masks.items():
                weight = self.model.get_parameter(name)
                frozen = self.scale * self.initial[name] if self.scale else torch.zeros_like(weight)
                weight.copy_(torch.where(keep, weight, frozen))

    def step(self, optimizer: Optimizer, inputs: Tensor) -> float:
        optimizer.zero_grad()
        loss = loss_of(self.model, inputs)
        loss.backward()
        optimizer.step()
        if self.arm == "freeze_wd" and isinstance(optimizer, SGD):
            self.momentum = 0.9 * self.momentum + DECAY * self.scale
            self.scale -= LR * self.momentum
        elif self.arm == "freeze_wd":
            self.scale *= 1 - LR * DECAY
        self.set_back()
        return float(loss.detach())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("density", [0.3, 0.05])
def test_52_steps_in_double_precision(name, arm, optimizer, density):
    dtype = torch.float64
    reference = Reference(built(name, dtype), arm, density)
    model = built(name, dtype)
    ARMS[arm](model, mask_of(model, density))
    theirs = OPTIMIZERS[optimizer](reference.model.parameters())
    ours = OPTIMIZERS[optimizer](model.parameters())
    for number in range(STEPS):
        inputs = batch(name, number, dtype=dtype)
        expected = reference.step(theirs, inputs)
        ours.zero_grad()
        loss = loss_of(model, inputs)
        loss.backward()
        ours.step()
        assert abs(float(loss.detach()) - expected) <= 1e-12 * max(1, abs(expected)), number
    for found, theta in plain_parameters(model).items():
        torch.testing.assert_close(
            theta, reference.model.get_parameter(found).detach(), rtol=1e-12, atol=1e-12
        )
    for buffer, other in zip(model.buffers(), reference.model.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, rtol=1e-12, atol=1e-12)
    cops.audit(model)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("arm", ["prune", "freeze", "scale"])
@pytest.mark.parametrize("name", BUILDERS)
def test_frozen_weights_are_bit_identical(name, arm, dtype):
    model = built(name, dtype)
    mask = mask_of(model)
    before = {each: model.get_parameter(each).detach().clone() for each in mask}
    ARMS[arm](model, mask)
    optimizer = AdamW(model.parameters(), 0.1, weight_decay=0.5)
    for number in range(5):
        optimizer.zero_grad()
        loss_of(model, batch(name, number, dtype=dtype)).backward()
        optimizer.step()
    after = plain_parameters(model)
    for each, keep in mask.items():
        expected = before[each] * FACTORS[arm] if FACTORS[arm] else torch.zeros_like(before[each])
        same = torch.equal(
            after[each][~keep].contiguous().view(torch.uint8), expected[~keep].contiguous().view(torch.uint8)
        )
        assert same, each
        assert bool((after[each][keep] != before[each][keep]).any()), each
