"""Each convention against what the code base that it is named after does, written down anew."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cops_core.contracts.base import failures
from cops_core.contracts.scores import SCORE_CHECKS
from cops_core.errors import InputError
from cops_core.prunable import PRUNABLE, maskable
from cops_core.scores import CONVENTIONS, SCORES, compute_scores

Batch = tuple[Tensor, Tensor]
LOSS_SCORES = ["gradient", "snip", "grasp", "fisher"]


def scored(convention: str, name: str, model: nn.Module, batch: Batch, **options) -> dict[str, Tensor]:
    return compute_scores([name], model, batch, seed=1, convention=convention, **options)[name]


def assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor], factor: float = 1.0) -> None:
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        scale = float(theirs[name].abs().max())
        torch.testing.assert_close(value * factor, theirs[name], rtol=1e-6, atol=1e-9 * scale)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(params=CONVENTIONS)
def convention(request) -> str:
    return str(request.param)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_has_the_keys_of_what_may_be_removed(convention, score, network, build, batch):
    model = build(network)
    values = scored(convention, score, model, batch)
    parameters = PRUNABLE[CONVENTIONS[convention].prunable](model)
    assert {name: value.shape for name, value in values.items()} == {
        name: parameter.shape for name, parameter in parameters.items()
    }
    assert all(value.isfinite().all() for value in values.values())


def test_conventions_replace_registered_scores_alone(convention):
    assert set(CONVENTIONS[convention].scores) <= set(SCORES)
    assert CONVENTIONS[convention].prunable in PRUNABLE
    assert CONVENTIONS[convention].description


@pytest.mark.parametrize("score", SCORES)
def test_paper_is_the_default(score, network, build, batch):
    model = build(network)
    assert same(scored("paper", score, model, batch), compute_scores([score], model, batch, seed=1)[score])


@pytest.mark.parametrize("network", ["plain", "batch_norm"])
def test_grasp_as_its_authors_code_computes_it(network, build, batch):
    """Two halves of a batch in class order; g summed over both, then H g, half by half."""
    model = build(network, torch.float64)
    images, labels = batch
    order = labels.argsort(stable=True)
    halves = [(images[part], labels[part]) for part in (order[:4], order[4:])]
    net = copy.deepcopy(model).train()
    weights = list(maskable(net).values())
    total = [torch.zeros_like(weight) for weight in weights]
    for some, theirs in halves:
        gradients = torch.autograd.grad(cross_entropy(net(some) / 200, theirs), weights)
        total = [a + b for a, b in zip(total, gradients, strict=True)]
    for some, theirs in halves:
        gradients = torch.autograd.grad(cross_entropy(net(some) / 200, theirs), weights, create_graph=True)
        torch.stack([(a * b).sum() for a, b in zip(total, gradients, strict=True)]).sum().backward()
    theirs = {name: (weight * weight.grad).detach() for name, weight in maskable(net).items()}
    # Theirs sums where ours averages the two losses, in g and in H.
    assert_equal(scored("grasp", "grasp", model, batch), theirs, factor=4)
    whole = scored("paper", "grasp", model, batch)
    alike = all(torch.allclose(whole[name] * 4, theirs[name], rtol=1e-6, atol=1e-30) for name in whole)
    assert alike is (network == "plain")


def test_halves_of_a_single_image():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    batch = torch.randn(1, 1, 2, 2), torch.tensor([2])
    assert same(scored("grasp", "grasp", model, batch), scored("paper", "grasp", model, batch))


@pytest.mark.parametrize("convention", ["synaptic_flow", "synaptic_flow_biases"])
def test_snip_in_eval_mode(convention, build, batch):
    model = build("batch_norm", torch.float64)
    net = copy.deepcopy(model).eval()
    cross_entropy(net(batch[0]), batch[1]).backward()
    parameters = PRUNABLE[CONVENTIONS[convention].prunable](net)
    theirs = {name: (p.grad * p).abs().detach() for name, p in parameters.items()}
    assert_equal(scored(convention, "snip", model, batch), theirs)


@pytest.mark.parametrize("score", LOSS_SCORES)
def test_eval_mode_is_the_running_statistics(score, build, batch):
    model = build("batch_norm", torch.float64)
    before = {name: scored(name, score, model, batch) for name in ("paper", "synaptic_flow")}
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.mul_(2)
    assert same(before["paper"], scored("paper", score, model, batch))
    assert not same(before["synaptic_flow"], scored("synaptic_flow", score, model, batch))


def test_fisher_in_eval_mode_by_a_loop(build, batch):
    images, labels = batch
    model = build("batch_norm", torch.float64)
    net = copy.deepcopy(model).eval()
    squares = {name: torch.zeros_like(weight) for name, weight in maskable(net).items()}
    for image, label in zip(images, labels, strict=True):
        net.zero_grad()
        cross_entropy(net(image[None]), label[None]).backward()
        for name, weight in maskable(net).items():
            squares[name] += weight.grad**2
    theirs = {name: (w**2 * squares[name] / 8).detach() for name, w in maskable(net).items()}
    assert_equal(scored("synaptic_flow", "fisher", model, batch), theirs)


@pytest.mark.parametrize("score", LOSS_SCORES)
@pytest.mark.parametrize("network", ["plain", "rectified", "tied"])
def test_conventions_agree_where_nothing_normalises(score, network, build, batch):
    model = build(network, torch.float64)
    paper = scored("paper", score, model, batch)
    for convention in ("snip", "synaptic_flow"):
        assert same(paper, scored(convention, score, model, batch))


def test_biases_are_scored_like_weights(build, batch):
    """SNIP by definition: |L(c = 1 + h) - L(c = 1 - h)| / 2h, c multiplying one bias at a time."""
    model = build("plain", torch.float64)
    ours = scored("synaptic_flow_biases", "snip", model, batch)
    step = 1e-5
    for name, parameter in model.named_parameters():
        if not name.endswith("bias"):
            continue
        for index in range(parameter.numel()):
            losses = []
            for factor in (1 + step, 1 - step):
                net = copy.deepcopy(model)
                with torch.no_grad():
                    net.get_parameter(name)[index] *= factor
                    losses.append(float(cross_entropy(net(batch[0]), batch[1])))
            slope = abs(losses[0] - losses[1]) / (2 * step)
            assert float(ours[name][index]) == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_synflow_counts_the_flow_of_scored_biases(build, batch):
    model = build("rectified", torch.float64)
    positive = copy.deepcopy(model).eval()
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.abs_()
    positive(torch.ones(1, 2, 6, 6, dtype=torch.float64)).sum().backward()
    theirs = {name: (p.grad * p).detach() for name, p in positive.named_parameters()}
    assert_equal(scored("synaptic_flow_biases", "synflow", model, batch), theirs)


def test_the_last_layer_is_left_out(network, build, batch):
    model = build(network)
    names = list(maskable(model))
    values = scored("dense_last_layer", "snip", model, batch)
    assert list(values) == names[:-1]
    assert same(values, {n: v for n, v in scored("paper", "snip", model, batch).items() if n != names[-1]})


def test_the_former_name_leads_to_the_present_one(build, batch):
    with pytest.raises(InputError, match="unknown convention 'shrinkbench': did you mean 'dense_last_layer'"):
        scored("shrinkbench", "snip", build("plain"), batch)


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_a_description_says_what_is_not_imitated(name):
    assert "also draws the weights again before it scores" in CONVENTIONS[name].description
    assert "augments the images, which is not imitated" in CONVENTIONS[name].description


def test_unknown_convention(build, batch):
    with pytest.raises(ValueError, match="unknown convention 'grap': did you mean 'grasp'"):
        scored("grap", "snip", build("plain"), batch)


# Two halves in class order depend on which images of a class fall on either side of the middle.
EXCEPTED = {"grasp": {"order_of_the_batch_does_not_matter"}, "synaptic_flow": set()}


@pytest.mark.parametrize(
    ("convention", "name"),
    [
        # The other scores of this convention change in the same way.
        pytest.param(
            convention, name, marks=[pytest.mark.slow] * (convention == "synaptic_flow" and name != "snip")
        )
        for convention in EXCEPTED
        for name in CONVENTIONS[convention].scores
    ],
)
def test_replaced_scores_keep_the_contract(convention, name, monkeypatch):
    monkeypatch.setitem(SCORES, name, CONVENTIONS[convention].scores[name])
    checks = [check for check in SCORE_CHECKS if check.name not in EXCEPTED[convention]]
    assert list(failures(checks, name)) == []
