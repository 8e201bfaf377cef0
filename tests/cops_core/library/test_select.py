"""`cops.select`: exactly kappa weights of any network, from any batches."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cops_core as cops
from cops_core.contracts.probes import unchanged_model
from cops_core.cops import solve_cops
from cops_core.densities import PROPORTIONS, layer_budgets
from cops_core.errors import InfeasibleError, InputError
from cops_core.mask import Mask, flatten, kept_weights, top_kappa
from cops_core.scores import compute_scores
from tests.cops_core.library.networks import Language, Recurrent, Regression, Signal, Volume, build, noise
from tests.cops_core.library.test_losses import energy, language, regression, tokens


def mlp(*widths: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = [[nn.Linear(one, two), nn.Tanh()] for one, two in pairwise(widths)]
        return nn.Sequential(*(part for pair in layers for part in pair)).double()


def labelled(count: int = 12, width: int = 6, classes: int = 4) -> tuple[Tensor, Tensor]:
    return noise(count, width), torch.arange(count) % classes


def vector(mask: Mask) -> np.ndarray:
    return np.concatenate([layer.numpy().ravel() for layer in mask.values()])


@pytest.mark.parametrize(
    "target", ["snip", "gradient", "grasp", "magnitude", "random", "synflow", "fisher", "prospr"]
)
def test_the_highest_scores_are_kept(target):
    model, batch = mlp(6, 9, 4), labelled()
    mask = cops.select(model, batch, target=target, density=0.13)
    scores = compute_scores([target], model, batch, seed=0)[target]
    kappa = kept_weights(Decimal("0.13"), 90)
    assert mask.kappa == kappa
    assert np.array_equal(vector(mask), top_kappa(flatten(scores), kappa))


def test_snip_by_hand():
    model, (inputs, labels) = mlp(6, 9, 4), labelled()
    nn.functional.cross_entropy(model(inputs), labels).backward()
    products = {
        name: (parameter.grad * parameter).detach().abs()
        for name, parameter in model.named_parameters()
        if name.endswith("weight")
    }
    model.zero_grad()
    mask = cops.select(model, (inputs, labels), density="0.2")
    kept = torch.cat([products[name][layer] for name, layer in mask.items()])
    removed = torch.cat([products[name][~layer] for name, layer in mask.items()])
    assert len(kept) == 18
    assert kept.min() >= removed.max()


def test_a_control():
    model, batch = mlp(6, 9, 4), labelled()
    mask = cops.select(model, batch, target="snip", controls={"magnitude": 0.5}, density=0.2)
    scores = compute_scores(["snip", "magnitude"], model, batch, seed=0)
    flat = [flatten(scores[name]) for name in ("snip", "magnitude")]
    assert np.array_equal(vector(mask), solve_cops(flat[0], flat[1:], 18, [0.5]).mask)


STRANGERS: dict[str, tuple[type[nn.Module], Any, Any]] = {
    "regression": (Regression, (noise(5, 4), noise(5, 3), noise(5, 2)), regression),
    "language": (Language, tokens(1), language),
    "signal": (Signal, noise(3, 2, 6), energy),
    "volume": (Volume, noise(3, 1, 3, 3, 3), energy),
    "recurrent": (Recurrent, noise(3, 5, 3), energy),
}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"target": "grasp", "controls": {"snip": 0.2, "magnitude": 0.1}},
        {"rounds": 3, "scope": "layer"},
        {"rounds": 2, "scope": "erk"},
        {"target": "random", "scope": "balanced"},
        {"combine": "union", "controls": {"random": 0.5}, "rounds": 2, "scope": "erk"},
        {"combine": "weighted", "controls": {"random": 0.5}, "floor": cops.Floor(count=1, per="layer")},
        {"rounds": 2, "floor": cops.Floor(count=1), "controls": {"random": 0.1}},
        {"rounds": 2, "revive": True, "schedule": "linear"},
    ],
)
def test_strangers_are_left_as_they_were(stranger, how):
    kind, batch, loss = STRANGERS[stranger]
    model = build(kind, torch.float32)
    with unchanged_model(model):
        mask = cops.select(model, [batch, batch], density=0.1, loss=loss, **how)
    assert list(mask) == list(cops.candidates(model).weights)
    assert mask.kappa == kept_weights(Decimal("0.1"), mask.size)


def test_left_as_it_was_after_an_error():
    model = build(Volume, torch.float32)

    def loss(module: nn.Module, batch: Tensor) -> Tensor:
        module.train()
        module(batch).sum().backward()
        raise ValueError("a mistake in the loss")

    with unchanged_model(model), pytest.raises(InputError, match="a mistake in the loss"):
        cops.select(model, noise(3, 1, 3, 3, 3), density=0.1, loss=loss)


def test_a_loader_that_shuffles():
    """The same mask at each call, and the loader's next epoch is what it would have been."""
    inputs, labels = labelled(40)
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=8, shuffle=True)
    model = mlp(6, 9, 4)
    first = cops.select(model, loader, density=0.2, rounds=2)
    torch.manual_seed(3)
    second = cops.select(model, loader, density=0.2, rounds=2)
    orders = [next(iter(loader))[1].tolist()]
    torch.manual_seed(3)
    orders.append(next(iter(loader))[1].tolist())
    assert first.sha256() == second.sha256()
    assert orders[0] == orders[1]


