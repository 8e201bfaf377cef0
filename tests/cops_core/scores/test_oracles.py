"""Each score against a slow computation that shares no code with it, in float64."""

import copy
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils.checkpoint import checkpoint

from cops_core.generators import seeded_generators
from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.scores import SCORES, TEMPERATURE, Member, Steps, compute_scores
from cops_core.scores import fisher as fisher_module

SMOOTH = ["plain", "batch_norm", "tied", "frozen"]
AVERAGED = [name for name, score in SCORES.items() if score.averages_batches]


def ready(model: nn.Module) -> nn.Module:
    """A copy to run by hand: train mode, everything trainable."""
    return copy.deepcopy(model).train().requires_grad_(True)


def theta(model: nn.Module) -> Tensor:
    """The maskable weights, shape (D,)."""
    return parameters_to_vector(maskable(model).values()).detach()


def differences(model: nn.Module, functional: Callable[[nn.Module], Tensor]) -> Tensor:
    """dF/dtheta, shape (D,), by the five-point stencil: its error is of the order step^4."""
    start, step = theta(model), 3e-4
    moving = ready(model)
    weights = list(maskable(moving).values())

    def run_at(vector: Tensor) -> Tensor:
        vector_to_parameters(vector, weights)
        moving.zero_grad()
        return functional(moving).detach()

    slopes = []
    for index in range(len(start)):
        at = {}
        for steps in (-2, -1, 1, 2):
            moved = start.clone()
            moved[index] += steps * step
            at[steps] = run_at(moved)
        slopes.append((at[-2] - 8 * at[-1] + 8 * at[1] - at[2]) / (12 * step))
    return torch.stack(slopes)


def flat(scores: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([value.reshape(-1) for value in scores.values()])


def assert_equal(ours: Tensor, oracle: Tensor) -> None:
    """1e-6 relative; the tiniest values to 1e-9 of the largest."""
    torch.testing.assert_close(ours, oracle, rtol=1e-6, atol=1e-9 * float(oracle.abs().max()))


@pytest.fixture(params=SMOOTH)
def model(request, build) -> nn.Module:
    return build(request.param, torch.float64)


def test_snip_and_gradient_by_finite_differences(model, batch):
    images, labels = batch
    scores = compute_scores(["snip", "gradient"], model, batch, seed=0)
    slopes = differences(model, lambda moved: cross_entropy(moved(images), labels))
    assert_equal(flat(scores["gradient"]), slopes.abs())
    assert_equal(flat(scores["snip"]), (slopes * theta(model)).abs())


def test_grasp_by_finite_differences_of_the_gradient_norm(model, batch):
    images, labels = batch

    def half_squared_gradient(moved: nn.Module) -> Tensor:
        cross_entropy(moved(images) / 200, labels).backward()
        return sum(weight.grad.square().sum() for weight in maskable(moved).values()) / 2

    ours = flat(compute_scores(["grasp"], model, batch, seed=0)["grasp"])
    assert_equal(ours, theta(model) * differences(model, half_squared_gradient))
    assert (ours < 0).any()
    assert (ours > 0).any()


@pytest.mark.parametrize("temperature", [TEMPERATURE, 1.0, 0.3])
def test_grasp_by_an_explicit_hessian(model, batch, temperature):
    images, labels = batch
    moved = ready(model)
    weights = list(maskable(moved).values())
    loss = cross_entropy(moved(images) / temperature, labels)
    gradient = parameters_to_vector(torch.autograd.grad(loss, weights, create_graph=True))
    rows = [torch.autograd.grad(g, weights, retain_graph=True) for g in gradient]
    hessian = torch.stack([torch.cat([part.reshape(-1) for part in row]) for row in rows])
    torch.testing.assert_close(hessian, hessian.T)
    member = Member(functional="gradient_flow", p=1, r=0)
    scores = compute_scores(["grasp", member, "snip"], model, batch, seed=0, temperature=temperature)
    assert_equal(flat(scores["grasp"]), theta(model) * (hessian @ gradient.detach()))
    assert_equal(flat(scores[member]), (hessian @ gradient.detach()).abs())
    assert torch.equal(flat(scores["snip"]), flat(compute_scores(["snip"], model, batch, seed=0)["snip"]))


@pytest.mark.parametrize("network", ["plain", "rectified", "tied"])
@pytest.mark.parametrize("score", [*AVERAGED, Member(functional="loss", p=1.5, r=0.5)], ids=str)
@pytest.mark.parametrize("count", [2, 4])
def test_several_batches_are_the_batch_of_all_their_samples(score, network, count, build, batch):
    """The loss is a mean, and no layer couples the samples."""
    images, labels = batch
    model = build(network, torch.float64)
    parts = list(zip(images.chunk(count), labels.chunk(count), strict=True))
    several = compute_scores([score], model, parts, seed=0)[score]
    assert_equal(flat(several), flat(compute_scores([score], model, batch, seed=0)[score]))


def test_of_several_batches_the_gradient_is_averaged_before_the_score(build, batch):
    """By hand: |mean g theta|, not the mean of |g theta|; with batch norm, too."""
    images, labels = batch
    model = build("batch_norm", torch.float64)
    parts = list(zip(images.chunk(2), labels.chunk(2), strict=True))
    gradients = []
    for some_images, some_labels in parts:
        moved = ready(model)
        loss = cross_entropy(moved(some_images), some_labels)
        gradients.append(parameters_to_vector(torch.autograd.grad(loss, list(maskable(moved).values()))))
    ours = flat(compute_scores(["snip"], model, parts, seed=0)["snip"])
    assert_equal(ours, (torch.stack(gradients).mean(0) * theta(model)).abs())
    apart = torch.stack([(gradient * theta(model)).abs() for gradient in gradients]).mean(0)
    assert (ours < 0.9 * apart).any()


def loss_after_steps(
    parts: list[tuple[Tensor, Tensor]], steps: Steps, keep: Mapping[str, Tensor] | None = None
) -> Callable[[nn.Module], Tensor]:
    """The loss of a network that is trained first, with torch's own SGD; without `keep`, all its weights."""

    def after(moved: nn.Module) -> Tensor:
        trained = ready(moved)
        weights = maskable(trained)
        sgd = torch.optim.SGD(list(weights.values()), lr=steps.learning_rate)
        for step in range(steps.count):
            images, labels = parts[step % len(parts)]
            sgd.zero_grad()
            cross_entropy(trained(images), labels).backward()
            sgd.step()
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.mul_(1 if keep is None else keep[name])
        images, labels = parts[steps.count % len(parts)]
        return cross_entropy(trained(images), labels)

    return after


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (3, 2)])
def test_prospr_by_finite_differences_of_the_loss_after_training(model, batch, count, batches):
    """So steep that the steps matter."""
    steps = Steps(count=count, learning_rate=0.3)
    parts = list(zip(*(each.chunk(batches) for each in batch), strict=True))
    ours = flat(compute_scores(["prospr"], model, parts, seed=0, steps=steps)["prospr"])
    assert_equal(ours, (differences(model, loss_after_steps(parts, steps)) * theta(model)).abs())
    first = flat(compute_scores(["snip"], model, parts[:1], seed=0)["snip"])
    assert float((ours - first).abs().max()) > 0.05 * float(first.max())


