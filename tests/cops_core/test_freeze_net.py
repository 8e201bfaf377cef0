"""Nothing outside the mask ever moves, and what is inside trains as if the rest were constant."""

import io
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD

from cops_core.arms import SCALES, Scale
from cops_core.construction import construct
from cops_core.errors import DriftError
from cops_core.freeze_net import FROZEN, FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.masked.view import plain_parameters, plain_state
from cops_core.models import build_model
from cops_core.prunable import maskable

SEED, METHOD = 3, "xavier_normal"


def linear() -> nn.Module:
    return nn.Sequential(
        OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(72, 20), relu=nn.ReLU(), fc2=nn.Linear(20, 3))
    )


def batch_norm() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(2, 6, 3, bias=False),
            norm=nn.BatchNorm2d(6),
            relu=nn.ReLU(),
            conv2=nn.Conv2d(6, 4, 3),
            flatten=nn.Flatten(),
            fc=nn.Linear(16, 3),
        )
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {"linear": linear, "batch norm": batch_norm}


@pytest.fixture(params=NETWORKS)
def build(request) -> Callable[[], nn.Module]:
    """`build()`: a fresh network that holds theta0."""

    def make() -> nn.Module:
        model = construct(NETWORKS[request.param], (2, 6, 6), SEED)
        initialize(model, SEED, METHOD)
        return model

    return make


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def dtype(request) -> torch.dtype:
    return request.param


@pytest.fixture(params=["prune", "freeze"])
def scale(request) -> Scale:
    return SCALES[request.param]


def random_mask(model: nn.Module, density: float = 0.3) -> Mask:
    generator = torch.Generator().manual_seed(0)
    return Mask(
        {name: torch.rand(w.shape, generator=generator) < density for name, w in maskable(model).items()}
    )


def batches(steps: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn((8, 2, 6, 6), generator=generator, dtype=dtype), torch.arange(8) % 3)
        for _ in range(steps)
    ]


def outside(model: nn.Module, mask: Mask) -> dict[str, Tensor]:
    """The bit patterns of the weights outside the mask."""
    integers = {torch.float32: torch.int32, torch.float64: torch.int64}
    return {
        name: weight.detach()[~mask[name]].clone().view(integers[weight.dtype])
        for name, weight in plain_parameters(model).items()
        if name in mask
    }


