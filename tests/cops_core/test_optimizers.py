"""Optimizers, warm-up, label smoothing and clipping, by hand and against a dense network."""

import math
from collections.abc import Callable
from decimal import Decimal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cops_core.arms import SCALES
from cops_core.config import Training
from cops_core.construction import construct
from cops_core.contracts.agreement import check_training, disagreement
from cops_core.data import Split, split
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.masked.view import plain_parameters
from cops_core.optimizers import SCHEDULES, build_optimizer, build_schedule, loss_of, set_fused, update
from cops_core.prunable import maskable
from cops_core.train import Trainer

RATE = 0.02
WAYS = {
    "nesterov": {"nesterov": True},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "smoothed": {"label_smoothing": 0.2},
    "sgd clipped": {"max_gradient_norm": 0.05},
    "adamw clipped": {"optimizer": "adamw", "betas": (0.5, 0.9), "max_gradient_norm": 0.05},
}


@pytest.fixture(scope="module")
def parts(make_data) -> Split:
    return split(make_data(), 0, Decimal("0.1"))  # 54 training images, 6 for validation


def build() -> nn.Module:
    """Weights with and without a mask: biases and a normalisation are trained completely."""
    model = construct(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(40, 12), nn.LayerNorm(12), nn.ReLU(), nn.Linear(12, 3)),
        (40, 1, 1),
        0,
    )
    initialize(model, 0)
    return model


def draw_mask(model: nn.Module, density: float = 0.3) -> Mask:
    draws = torch.Generator().manual_seed(0)
    return Mask({name: torch.rand(w.shape, generator=draws) < density for name, w in maskable(model).items()})


def frozen(arm: str = "freeze", dtype: torch.dtype = torch.float64) -> FreezeNet:
    model = build()
    return FreezeNet(model.to(dtype), None if arm == "dense" else draw_mask(model), SCALES[arm])


def trainer(parts: Split, arm: str = "freeze", **training) -> Trainer:
    settings = Training(**{"learning_rate": RATE, "batch_size": 10, "precision": "float64"} | training)
    return Trainer(frozen(arm), parts, settings, 0)


AFTER: dict[str, Callable[[int, int], float]] = {
    "constant": lambda step, steps: 1.0,
    "step": lambda step, steps: 0.5 ** (step // 7),
    "cosine": lambda step, steps: (1 + math.cos(math.pi * step / steps)) / 2,
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("epochs", "warmup"), [(1, 6), (0.5, 3), (2.6, 16)])
def test_the_rate_rises_linearly_and_then_follows_the_schedule(parts, schedule, epochs, warmup):
    """Four epochs of six batches; the schedule is that of the steps after the warm-up."""
    ours = trainer(parts, epochs=4, schedule=schedule, step_every=7, step_factor=0.5, warmup_epochs=epochs)
    rates = []
    ours.optimizer.register_step_pre_hook(lambda *_: rates.append(ours.optimizer.param_groups[0]["lr"]))
    ends = [ours.run_epoch().learning_rate for _ in range(4)]
    rising = [RATE * (step + 1) / (warmup + 1) for step in range(warmup)]
    after = [RATE * AFTER[schedule](step, 24 - warmup) for step in range(24 - warmup + 1)]
    expected = [*rising, *after]
    assert rates == pytest.approx(expected[:-1], rel=1e-9)
    assert ends == pytest.approx([expected[6 * epoch] for epoch in (1, 2, 3, 4)], rel=1e-9, abs=1e-15)


def test_a_training_has_a_step_after_its_warm_up():
    """A warm-up is rounded to steps, and those of a training are few where the data are."""
    weight = nn.Parameter(torch.ones(1))
    training = Training(epochs=1, warmup_epochs=0.99, learning_rate=RATE)
    optimizer = build_optimizer([weight], training, fused=False)
    schedule = build_schedule(optimizer, training, epoch_steps=2)
    rates = []
    for _ in range(2):
        rates.append(optimizer.param_groups[0]["lr"])
        weight.grad = torch.ones(1)
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([RATE / 2, RATE])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-15)


def nesterov_by_hand(w: float, gradients: list[float], rate: float, momentum: float, decay: float) -> float:
    velocity = 0.0
    for gradient in gradients:
        whole = gradient + decay * w
        velocity = momentum * velocity + whole
        w -= rate * (whole + momentum * velocity)
    return w


def adamw_by_hand(
    w: float, gradients: list[float], rate: float, betas: tuple[float, float], eps: float, decay: float
) -> float:
    mean = square = 0.0
    for step, gradient in enumerate(gradients, 1):
        w *= 1 - rate * decay
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        corrected = mean / (1 - betas[0] ** step), square / (1 - betas[1] ** step)
        w -= rate * corrected[0] / (math.sqrt(corrected[1]) + eps)
    return w


@pytest.mark.parametrize("fused", [False, True])
def test_the_steps_of_each_optimizer_by_hand(fused):
    gradients = [0.5, -0.2, 0.0, 1.5]
    cases = {
        nesterov_by_hand(2.0, gradients, RATE, 0.8, 0.1): Training(
            learning_rate=RATE, momentum=0.8, nesterov=True, weight_decay=0.1
        ),
        adamw_by_hand(2.0, gradients, RATE, (0.7, 0.9), 1e-3, 0.1): Training(
            optimizer="adamw", learning_rate=RATE, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1
        ),
    }
    for expected, training in cases.items():
        weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
        optimizer = build_optimizer([weight], training, fused=fused)
        for gradient in gradients:
            weight.grad = torch.full_like(weight, gradient)
            optimizer.step()
        assert weight.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("arm", ["prune", "freeze", "freeze_wd"])
