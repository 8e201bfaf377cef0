"""Sampled and sparse products against autograd on the dense network, and the arms that scale theta0."""

import copy
import math
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from cops_core.arms import SCALES, Scale, scale_of
from cops_core.config import Selection, Training, TrialConfig
from cops_core.errors import DriftError
from cops_core.freeze_net import FROZEN, PRUNED, FreezeNet
from cops_core.initialization import initial_weight, initialize
from cops_core.mask import Mask
from cops_core.masked import products
from cops_core.masked.view import plain_parameters, plain_state
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.train import Trainer
from cops_core.trial import Trial, run_trial

SEED, METHOD, SHAPE = 3, "xavier_normal", (4, 6, 6)


def layers(**parts: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(parts))


class OnTokens(nn.Module):
    """A linear layer on inputs of three dimensions, without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Linear(6, 20, bias=False)
        self.head = nn.Linear(4 * 6 * 20, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(torch.tanh(self.token(images)).flatten(1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: layers(
        flatten=nn.Flatten(), fc1=nn.Linear(144, 30), tanh=nn.Tanh(), fc2=nn.Linear(30, 20),
        fc3=nn.Linear(20, 3)
    ),
    "stride and padding": lambda: layers(
        conv1=nn.Conv2d(4, 8, 3, stride=2, padding=1), relu=nn.ReLU(), flatten=nn.Flatten(),
        fc=nn.Linear(72, 3)
    ),
    "groups": lambda: layers(
        conv1=nn.Conv2d(4, 8, 3, groups=2), conv2=nn.Conv2d(8, 8, 2, groups=8), flatten=nn.Flatten(),
        fc=nn.Linear(72, 3),
    ),
    "batch norm": lambda: layers(
        conv1=nn.Conv2d(4, 6, 3, bias=False), norm=nn.BatchNorm2d(6), relu=nn.ReLU(), flatten=nn.Flatten(),
        fc1=nn.Linear(96, 10), norm2=nn.BatchNorm1d(10), fc2=nn.Linear(10, 3),
    ),
    "tokens": OnTokens,
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def build(request) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = NETWORKS[request.param]().double()
        initialize(model, SEED, METHOD)
        return model

    return make


@pytest.fixture
def everywhere(monkeypatch) -> None:
    """Sampled products for layers of every size."""
    monkeypatch.setattr(products, "MIN_WEIGHTS", 0)
    monkeypatch.setattr(products, "MAX_SPARSE_DENSITY", 1.0)


def draw_mask(model: nn.Module, density: float = 0.3, seed: int = 0) -> Mask:
    generator = torch.Generator().manual_seed(seed)
    return Mask({n: torch.rand(w.shape, generator=generator) < density for n, w in maskable(model).items()})


def batch(size: int = 8, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((size, *SHAPE), generator=generator, dtype=torch.float64), torch.arange(size) % 3


@pytest.mark.parametrize("scale", [PRUNED, FROZEN, Scale(0.4)], ids=str)
@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.usefixtures("everywhere")
def test_gradients_of_the_trained_values_are_autograds_on_the_dense_network(build, scale, density):
    model, reference = build(), build()
    mask = draw_mask(model, density)
    network = FreezeNet(model, mask, scale)
    reference.load_state_dict(plain_state(model))
    for seed in (1, 2):  # the second adds to the first
        images, labels = batch(seed=seed)
        inputs = images.clone().requires_grad_()
        others = images.clone().requires_grad_()
        cross_entropy(network(inputs), labels).backward()
        cross_entropy(reference(others), labels).backward()
        torch.testing.assert_close(inputs.grad, others.grad, rtol=1e-6, atol=1e-12)
    for name, parameter in reference.named_parameters():
        expected = parameter.grad[mask[name]] if name in mask else parameter.grad
        torch.testing.assert_close(
            network.trained[name].grad.view_as(expected), expected, rtol=1e-6, atol=1e-12
        )


@pytest.mark.usefixtures("everywhere")
def test_the_sparse_products_are_those_that_run(monkeypatch):
    calls = []
    for kind in (products._Dense, products._Sparse):
        whole = kind.apply
        monkeypatch.setattr(kind, "apply", lambda *a, k=kind, w=whole: calls.append(k.__name__) or w(*a))
    for scale in (PRUNED, FROZEN):
        model = NETWORKS["linear"]().double()
        network = FreezeNet(model, draw_mask(model), scale)
        images, labels = batch()
        cross_entropy(network(images), labels).backward()
        with torch.no_grad():
            network(images)
        with torch.autocast("cpu", torch.bfloat16):
            network(images.float().double())
    assert calls == ["_Sparse"] * 3 + ["_Dense"] * 3


@pytest.mark.parametrize("zero", [True, False])
def test_columns_without_kept_weights_are_not_computed(zero):
    generator = torch.Generator().manual_seed(0)
    keep = torch.rand((20, 30), generator=generator) < 0.2
    keep[:, 5:25] = False
    weight = torch.randn((20, 30), generator=generator, dtype=torch.float64)
    weight = weight * keep if zero else weight
    places = keep.reshape(-1).nonzero().squeeze(1)
    found = products.SparseProducts(places, weight.shape, weight, zero)
    assert found.used.tolist() == keep.any(0).nonzero().squeeze(1).tolist()
    inputs = torch.randn((7, 30), generator=generator, dtype=torch.float64, requires_grad=True)
    values, dense = weight[keep].requires_grad_(), weight.clone().requires_grad_()
    output, expected = found.product(inputs, values, None if zero else weight), inputs @ dense.t()
    torch.testing.assert_close(output, expected)
    delta = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    into, gradient = torch.autograd.grad(output, (inputs, values), delta)
    into_dense, gradient_dense = torch.autograd.grad(expected, (inputs, dense), delta)
    torch.testing.assert_close(into, into_dense)
    torch.testing.assert_close(gradient, gradient_dense[keep])


def sparse_layers(network: FreezeNet) -> set[str]:
    return {name for name, masked in network.masked.items() if masked.kept.products is not None}


def test_they_run_where_they_pay_alone():
    model = build_model("lenet_300_100", (1, 28, 28), 10)
    few, many = (FreezeNet(copy.deepcopy(model), draw_mask(model, density)) for density in (0.01, 0.5))
    assert sparse_layers(few) == {"fc1.weight", "fc2.weight"}
    assert not sparse_layers(many)


@pytest.mark.parametrize("arm", ["prune", "freeze"])
def test_training_with_them_is_training_without(arm, monkeypatch):
    config = TrialConfig(
        arm=arm,
        density="0.05",
        selection=Selection(target="snip"),
        training=Training(epochs=3, precision="float64"),
    )
    rows = []
    for fewest in (0, 10**9):
        monkeypatch.setattr(products, "MIN_WEIGHTS", fewest)
        rows.append(run_trial(config, report=lambda row: None).metrics)
    assert rows[0].train_loss == pytest.approx(rows[1].train_loss, rel=1e-9)
    assert rows[0].validation_accuracy == rows[1].validation_accuracy


@pytest.mark.usefixtures("everywhere")
def test_two_forward_passes_may_come_before_one_backward():
    model, other = (NETWORKS["linear"]().double() for _ in range(2))
    other.load_state_dict(model.state_dict())
    mask = draw_mask(model)
    together, apart = FreezeNet(model, mask, FROZEN), FreezeNet(other, mask, FROZEN)
    (one, labels), (two, _) = batch(seed=1), batch(seed=2)
    (cross_entropy(together(one), labels) + cross_entropy(together(two), labels)).backward()
    for images in (one, two):
        cross_entropy(apart(images), labels).backward()
    for name, values in together.trained.items():
        torch.testing.assert_close(values.grad, apart.trained[name].grad)


@pytest.mark.usefixtures("everywhere")
def test_evaluation_sees_every_step_of_the_optimizer():
    """Pruned layers leave their dense weights alone while they train: these must follow when read."""
    model = NETWORKS["linear"]().double()
    network = FreezeNet(model, draw_mask(model), PRUNED)
    optimizer = SGD(network.parameters(), lr=0.5)
    images, labels = batch()
    for _ in range(3):
        optimizer.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimizer.step()
        trained = network(images)
        with torch.no_grad():
            torch.testing.assert_close(network(images), trained)


def decayed(steps: int, lr: Callable[[int], float], momentum: float, decay: float) -> float:
    """The scale by hand: u <- mu u + wd s, s <- s - lr u."""
    scale, velocity = 1.0, 0.0
    for step in range(steps):
        velocity = momentum * velocity + decay * scale
        scale -= lr(step) * velocity
    return scale


def test_freeze_wd_follows_the_very_update_of_sgd(build):
    model = build()
    theta0 = {name: weight.detach().clone() for name, weight in maskable(model).items()}
    mask = draw_mask(model)
    network = FreezeNet(model, mask, SCALES["freeze_wd"])
    optimizer = SGD(network.parameters(), lr=0.3, momentum=0.9, weight_decay=0.05)
    for step in range(20):
        images, labels = batch(seed=step)
        optimizer.zero_grad(set_to_none=step % 2 == 0)
        cross_entropy(network(images), labels).backward()
        optimizer.step()
    assert network.scale == pytest.approx(decayed(20, lambda step: 0.3, 0.9, 0.05), rel=1e-5)
    assert network.scale < 0.5
    network.audit(SEED, METHOD)
    for name in mask:
        weight = plain_parameters(model)[name]
        assert torch.equal(weight[~mask[name]], theta0[name][~mask[name]] * network.scale)


@pytest.mark.parametrize(("precision", "rounding"), [("float32", 1e-4), ("float64", 1e-12)])
def test_freeze_wd_in_a_trial_with_its_schedule(tmp_path, precision, rounding):
    training = Training(epochs=4, learning_rate=0.1, weight_decay=0.02, precision=precision)
    config = TrialConfig(
        arm="freeze_wd", density="0.05", selection=Selection(target="snip"), training=training
    )
    trial = Trial(config)
    while not trial.done:
        trial.step()
        if trial.trainer.epoch == 2:
            trial.save(tmp_path / "trial.pt")
    steps = 4 * -(-len(trial.trainer.split.train) // 100)
    rates = [0.05 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]
    expected = decayed(steps, lambda step: rates[step], 0.9, 0.02)
    assert trial.trainer.network.scale == pytest.approx(expected, rel=rounding)
    assert trial.facts["final_scale"] == trial.trainer.network.scale
    resumed = Trial(config)
    resumed.load(tmp_path / "trial.pt")
    while not resumed.done:
        resumed.step()
    assert resumed.trainer.network.scale == trial.trainer.network.scale
    assert resumed.metrics.train_loss == trial.metrics.train_loss


def test_a_longer_recipe_lets_the_scale_vanish():
    """FreezeNet-WD with the reference recipe: 250 epochs of 550 steps, lr 0.1 times 0.1 every 25,000."""
    step = lambda number: 0.1 * 0.1 ** (number // 25_000)  # noqa: E731
    assert decayed(137_500, step, 0.9, 5e-4) < 1e-5
    assert 1e-4 < decayed(137_500, lambda number: step(number) / 2, 0.9, 5e-4) < 1e-2


@pytest.mark.parametrize(("arm", "scale"), [("scale", 0.25), ("freeze", None), ("prune", None)])
def test_the_arm_of_a_trial_decides_the_scale(arm, scale):
    config = TrialConfig(arm=arm, scale=scale, density="0.05", selection=Selection(target="snip"))
    trial = Trial(config)
    start = scale_of(config).start
    for name, masked in trial.trainer.network.masked.items():
        weight = masked.theta().detach()
        theta0 = initial_weight(name, weight.shape, 0)
        outside = torch.ones(weight.numel(), dtype=torch.bool)
        outside[trial.trainer.network.places[name]] = False
        assert torch.equal(weight.reshape(-1)[outside], theta0.reshape(-1)[outside] * start)


class LeakyTrainer(Trainer):
    """An optimizer whose weight decay reaches the model's own weights."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self.optimizer.register_step_post_hook(self.leak)

    def leak(self, *arguments) -> None:
        with torch.no_grad():
            for masked in self.network.masked.values():
                masked.theta().data.mul_(1 - 1e-6)


def leaky(arm: str) -> TrialConfig:
    return TrialConfig(
        arm=arm,
        scale=0.5 if arm == "scale" else None,
        density="0.3",
        selection=Selection(target="snip"),
        training=Training(epochs=1),
    )


@pytest.mark.parametrize("arm", ["freeze", "scale"])
def test_the_audit_catches_a_leaky_optimizer(arm, monkeypatch):
    run_trial(leaky(arm), report=lambda row: None)
    monkeypatch.setattr("cops_core.trial.Trainer", LeakyTrainer)
    with pytest.raises(DriftError, match=r"weights of fc1\.weight outside the mask have changed"):
        run_trial(leaky(arm), report=lambda row: None)


def test_where_theta0_is_scaled_anew_in_every_step_nothing_can_leak(monkeypatch):
    sound = run_trial(leaky("freeze_wd"), report=lambda row: None)
    monkeypatch.setattr("cops_core.trial.Trainer", LeakyTrainer)
    again = run_trial(leaky("freeze_wd"), report=lambda row: None)
    assert again.metrics.train_loss == sound.metrics.train_loss