def test_prospr_keeps_removed_weights_at_zero_while_it_trains(build, batch):
    model, steps = build("plain", torch.float64), Steps(count=2, learning_rate=0.3)
    half = {name: torch.arange(w.numel()).reshape(w.shape) % 2 == 0 for name, w in maskable(model).items()}
    ours = flat(compute_scores(["prospr"], model, batch, seed=0, steps=steps, mask=Mask(half))["prospr"])
    with torch.no_grad():
        for name, weight in maskable(model).items():
            weight.mul_(half[name])
    slopes = differences(model, loss_after_steps([batch], steps, half))
    kept = flat(half)
    assert_equal(ours[kept], (slopes * theta(model)).abs()[kept])
    grown = differences(model, loss_after_steps([batch], steps))
    assert not torch.allclose(slopes[kept], grown[kept], rtol=1e-2)


def test_prospr_without_steps_is_snip(model, batch):
    scores = compute_scores(["prospr", "snip"], model, batch, seed=0, steps=Steps(count=0))
    assert torch.equal(flat(scores["prospr"]), flat(scores["snip"]))


class Recomputing(nn.Module):
    """A network whose layers run again in each backward pass."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.layers:
            images = checkpoint(layer, images, use_reentrant=False)
        return images


def test_prospr_runs_layers_again_with_the_weights_of_their_step(build, batch):
    plain = build("plain", torch.float64)
    values = flat(compute_scores(["prospr"], plain, batch, seed=0)["prospr"])
    again = flat(compute_scores(["prospr"], Recomputing(plain), batch, seed=0)["prospr"])
    assert_equal(again, values)


def test_prospr_of_a_network_that_draws_is_that_of_one_with_these_draws(build, batch):
    """A dropout that is never switched off draws once for all passes, as for a loss without steps."""
    plain = build("plain", torch.float64)
    with seeded_generators(0, "scoring"):
        kept = (torch.rand(10) < 0.5).double()

    class Drawn(nn.Module):
        def __init__(self, draw):
            super().__init__()
            self.model, self.draw = plain, draw

        def forward(self, images):
            logits = self.model(images)
            return logits * self.draw()[: logits.shape[1]]

    steps = Steps(count=3, learning_rate=0.3)
    drawing, fixed = (
        flat(compute_scores(["prospr"], Drawn(draw), batch, seed=0, steps=steps)["prospr"])
        for draw in (lambda: (torch.rand(10) < 0.5).double(), lambda: kept)
    )
    assert_equal(drawing, fixed)


def test_synflow_by_finite_differences(model, batch):
    """Slopes at |theta|, biases at zero, running statistics."""
    positive = copy.deepcopy(model)
    with torch.no_grad():
        for weight in maskable(positive).values():
            weight.abs_()
        for module in positive.modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
                module.bias.zero_()
    ones = torch.ones(1, *batch[0].shape[1:], dtype=torch.float64)
    slopes = differences(positive, lambda moved: moved.eval()(ones).sum())
    ours = flat(compute_scores(["synflow"], model, batch, seed=0)["synflow"])
    assert_equal(ours, slopes.abs() * theta(model).abs())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_synflow_in_closed_form(dtype):
    """A linear network: R = 1' |W3| |W2| |W1| 1, and every layer carries all of R."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    model = model.to(dtype)
    first, second, third = (model[i].weight.detach().double().abs() for i in (1, 3, 5))
    ones = [torch.ones(n, dtype=torch.float64) for n in (6, 5, 4, 3)]
    expected = {
        "1.weight": torch.outer(ones[3] @ third @ second, ones[0]) * first,
        "3.weight": torch.outer(ones[3] @ third, first @ ones[0]) * second,
        "5.weight": torch.outer(ones[3], second @ first @ ones[0]) * third,
    }
    batch = torch.zeros(2, 1, 2, 3, dtype=dtype), torch.zeros(2, dtype=torch.long)
    ours = compute_scores(["synflow"], model, batch, seed=0)["synflow"]
    flow = ones[3] @ third @ second @ first @ ones[0]
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-12, atol=0)
        torch.testing.assert_close(ours[name].sum(), flow, rtol=1e-12, atol=0)


