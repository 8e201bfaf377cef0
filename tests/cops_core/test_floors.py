"""Floors: which weights lead to which unit, masks with floors against a slow loop, and what they prevent."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import cops_core as cops
from cops_core.collapse import connectivity
from cops_core.config import Control, Floor, Selection
from cops_core.cops import solve_cops
from cops_core.data import load_split
from cops_core.densities import PROPORTIONS
from cops_core.errors import InputError
from cops_core.floors import layer_floors, output_units
from cops_core.initialization import initialize
from cops_core.mask import Mask, flatten, kept_weights
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.scores import RoundScores, compute_scores
from cops_core.scoring import Scorer
from cops_core.trial_selection import select_weights
from tests.cops_core.library.networks import Language, build

LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(4, 3), (1, 4)),
    "convolution": (nn.Conv2d(4, 6, 3), (1, 4, 3, 3)),
    "grouped": (nn.Conv2d(4, 6, (3, 2), groups=2), (1, 4, 3, 3)),
    "depthwise": (nn.Conv1d(4, 8, 3, groups=4), (1, 4, 3)),
    "volume": (nn.Conv3d(2, 3, 2), (1, 2, 2, 2, 2)),
    "transposed": (nn.ConvTranspose2d(4, 6, 2), (1, 4, 2, 2)),
    "transposed in groups": (nn.ConvTranspose1d(4, 6, 2, groups=2), (1, 4, 2)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_unit_has_the_weights_on_which_its_output_depends(kind):
    layer, shape = LAYERS[kind]
    units = output_units([layer], layer.weight.shape)
    outputs = layer(torch.rand(shape) + 1).transpose(0, 1)
    for number, output in enumerate(outputs):
        (gradient,) = torch.autograd.grad(output.sum(), layer.weight, retain_graph=True)
        assert np.array_equal(gradient.numpy() != 0, units == number)


class Conv1D(nn.Module):
    """GPT-2's linear layer, as transformers writes it."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf, self.weight = nf, nn.Parameter(torch.ones(nx, nf))


@pytest.mark.parametrize(
    "layers", [[Conv1D(3, 2)], [nn.Embedding(2, 3)]], ids=["transformers", "an embedding"]
)
def test_where_the_second_dimension_counts_outputs(layers):
    assert output_units(layers, (2, 3)).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_of_other_layers_the_first_dimension_counts():
    assert output_units([], (2, 3)).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert output_units([nn.GRUCell(2, 1)], (3, 2)).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_a_tied_weight_counts_as_the_linear_layers():
    tied = build(Language)
    floors = layer_floors(Floor(count=2, per="unit"), tied, {"embedding.weight": tied.embedding.weight})
    assert floors["embedding.weight"].least.tolist() == [2] * 11
    alone = build(lambda: Language(tied=False))
    floors = layer_floors(Floor(count=2, per="unit"), alone, {"embedding.weight": alone.embedding.weight})
    assert floors["embedding.weight"].least.tolist() == [2] * 8


def test_small_layers_keep_everything_and_biases_have_no_floor():
    layer = nn.Linear(3, 2)
    weights = {"weight": layer.weight, "bias": layer.bias}
    assert layer_floors(Floor(count=9), layer, weights)["weight"].least.tolist() == [6]
    by_unit = layer_floors(Floor(count=9, per="unit"), layer, weights)
    assert by_unit["weight"].least.tolist() == [3, 3]
    assert by_unit["bias"].least.tolist() == [0]


def slow_mask(score: np.ndarray, owners: np.ndarray, least: np.ndarray, kappa: int) -> list[int]:
    """The floors first, each unit's highest; then the highest of all others."""
    order = sorted(range(score.size), key=lambda place: (-score[place], place))
    missing = Counter(dict(enumerate(least.tolist())))
    kept = []
    for place in order:
        if missing[owners[place]] > 0:
            missing[owners[place]] -= 1
            kept.append(place)
    kept += [place for place in order if place not in kept][: kappa - len(kept)]
    return sorted(kept)