def test_batches_are_read_only_where_they_matter():
    def broken() -> Any:
        raise AssertionError
        yield

    model = mlp(6, 9, 4)
    cops.select(model, broken(), target="magnitude", density=0.2)
    cops.select(model, broken(), target="synflow", density=0.2, example=torch.zeros(1, 6))
    cops.select(model, target="random", density=0.2)


def test_several_batches_have_the_mask_of_all_their_samples():
    model, (inputs, labels) = mlp(6, 9, 4).double(), labelled()
    parts = list(zip(inputs.double().chunk(2), labels.chunk(2), strict=True))
    assert len({len(part) for _, part in parts}) == 1
    for target in ("snip", "grasp", "fisher"):
        one, two = (
            cops.select(model, b, target=target, density=0.2) for b in ((inputs.double(), labels), parts)
        )
        assert one.sha256() == two.sha256()


def test_the_temperature_of_grasp():
    model, batch = mlp(6, 9, 8, 4), labelled()
    usual, hot, cold = (
        cops.select(model, batch, target="grasp", density=0.2, **how)
        for how in ({}, {"temperature": 200}, {"temperature": 0.5})
    )
    assert usual.sha256() == hot.sha256() != cold.sha256()


def test_the_steps_of_prospr():
    model, batch = mlp(6, 9, 8, 4), labelled()
    snip, none, one = (
        cops.select(model, batch, density=0.2, **how)
        for how in (
            {"target": "snip"},
            {"target": "prospr", "steps": cops.Steps(count=0)},
            {"target": "prospr", "steps": cops.Steps(count=1, learning_rate=5)},
        )
    )
    assert snip.sha256() == none.sha256() != one.sha256()


@pytest.mark.parametrize("ablation", ["shuffle", "random", "invert"])
def test_an_ablation_keeps_the_layer_densities(ablation):
    model, batch = mlp(6, 9, 8, 4), labelled()
    whole = cops.select(model, batch, target="magnitude", density=0.3)
    other = cops.select(model, batch, target="magnitude", density=0.3, ablation=ablation)
    assert other.kept == whole.kept
    assert other.sha256() != whole.sha256()
    if ablation == "invert":
        for name, keep in other.items():
            score = model.get_parameter(name).detach().abs()
            assert score[keep].max() <= score[~keep].min()
    else:
        later = cops.select(model, batch, target="magnitude", density=0.3, ablation=ablation, seed=1)
        assert later.sha256() != other.sha256()


def test_include_and_exclude():
    model, batch = mlp(6, 9, 8, 4), labelled()
    mask = cops.select(model, batch, density=0.25, exclude="4")
    assert list(mask) == ["0.weight", "2.weight"]
    assert mask.kappa == kept_weights(Decimal("0.25"), 54 + 72)
    assert list(cops.select(model, batch, density=0.25, include=["4.*"])) == ["4.weight"]


def test_the_convention_that_keeps_the_classifier():
    mask = cops.select(mlp(6, 9, 4), labelled(), density=0.25, convention="dense_last_layer")
    assert list(mask) == ["0.weight"]
    with pytest.raises(InputError, match="removes biases"):
        cops.select(mlp(6, 9, 4), labelled(), density=0.25, convention="synaptic_flow_biases")


def test_tied_weights_are_one():
    model = build(Language)
    batch = tokens(0)
    without = cops.select(model, batch, density=0.1, loss=language)
    assert "embedding.weight" not in without
    mask = cops.select(model, batch, density=0.1, loss=language, include=[nn.Linear, nn.Embedding])
    assert "embedding.weight" in mask
    assert "head.weight" not in mask


def test_a_masked_model_is_refused():
    model, batch = mlp(6, 9, 4), labelled()
    cops.freeze(model, cops.select(model, batch, density=0.2))
    with pytest.raises(InputError, match=r"masked already: call cops\.materialize"):
        cops.select(model, batch, density=0.2)
    cops.materialize(model)
    cops.select(model, batch, density=0.2)


def test_levels_that_no_mask_meets():
    """Of two weights one has the highest magnitude, and the other one the highest gradient."""
    model = nn.Sequential(nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 2.0]]))
    batch = torch.tensor([[5.0, 1.0]])
    how: dict[str, Any] = {
        "loss": lambda module, batch: module(batch).sum(),
        "density": 0.5,
        "controls": {"magnitude": 1.0, "gradient": 1.0},
    }
    with pytest.raises(InfeasibleError, match="no 1 weights meet the levels magnitude 1, gradient 1"):
        cops.select(model, batch, if_infeasible="end", **how)
    assert cops.select(model, batch, **how).kappa == 1