def test_synflow_does_not_overflow_in_a_deep_network():
    layers = [nn.Linear(100, 100) for _ in range(31)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.fill_(1.0)
    batch = torch.zeros(1, 1, 1, 100), torch.zeros(1, dtype=torch.long)
    scores = compute_scores(["synflow"], nn.Sequential(nn.Flatten(), *layers), batch, seed=0)["synflow"]
    assert scores["1.weight"][0, 0] == pytest.approx(1e60)


@pytest.mark.parametrize("network", [*SMOOTH, "rectified"])
def test_fisher_by_a_loop_over_samples(network, build, batch):
    """With batch norm the samples share their batch's statistics: one run, a backward pass each."""
    images, labels = batch
    model = build(network, torch.float64)
    squares = torch.zeros_like(theta(model))
    means = torch.zeros_like(theta(model))
    for sample in range(len(labels)):
        moved = ready(model)
        alone = slice(sample, sample + 1)
        logits = moved(images)[alone] if network == "batch_norm" else moved(images[alone])
        (-logits[0].log_softmax(0)[labels[sample]]).backward()
        gradient = torch.cat([weight.grad.reshape(-1) for weight in maskable(moved).values()])
        squares += gradient**2
        means += gradient / len(labels)
    scores = compute_scores(["fisher", "gradient"], model, batch, seed=0)
    assert_equal(flat(scores["fisher"]), theta(model) ** 2 * squares / len(labels))
    assert_equal(flat(scores["gradient"]), means.abs())


@pytest.mark.parametrize("chunk_bytes", [1, 5000, 2**28])
def test_fisher_in_chunks(chunk_bytes, build, batch, monkeypatch):
    model = build("plain", torch.float64)
    whole = flat(compute_scores(["fisher"], model, batch, seed=0)["fisher"])
    monkeypatch.setattr(fisher_module, "CHUNK_BYTES", chunk_bytes)
    assert_equal(flat(compute_scores(["fisher"], model, batch, seed=0)["fisher"]), whole)


@pytest.mark.parametrize("network", ["plain", "rectified", "tied"])
def test_fishers_two_ways_agree_where_samples_do_not_mix(network, build, batch, monkeypatch):
    model = build(network, torch.float64)
    separate = flat(compute_scores(["fisher"], model, batch, seed=0)["fisher"])
    monkeypatch.setattr(fisher_module, "separate_squares", fisher_module.coupled_squares)
    assert_equal(flat(compute_scores(["fisher"], model, batch, seed=0)["fisher"]), separate)


def test_dropout_is_off(build, batch):
    """The scores of a network with dropout are those of the same network without it."""
    dropping = build("dropout", torch.float64)
    bare = nn.Sequential(*(layer for layer in dropping if not isinstance(layer, nn.Dropout | nn.Dropout2d)))
    names = ["snip", "grasp", "fisher", "synflow"]
    ours = compute_scores(names, dropping, batch, seed=0)
    for name, scores in compute_scores(names, bare, batch, seed=0).items():
        torch.testing.assert_close(flat(ours[name]), flat(scores), rtol=0, atol=0)
