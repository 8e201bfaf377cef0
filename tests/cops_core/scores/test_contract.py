"""What holds for every registered score; a new one inherits these tests."""

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import cops_core.scores
from cops_core.initialization import maskable
from cops_core.mask import Mask
from cops_core.scores import SCORES, Score, compute_scores

Batch = tuple[Tensor, Tensor]


@pytest.fixture(params=SCORES)
def score(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def state(model: nn.Module) -> dict[str, Any]:
    """Everything that scoring must leave alone, as comparable values."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {
        "values": {name: (id(t), t.data_ptr(), t._version, t.detach().clone()) for name, t in tensors},
        "grads": {
            name: (id(p.grad), p.grad.clone()) for name, p in model.named_parameters() if p.grad is not None
        },
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "modes": [module.training for module in model.modules()],
        "random": torch.get_rng_state(),
        "grad mode": torch.is_grad_enabled(),
    }


def same(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor):
        return before.dtype == after.dtype and torch.equal(before, after)
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)
    if isinstance(before, tuple):
        return all(map(same, before, after))
    return bool(before == after)


def unusual(model: nn.Module) -> nn.Module:
    """The model in a state that a careless score would tidy up: some gradients, mixed modes.

    And random states that no earlier call of a score can have left behind.
    """
    torch.manual_seed(11)
    for index, module in enumerate(model.modules()):
        module.training = index % 2 == 0
    first = next(p for p in model.parameters() if p.requires_grad)
    first.grad = torch.ones_like(first)
    return model


def test_keys_shapes_and_values(score, network, build, batch):
    model = build(network)
    values = compute_scores([score], model, batch, seed=1)[score]
    assert {name: v.shape for name, v in values.items()} == {n: w.shape for n, w in maskable(model).items()}
    assert list(values) == list(maskable(model))
    pointers = {t.data_ptr() for t in [*model.parameters(), *model.buffers()]}
    for value in values.values():
        assert value.isfinite().all()
        assert not value.requires_grad
        assert value.data_ptr() not in pointers
        assert SCORES[score].traits.signed or (value >= 0).all()
        assert value.dtype == (
            torch.float64 if SCORES[score].traits.precision == "float64" else torch.float32
        )
    assert any(value.any() for value in values.values())


def test_deterministic_whatever_the_global_random_state(score, network, build, batch):
    first = compute_scores([score], build(network), batch, seed=1)
    torch.rand(3)
    assert same(first, compute_scores([score], build(network), batch, seed=1))


def test_the_company_of_other_scores_changes_nothing(score, network, build, batch):
    model = build(network)
    together = compute_scores(reversed(SCORES), model, batch, seed=1)
    assert list(together) == list(reversed(SCORES))
    assert same(together[score], compute_scores([score], model, batch, seed=1)[score])


def test_model_untouched(score, network, build, batch):
    model = unusual(build(network))
    before = state(model)
    compute_scores([score], model, batch, seed=1)
    assert same(before, state(model))


def test_torchs_switches_untouched(score, build, batch, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    compute_scores([score], build("plain"), batch, seed=1)
    assert not torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.benchmark


class FaultError(RuntimeError):
    pass


class Faulty(torch.autograd.Function):
    """Fails in the forward or only in the backward pass."""

    generate_vmap_rule = True

    @staticmethod
    def forward(images: Tensor, early: bool) -> Tensor:
        if early:
            raise FaultError
        return images.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        raise FaultError


class FaultyLayer(nn.Module):
    def __init__(self, early: bool) -> None:
        super().__init__()
        self.early = early

    def forward(self, images: Tensor) -> Tensor:
        return Faulty.apply(images, self.early)


@pytest.mark.parametrize("score", [name for name in SCORES if SCORES[name].traits.normalisation != "unused"])
@pytest.mark.parametrize("early", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize("network", ["batch_norm", "dropout"])
def test_model_untouched_after_a_raise(score, network, early, build, batch):
    layers = list(build(network))
    model = unusual(nn.Sequential(*layers[:-1], FaultyLayer(early), layers[-1]))
    before = state(model)
    with pytest.raises(FaultError):
        compute_scores([score], model, batch, seed=1)
    assert same(before, state(model))


def test_one_and_two_threads(score, network, build, batch):
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(compute_scores([score], build(network, torch.float64), batch, seed=1)[score])
    finally:
        torch.set_num_threads(threads)
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], rtol=1e-9, atol=1e-14)


def test_order_of_the_batch(score, network, build, batch):
    images, labels = batch
    model = build(network, torch.float64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    straight = compute_scores([score], model, batch, seed=1)[score]
    shuffled = compute_scores([score], model, (images[order], labels[order]), seed=1)[score]
    for name, value in straight.items():
        torch.testing.assert_close(value, shuffled[name], rtol=1e-9, atol=1e-14)


def test_data_matters_exactly_where_it_is_said_to(score, build, batch):
    images, labels = batch
    model = build("plain")
    ours = compute_scores([score], model, batch, seed=1)
    other = compute_scores([score], model, (images.flip(1) + 1, labels.roll(1)), seed=1)
    assert same(ours, other) is not SCORES[score].traits.needs_data


@pytest.mark.parametrize("network", ["batch_norm"])
def test_running_statistics_matter_exactly_in_eval_mode(score, network, build, batch):
    model = build(network)
    before = compute_scores([score], model, batch, seed=1)
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.mul_(2)
    after = compute_scores([score], model, batch, seed=1)
    assert same(before, after) is (SCORES[score].traits.normalisation != "eval")


def test_a_masked_network_is_one_with_zeros(score, network, build, batch):
    masked, zeroed = build(network), build(network)
    generator = torch.Generator().manual_seed(0)
    mask = Mask({n: torch.rand(w.shape, generator=generator) < 0.5 for n, w in maskable(masked).items()})
    with torch.no_grad():
        for name, weight in maskable(zeroed).items():
            weight.mul_(mask[name])
    ours = compute_scores([score], masked, batch, seed=1, mask=mask)
    assert same(ours, compute_scores([score], zeroed, batch, seed=1))


def test_an_empty_mask_is_scored(score, network, build, batch):
    model = build(network)
    mask = Mask({name: torch.zeros(w.shape, dtype=torch.bool) for name, w in maskable(model).items()})
    compute_scores([score], model, batch, seed=1, mask=mask)


def test_callers_settings_do_not_reach_the_score(score, build, batch):
    expected = compute_scores([score], build("batch_norm"), batch, seed=1)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert same(expected, compute_scores([score], build("batch_norm").eval(), batch, seed=1))


def unregistered(package: Any, registry: Mapping[str, Score]) -> list[str]:
    """Scores that exist in the modules of `package` but not in `registry`."""
    known = list(registry.values())
    classes = {type(score) for score in known}
    missing = []
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = import_module(info.name)
        for name, member in vars(module).items():
            if isinstance(member, Score) and not any(member is score for score in known):
                missing.append(f"{info.name}.{name}")
            own = inspect.isclass(member) and member.__module__ == info.name and issubclass(member, Score)
            if own and not inspect.isabstract(member) and member not in classes:
                missing.append(f"{info.name}.{name}")
    return missing


def test_every_score_in_the_package_is_registered():
    assert unregistered(cops_core.scores, SCORES) == []


def test_the_walk_sees_a_missing_score(score):
    registry = {name: member for name, member in SCORES.items() if name != score}
    assert any(
        name.startswith(f"cops_core.scores.{score}.") for name in unregistered(cops_core.scores, registry)
    )


def test_seed_changes_the_random_score_alone(build, batch):
    one, two = (compute_scores(SCORES, build("dropout"), batch, seed=seed) for seed in (1, 2))
    assert [name for name in SCORES if not same(one[name], two[name])] == ["random"]


class AlwaysDropping(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.dropout(images, 0.5, training=True)


def test_a_layer_that_always_draws_draws_from_the_seed(build, batch):
    model = nn.Sequential(AlwaysDropping(), build("rectified"))
    names = ["snip", "grasp", "fisher"]
    first, again, other = (compute_scores(names, model, batch, seed=seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not any(same(first[name], other[name]) for name in names)


def test_uniform(build, batch):
    model = nn.Linear(72, 200)
    values = compute_scores(["random"], nn.Sequential(nn.Flatten(), model), batch, seed=1)["random"][
        "1.weight"
    ]
    assert 0 <= values.min() < 0.001
    assert 0.999 < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.01


@pytest.mark.gpu
def test_on_the_gpu_as_on_the_cpu(score, network, build, batch):
    model = build(network, torch.float64)
    expected = compute_scores([score], model, batch, seed=1)[score]
    model = unusual(model.cuda())
    before, random = state(model), torch.cuda.get_rng_state()
    ours = compute_scores([score], model, batch, seed=1)[score]
    assert same(before, state(model))
    assert torch.equal(random, torch.cuda.get_rng_state())
    for name, value in ours.items():
        assert value.is_cuda
        torch.testing.assert_close(value.cpu(), expected[name], rtol=1e-9, atol=1e-14)