@pytest.mark.parametrize("way", WAYS)
def test_a_masked_network_trains_as_a_dense_one_with_masked_gradients(way, arm):
    draws = torch.Generator().manual_seed(1)
    batches = [(torch.randn(8, 40, 1, 1, generator=draws), torch.arange(8) % 3) for _ in range(5)]
    training = Training(learning_rate=RATE, **WAYS[way])
    check_training(build, draw_mask(build()), SCALES[arm], batches, training)


def test_every_option_gives_another_network():
    """A reference that ignored an option would agree with a training that ignores it, too."""
    draws = torch.Generator().manual_seed(1)
    batches = [(torch.randn(8, 40, 1, 1, generator=draws).double(), torch.arange(8) % 3) for _ in range(5)]
    found = []
    for way in ({}, *WAYS.values()):
        training = Training(learning_rate=RATE, precision="float64", **way)
        network = frozen()
        optimizer = build_optimizer(network.parameters(), training, fused=False)
        for images, labels in batches:
            optimizer.zero_grad()
            loss_of(network(images), labels, training).backward()
            update(network, optimizer, training)
        found.append(torch.cat([w.detach().flatten() for w in plain_parameters(network.model).values()]))
        assert disagreement(build, draw_mask(build()), SCALES["freeze"], batches, training) is None
    assert all(not torch.allclose(one, other) for k, one in enumerate(found) for other in found[:k])


@pytest.mark.parametrize("arm", ["dense", "prune", "freeze_wd"])
def test_the_norm_counts_what_is_trained_and_nothing_else(arm):
    """Of the gradients of a plain copy: at kept places, and of biases and normalisation."""
    network, images, labels = frozen(arm), torch.randn(8, 40, 1, 1).double(), torch.arange(8) % 3
    plain = build().double()
    plain.load_state_dict(plain_parameters(network.model))
    functional.cross_entropy(plain(images), labels).backward()
    mask = draw_mask(plain) if arm != "dense" else {}
    gradients = {n: p.grad[mask[n]] if n in mask else p.grad for n, p in plain.named_parameters()}
    norm = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
    for share, factor in ((0.5, 0.5), (2.0, 1.0)):
        training = Training(learning_rate=RATE, momentum=0, weight_decay=0, max_gradient_norm=share * norm)
        optimizer = build_optimizer(network.parameters(), training, fused=False)
        loss_of(network(images), labels, training).backward()
        before = {name: values.detach().clone() for name, values in network.trained.items()}
        update(network, optimizer, training)
        for name, values in network.trained.items():
            expected = before[name].flatten() - RATE * factor * gradients[name].flatten()
            torch.testing.assert_close(values.detach().flatten(), expected, rtol=1e-5, atol=1e-9)
        network.start_from(before)
        optimizer.zero_grad()


@pytest.mark.parametrize("fused", [False, True])
def test_adamw_lets_the_scale_decay_by_the_same_factor_whatever_the_gradient(fused):
    """c <- (1 - lr wd) c in each step: a gradient of zero has no mean, no square and no step."""
    network = frozen("freeze_wd")
    training = Training(optimizer="adamw", learning_rate=0.1, weight_decay=0.5)
    optimizer = build_optimizer(network.parameters(), training, fused=fused)
    expected = 1.0
    for step in range(6):
        rate = 0.1 / (step + 1)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss_of(network(torch.randn(4, 40, 1, 1).double()), torch.arange(4) % 3, training).backward()
        update(network, optimizer, training)
        expected *= 1 - rate * 0.5
    assert network.scale == pytest.approx(expected, rel=1e-12)
    network.audit(0, "xavier_normal")


def smoothed(logits: Tensor, labels: Tensor, share: float) -> Tensor:
    """The cross-entropy with the label's probability 1 - share + share / classes, by its definition."""
    classes = logits.shape[1]
    target = functional.one_hot(labels, classes).double() * (1 - share) + share / classes
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def test_labels_are_smoothed_in_the_training_loss_alone(parts):
    training = {"batch_size": 54, "label_smoothing": 0.3, "epochs": 2}
    ours = trainer(parts, **training)
    images, labels = next(parts.train.batches(54))
    expected = smoothed(ours.network(images.double()), labels, 0.3).item()
    metrics = ours.run_epoch()
    assert metrics.train_loss == pytest.approx(expected, rel=1e-12)
    images, labels = next(parts.validation.batches(6))
    with torch.no_grad():
        plain = functional.cross_entropy(ours.network(images.double()), labels).item()
    assert metrics.validation_loss == pytest.approx(plain, rel=1e-12)
    assert ours.evaluate(parts.validation)[0] == metrics.validation_loss


def test_counts_of_steps_are_where_the_kernel_needs_them():
    weight = nn.Parameter(torch.ones(3))
    optimizer = build_optimizer([weight], Training(optimizer="adamw"), fused=False)
    weight.grad = torch.ones(3)
    optimizer.step()
    set_fused(optimizer, True)
    optimizer.step()
    assert optimizer.param_groups[0]["fused"]
    assert optimizer.state[weight]["step"].item() == 2
    assert optimizer.state[weight]["step"].device == weight.device