def same(ours: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return ours.keys() == others.keys() and all(torch.equal(ours[name], others[name]) for name in ours)


def test_weights_outside_the_mask_never_move(build, dtype, scale):
    model = build().to(dtype)
    mask = random_mask(model)
    theta0 = outside(model, mask)
    expected = theta0 if scale.start == 1.0 else {name: bits * 0 for name, bits in theta0.items()}
    assert all(bits.any() for bits in theta0.values())
    network = FreezeNet(model, mask, scale)
    before = {name: values.detach().clone() for name, values in network.trained.items()}
    optimizer = SGD(network.trained.values(), lr=0.3, momentum=0.9, weight_decay=0.1)
    for images, labels in batches(30, dtype):
        assert same(outside(model, mask), expected)
        loss = functional.cross_entropy(network(images), labels)
        assert same(outside(model, mask), expected)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert same(outside(model, mask), expected)
    network.audit(SEED, METHOD)
    assert all(not torch.equal(values, before[name]) for name, values in network.trained.items())


def test_the_first_forward_pass_is_of_the_masked_network(build, scale):
    model, reference = build(), build()
    mask = random_mask(model)
    with torch.no_grad():
        for name, weight in maskable(reference).items():
            weight.copy_(torch.where(mask[name], weight, scale.start * weight))
    (images, _), *_ = batches(1, torch.float32)
    assert torch.equal(FreezeNet(model, mask, scale)(images), reference(images))


def test_gradients_are_the_dense_ones_at_the_kept_places(build, dtype, scale):
    model, reference = build().to(dtype), build().to(dtype)
    mask = random_mask(model)
    network = FreezeNet(model, mask, scale)
    reference.load_state_dict(plain_state(model))
    for images, labels in batches(2, dtype):  # the second adds to the first, as autograd does
        functional.cross_entropy(network(images), labels).backward()
        functional.cross_entropy(reference(images), labels).backward()
    for name, parameter in reference.named_parameters():
        expected = parameter.grad[mask[name]] if name in mask else parameter.grad
        assert expected.any()
        assert torch.equal(network.trained[name].grad.view_as(expected), expected)


def test_training_is_sgd_on_the_kept_weights(build, scale):
    """Against the update written by hand: v <- mu v + g + wd theta, theta <- theta - lr v, if kept."""
    model, reference = build().double(), build().double()
    mask = random_mask(model)
    network = FreezeNet(model, mask, scale)
    reference.load_state_dict(plain_state(model))
    optimizer = SGD(network.trained.values(), lr=0.1, momentum=0.9, weight_decay=0.01)
    velocity = {name: torch.zeros_like(p) for name, p in reference.named_parameters()}
    for images, labels in batches(10, torch.float64):
        optimizer.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        reference.zero_grad()
        functional.cross_entropy(reference(images), labels).backward()
        with torch.no_grad():
            for name, p in reference.named_parameters():
                velocity[name] = 0.9 * velocity[name] + p.grad + 0.01 * p
                p -= 0.1 * velocity[name] * mask.get(name, torch.ones_like(p))
    (images, _), *_ = batches(1, torch.float64)
    torch.testing.assert_close(network(images), reference(images), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(plain_parameters(model), dict(reference.named_parameters()))


def test_the_optimizer_sees_the_kept_weights_biases_and_norms_alone(build, scale):
    model = build()
    mask = random_mask(model)
    others = {name: p.shape for name, p in model.named_parameters() if name not in mask}
    network = FreezeNet(model, mask, scale)
    shapes = {name: values.shape for name, values in network.trained.items()}
    assert shapes == others | {
        name: (kept, *(1,) * (mask[name].ndim - 1)) for name, kept in mask.kept.items()
    }
    assert network.trained_parameters == mask.kappa + sum(shape.numel() for shape in others.values())
    assert all(values.is_leaf and values.requires_grad for values in network.trained.values())


def test_the_dense_arm_trains_everything(build):
    model = build()
    network = FreezeNet(model, None)
    assert network.trained == dict(model.named_parameters())
    assert network.trained_parameters == sum(p.numel() for p in model.parameters())
    network.audit(SEED, METHOD)


def saved_bytes(state: dict[str, Tensor]) -> int:
    file = io.BytesIO()
    torch.save(state, file)
    return len(file.getvalue())


def test_state_is_proportional_to_the_kept_weights():
    sizes = {}
    for density in (0.01, 0.1):
        model = build_model("lenet_300_100", (1, 28, 28), 10)
        mask = random_mask(model, density)
        state = FreezeNet(model, mask).state()
        assert sum(tensor.numel() for part in state.values() for tensor in part.values()) == mask.kappa + 410
        sizes[density] = saved_bytes(state) - 4 * (mask.kappa + 410)
    # Nothing of the dense tensors comes along: names and headers are all there is besides.
    assert max(sizes.values()) < 6_000


def test_state_brings_everything_back(build, scale):
    first, second = build(), build()
    mask = random_mask(first)
    network, other = FreezeNet(first, mask, scale), FreezeNet(second, mask, scale)
    optimizer = SGD(network.trained.values(), lr=0.1, momentum=0.9)
    for images, labels in batches(5, torch.float32):
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    other.load_state(network.state())
    network.model.eval()
    other.model.eval()
    assert torch.equal(network(images), other(images))
    assert same(plain_state(first), plain_state(second))
    states = [net.state()["trained"] | net.state()["buffers"] for net in (network, other)]
    assert not any(states[0][name] is tensor for name, tensor in states[1].items())


@pytest.mark.parametrize("kept", [0, 1], ids=["nothing", "everything"])
def test_nothing_or_everything_may_be_kept(build, scale, kept):
    model = build()
    mask = Mask({name: torch.full(w.shape, bool(kept)) for name, w in maskable(model).items()})
    network = FreezeNet(model, mask, scale)
    optimizer = SGD(network.trained.values(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for images, labels in batches(3, torch.float32):
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    network.audit(SEED, METHOD)


def test_between_pruned_and_frozen(build):
    model = build()
    theta0 = {name: weight.detach().clone() for name, weight in maskable(model).items()}
    mask = random_mask(model)
    network = FreezeNet(model, mask, Scale(0.25))
    for name, weight in plain_parameters(model).items():
        if name in mask:
            assert torch.equal(weight, torch.where(mask[name], theta0[name], theta0[name] / 4))
    network.audit(SEED, METHOD)


@pytest.mark.parametrize("name", ["first", "last"])
@pytest.mark.parametrize(
    "move",
    [lambda w: w + 1e-7, torch.neg, lambda w: w * float("nan")],
    ids=["by little", "negated", "not a number"],
)
def test_audit_sees_one_moved_weight(build, dtype, scale, name, move):
    model = build().to(dtype)
    mask = random_mask(model)
    network = FreezeNet(model, mask, scale)
    network.audit(SEED, METHOD)
    layer = {"first": next(iter(mask)), "last": list(mask)[-1]}[name]
    place = (~mask[layer]).reshape(-1).nonzero()[-1]
    with torch.no_grad():
        flat = plain_parameters(model)[layer].view(-1)
        flat[place] = move(flat[place])
    with pytest.raises(DriftError, match=f"weights of {layer} outside the mask have changed"):
        network.audit(SEED, METHOD)


def test_audit_knows_its_seed_and_method(build):
    network = FreezeNet(build(), random_mask(build()), FROZEN)
    for seed, method in ((SEED + 1, METHOD), (SEED, "kaiming_normal")):
        with pytest.raises(DriftError):
            network.audit(seed, method)


def test_audit_forgives_trained_values(build, scale):
    network = FreezeNet(build(), random_mask(build()), scale)
    with torch.no_grad():
        for values in network.trained.values():
            values.fill_(float("nan"))
    network.audit(SEED, METHOD)