def mlp(*widths: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = [nn.Linear(one, two) for one, two in pairwise(widths)]
        return nn.Sequential(*layers).double()


def kept_by(mask: Mask, floor: Floor) -> list[int]:
    """How many weights each layer or each row keeps."""
    if floor.per == "layer":
        return list(mask.kept.values())
    return [int(row.sum()) for layer in mask.values() for row in layer]


floors = st.builds(Floor, count=st.integers(1, 4), per=st.sampled_from(["layer", "unit"]))


@settings(max_examples=60)
@given(
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    density=st.decimals("0.05", "1", places=3),
    floor=floors,
    scope=st.sampled_from(["global", *PROPORTIONS]),
    rounds=st.integers(1, 3),
    control=st.sampled_from([None, "random"]),
)
def test_masks_have_kappa_weights_and_their_floors(widths, density, floor, scope, rounds, control):
    model = mlp(6, *widths)
    sizes = [(layer.out_features, layer.in_features) for layer in model]
    least = [
        min(floor.count, inputs if floor.per == "unit" else units * inputs)
        for units, inputs in sizes
        for _ in range(units if floor.per == "unit" else 1)
    ]
    kappa = kept_weights(density, sum(units * inputs for units, inputs in sizes))
    controls = None if control is None else {control: 0.4}
    how: dict[str, Any] = {"density": density, "scope": scope, "rounds": rounds, "controls": controls}
    if sum(least) > kappa:
        with pytest.raises(InputError):
            cops.select(model, target="magnitude", floor=floor, **how)
        return
    mask = cops.select(model, target="magnitude", floor=floor, **how)
    assert mask.kappa == kappa
    assert all(kept >= needed for kept, needed in zip(kept_by(mask, floor), least, strict=True))
    if scope == "global" and control is None:
        score = np.concatenate([layer.weight.detach().abs().numpy().ravel() for layer in model])
        owners = np.repeat(
            np.arange(len(least)),
            [inputs for units, inputs in sizes for _ in range(units)]
            if floor.per == "unit"
            else [units * inputs for units, inputs in sizes],
        )
        kept = np.flatnonzero(np.concatenate([layer.numpy().ravel() for layer in mask.values()]))
        assert kept.tolist() == slow_mask(score, owners, np.array(least), kappa)
    free = cops.select(model, target="magnitude", **how)
    if rounds == 1 and all(kept >= needed for kept, needed in zip(kept_by(free, floor), least, strict=True)):
        assert control is not None or free.sha256() == mask.sha256()


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_split("digits", tmp_path_factory.mktemp("data"), 3, Decimal("0.2"))


def network(shape, seed: int = 3) -> nn.Module:
    model = build_model("lenet_300_100", shape, 10)
    initialize(model, seed)
    return model


def test_a_floor_is_a_constraint_of_the_linear_program(parts):
    model = network(parts.data.shape)
    selection = Selection(
        target="synflow", controls=(Control(score="magnitude", level=0.2),), floor=Floor(count=50)
    )
    selected = select_weights(Scorer(model, 3, "theta0"), parts, selection, Decimal("0.01"))
    batch, _ = parts.scoring_batch(3, 10)
    scores = compute_scores(["synflow", "magnitude"], model, batch, seed=3)
    sizes = [weight.numel() for weight in maskable(model).values()]
    expected = solve_cops(
        *(flatten(scores["synflow"]), [flatten(scores["magnitude"])], 502, [0.2]),
        layers=np.repeat(np.arange(3), sizes),
        floors=[50, 50, 50],
    )
    assert np.array_equal(flatten(selected.mask).astype(bool), expected.mask)
    certificate = selected.manifest["solutions"]["global"]
    assert certificate["status"] == "optimal"
    assert certificate["levels"] == pytest.approx(expected.levels)
    assert selected.manifest["floor"] == {"count": 50, "per": "layer"}
    assert len(selected.manifest["price_of_control"]["global"]) == 6
    assert min(selected.mask.kept.values()) == 50


# By floor: the kept weights of each layer, and the kept score, of that without a floor.
SYNFLOW = {
    None: ([0, 1712, 950], 1.0),
    Floor(count=100): ([100, 1613, 949], 0.9947),
    Floor(count=1, per="unit"): ([300, 1414, 948], 0.9828),
}


def test_one_shot_synflow_no_longer_empties_the_first_layer():
    shape = (1, 28, 28)
    images: tuple[Tensor, Tensor] = torch.zeros(1, *shape), torch.zeros(1, dtype=torch.long)
    model = network(shape, 0)
    score = flatten(compute_scores(["synflow"], model, images, seed=0)["synflow"])
    best = 0.0
    for floor, (kept, share) in SYNFLOW.items():
        mask = cops.select(model, images, target="synflow", density="0.01", floor=floor)
        assert list(mask.kept.values()) == kept
        assert connectivity(model, shape, mask).collapsed is (floor is None)
        value = float(score[flatten(mask).astype(bool)].sum())
        best = best or value
        assert value / best == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize("revive", [False, True])
def test_floors_hold_after_every_round(parts, monkeypatch, revive):
    seen = []
    compute = RoundScores.compute

    def noting(self, batch, mask, removed):
        seen.append(Mask({name: layer.clone() for name, layer in mask.items()}))
        return compute(self, batch, mask, removed)

    monkeypatch.setattr(RoundScores, "compute", noting)
    floor = Floor(count=1, per="unit")
    selection = Selection(target="snip", rounds=4, revive=revive, floor=floor)
    model = network(parts.data.shape)
    selected = select_weights(Scorer(model, 3, "theta0"), parts, selection, Decimal("0.01"))
    assert len(seen) == 3
    assert all(min(kept_by(mask, floor)) >= 1 for mask in [*seen, selected.mask])
    assert [mask.kappa for mask in [*seen, selected.mask]] == selected.manifest["kappas"]


REFUSED = {
    "more units than weights": (
        ("lenet_5_caffe", "0.001", Floor(count=1, per="unit")),
        "floor: 1 for each of 580 output units needs 580 weights, and density 0.001 keeps 431 of 430,500:"
        ' write per="layer", or a density of at least 0.0014',
    ),
    "a count that is too high": (
        ("lenet_300_100", "0.001", Floor(count=100)),
        "floor: 100 for each of 3 layers needs 300 weights, and density 0.001 keeps 266 of 266,200: write"
        " count=88, or a density of at least 0.0012",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("scope", ["global", "erk"])
def test_floors_that_exceed_kappa_are_refused_in_one_line(case, scope):
    (name, density, floor), words = REFUSED[case]
    model = build_model(name, (1, 28, 28), 10)
    with pytest.raises(InputError) as error:
        cops.select(model, target="magnitude", density=density, floor=floor, scope=scope)
    assert str(error.value) == words
    least = words.rpartition(" ")[2]
    cops.select(model, target="magnitude", density=least, floor=floor, scope=scope)