def test_a_layer_that_an_early_round_empties():
    model = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 1), nn.Tanh(), nn.Linear(1, 1))
    mask = cops.select(model, noise(3, 6), loss=energy, density=0.05, rounds=4, scope="layer")
    assert mask.kept == {"0.weight": 3, "2.weight": 0, "4.weight": 0}


@settings(max_examples=40)
@given(
    widths=st.lists(st.integers(1, 7), min_size=2, max_size=4),
    density=st.decimals("0.05", "1", places=3),
    scope=st.sampled_from(["global", *PROPORTIONS]),
    rounds=st.integers(1, 4),
    target=st.sampled_from(["snip", "magnitude", "grasp"]),
    control=st.sampled_from([None, "random", "gradient"]),
)
def test_exactly_kappa(widths, density, scope, rounds, target, control):
    model = mlp(6, *widths)
    batch = noise(5, 6), torch.arange(5) % widths[-1]
    shapes = {name: w.shape for name, w in cops.candidates(model).weights.items()}
    controls = None if control is None else {control: 0.4}
    how: dict[str, Any] = {"target": target, "scope": scope, "rounds": rounds, "controls": controls}
    kappa = kept_weights(density, sum(shape.numel() for shape in shapes.values()))
    if not kappa:
        with pytest.raises(InputError, match="keeps none of"):
            cops.select(model, batch, density=density, **how)
        return
    mask = cops.select(model, batch, density=density, **how)
    assert mask.kappa == kappa
    assert {name: layer.shape for name, layer in mask.items()} == shapes
    if scope != "global":
        assert mask.kept == layer_budgets(density, shapes, PROPORTIONS[scope])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "per cent": ({"density": 10}, "density 10 is not in (0, 1]: did you mean 0.1?"),
    "zero": ({"density": 0}, "density 0 is not in (0, 1]: write"),
    "a word": ({"density": "few"}, "density 'few' is not in (0, 1]"),
    "true": ({"density": True}, "density True is not"),
    "nothing": ({"density": 1e-9}, "keeps none of 90 weights: write at least"),
    "target": ({"target": "snipp"}, "target: unknown score 'snipp': did you mean 'snip'"),
    "a control": ({"controls": {"magnitud": 0.3}}, "did you mean 'magnitude'"),
    "a level": ({"controls": {"magnitude": 3}}, "controls {'magnitude': 3}: level: "),
    "controls": ({"controls": ["magnitude"]}, "are not a dict: write scores and levels"),
    "twice": ({"controls": {"snip": 0.1}}, "repeat one: write a target and controls that all differ"),
    "rounds": ({"rounds": 0}, "rounds: "),
    "without effect": ({"schedule": "linear"}, "schedule without effect in one round: write rounds=2"),
    "scope": ({"scope": "layers"}, "unknown scope 'layers': did you mean 'layer'"),
    "combine": ({"combine": "weighted"}, "combine 'weighted' needs a second score"),
    "floor": ({"floor": 5}, "floor: 5 does not say of what: write e.g. Floor(count=1"),
    "temperature": ({"temperature": 2}, "temperature 2 without effect on snip: leave it out"),
    "temperature of another loss": (
        {"target": "grasp", "temperature": 2, "loss": energy},
        "temperature 2 divides the logits of the cross-entropy",
    ),
    "ablation": ({"ablation": "shufle"}, "unknown ablation 'shufle': did you mean 'shuffle'"),
    "other weights": (
        {"ablation": "reinitialize"},
        "call cops.initialize(model, seed=...) with another seed",
    ),
    "seed": ({"seed": -1}, "seed -1 is not a whole number in [0, 2**32)"),
    "loss": ({"loss": "mse"}, "loss is 'mse': write a function"),
    "convention": ({"convention": "papr"}, "convention: unknown convention 'papr': did you mean 'paper'"),
    "nothing left": ({"exclude": nn.Module}, "has no weight that can be removed (0.weight: in exclude"),
    "exclude": ({"exclude": "fc"}, "exclude 'fc' matches no weight"),
    "no data": ({"batches": None}, "write batches="),
    "empty": ({"batches": []}, "batches is empty"),
    "model": ({"model": "resnet"}, "model is an object of type str: write a torch.nn.Module"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_one_line(case):
    changed, words = WRONG[case]
    given = {"model": mlp(6, 9, 4), "batches": labelled(), "density": 0.2, **changed}
    with pytest.raises(InputError) as error:
        cops.select(given.pop("model"), given.pop("batches"), **given)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_list_that_a_loader_makes_of_pairs_is_one_batch():
    """`next(iter(loader))` is a list of inputs and labels, not a tuple."""
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    inputs, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    loader = torch.utils.data.DataLoader(list(zip(inputs, labels.tolist(), strict=True)), batch_size=4)
    collated = next(iter(loader))
    assert type(collated) is list
    masks = [cops.select(model, batch, density=0.2) for batch in (collated, (inputs, labels), loader)]
    assert masks[0].sha256() == masks[1].sha256() == masks[2].sha256()
