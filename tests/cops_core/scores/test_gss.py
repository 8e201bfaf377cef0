"""The mechanism, and every score of a network of two weights computed by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from cops_core.errors import InputError
from cops_core.prunable import maskable
from cops_core.scores import SCORES, compute_scores
from cops_core.scores.base import Traits
from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.problem import pose
from cops_core.scores.synflow import SynapticFlow

LN3 = math.log(3)
LOSS = MeanCrossEntropy()


def two_weights(a: float, b: float) -> nn.Module:
    """Logits (a x, b x) of one pixel x."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False)).double()
    model[1].weight.data = torch.tensor([[a], [b]], dtype=torch.float64)
    return model


def images_of(*pixels: float) -> Tensor:
    return torch.tensor(pixels, dtype=torch.float64).reshape(-1, 1, 1, 1)


def values(name: str, model: nn.Module, batch: tuple[Tensor, Tensor]) -> list[float]:
    return compute_scores([name], model, batch, seed=0)[name]["1.weight"].flatten().tolist()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("magnitude", [LN3 - 2, -2]),
        ("gradient", [1 / 4, 1 / 4]),
        ("snip", [(LN3 - 2) / 4, 2 / 4]),
        ("fisher", [(LN3 - 2) ** 2 / 16, 4 / 16]),
        ("synflow", [LN3 - 2, 2]),
    ],
)
def test_by_hand_one_sample(name, expected):
    """x = 1, label 0, logits ln 3 apart: softmax (3/4, 1/4), gradient (-1/4, 1/4), R = |a| + |b|."""
    batch = images_of(1.0), torch.tensor([0])
    ours = values(name, two_weights(LN3 - 2, -2.0), batch)
    assert ours == pytest.approx([abs(value) for value in expected], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gradient", [1 / 4, 1 / 4]), ("snip", [0.5 * LN3 / 4, 0.5 * LN3 / 4])],
)
def test_by_hand_two_samples(name, expected):
    """x = 1 of either label, softmax (3/4, 1/4): gradients (-1/4, 1/4), (3/4, -3/4), mean (1/4, -1/4)."""
    batch = images_of(1.0, 1.0), torch.tensor([0, 1])
    assert values(name, two_weights(LN3 / 2, -LN3 / 2), batch) == pytest.approx(expected, rel=1e-12)


def test_fisher_by_hand_is_not_snip_squared():
    """The same two samples: the mean of the squares is (1/16 + 9/16) / 2 = 5/16, not 1/16."""
    batch = images_of(1.0, 1.0), torch.tensor([0, 1])
    weight = LN3 / 2
    ours = values("fisher", two_weights(weight, -weight), batch)
    assert ours == pytest.approx([weight**2 * 5 / 16] * 2, rel=1e-12)


def test_grasp_by_hand():
    """Logits 200 ln 3 apart, over T = 200: g = (-1/4, 1/4) / T, H = 3/16 [[1, -1], [-1, 1]] / T^2.

    So H g = (-3/32, 3/32) / T^3.
    """
    T = 200
    a, b = T * LN3 + 1, 1.0
    ours = values("grasp", two_weights(a, b), (images_of(1.0), torch.tensor([0])))
    assert ours == pytest.approx([-a * 3 / 32 / T**3, b * 3 / 32 / T**3], rel=1e-9)


def gss(p: float, r: float, model: nn.Module, functional=LOSS) -> list[float]:
    problem = pose(model, (images_of(1.0), torch.tensor([0])), 0, None)
    return GeneralizedSynapticScore(functional, p, r).compute(problem)["1.weight"].flatten().tolist()


def test_powers():
    model = two_weights(LN3 - 2, -2.0)
    assert gss(2, 1, model) == pytest.approx([(2 - LN3) / 16, 2 / 16])
    assert gss(0.5, 3, model) == pytest.approx([(2 - LN3) ** 3 / 2, 8 / 2])
    assert gss(0, 0.5, model, None) == pytest.approx([math.sqrt(2 - LN3), math.sqrt(2)])


def test_zero_to_a_power_is_zero():
    model = two_weights(0.0, -2.0)
    for p, r in [(0.0, 0.5), (0.0, 1.0), (0.5, 2.0), (1.0, 1.0)]:
        assert gss(p, r, model, LOSS if p else None)[0] == 0.0
    dead = two_weights(1.0, -2.0)
    problem = pose(dead, (images_of(0.0), torch.tensor([0])), 0, None)
    for p, r in [(0.5, 0.0), (1.0, 0.0), (0.3, 1.0)]:
        assert not GeneralizedSynapticScore(LOSS, p, r).compute(problem)["1.weight"].any()


@pytest.mark.parametrize(
    ("functional", "p", "r", "signed", "message"),
    [
        (None, 0, 0, False, "p = r = 0"),
        (LOSS, -1, 1, False, "at least 0"),
        (LOSS, math.nan, 1, False, "finite"),
        (LOSS, 1, math.inf, False, "finite"),
        (LOSS, 2, 1, True, "a signed score"),
        (LOSS, 0, 1, False, "if and only if p > 0"),
        (None, 1, 1, False, "if and only if p > 0"),
    ],
)
def test_refused(functional, p, r, signed, message):
    with pytest.raises(InputError, match=message):
        GeneralizedSynapticScore(functional, p, r, signed)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_wrong_temperature(temperature):
    with pytest.raises(InputError, match="temperature"):
        MeanCrossEntropy(temperature)


def test_signed_synflow_is_synflow():
    """dR/dtheta * theta is never negative, whatever the sign of theta."""
    problem = pose(two_weights(LN3 - 2, -2.0), (images_of(1.0), torch.tensor([0])), 0, None)
    signed = GeneralizedSynapticScore(SynapticFlow(), signed=True).compute(problem)
    assert torch.equal(signed["1.weight"], SCORES["synflow"].compute(problem)["1.weight"])


def test_equal_functionals_share_a_backward_pass(build, batch):
    """Counted: the forward passes of the network."""
    model = build("plain")
    runs = []
    model.register_forward_hook(lambda *_: runs.append(1))
    compute_scores(["snip", "gradient", "magnitude", "random"], model, batch, seed=0)
    assert len(runs) == 1


def test_a_removed_weight_keeps_its_slope_in_synflow(build, batch):
    problem = pose(two_weights(0.0, -2.0), (images_of(1.0), torch.tensor([0])), 0, None)
    assert problem.gradient(SynapticFlow())[0]["1.weight"].flatten().tolist() == [1.0, 1.0]


def test_an_unused_layer_scores_zero(build, batch):
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = build("plain")
            self.spare = nn.Linear(3, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.body(images)

    for name, scores in compute_scores(
        ["snip", "grasp", "synflow", "fisher"], Unused(), batch, seed=0
    ).items():
        assert not scores["spare.weight"].any(), name


def test_a_weight_shared_with_an_embedding(batch):
    """Its owner without a bias does not hide the one that has a bias."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(3, 72)
            self.head = nn.Linear(72, 3)
            self.head.weight = self.table.weight

        def forward(self, images: Tensor) -> Tensor:
            return self.head(images.flatten(1) + self.table.weight.sum(0))

    model = Shared()
    scores = compute_scores(SCORES, model, batch, seed=0)
    assert all(list(layers) == list(maskable(model)) == ["table.weight"] for layers in scores.values())


def test_traits():
    assert SCORES["magnitude"].traits == Traits(
        needs_data=False,
        needs_second_derivative=False,
        normalisation="unused",
        precision="model",
        signed=False,
    )
    assert [name for name, score in SCORES.items() if score.traits.needs_data] == [
        "gradient",
        "snip",
        "grasp",
        "fisher",
        "prospr",
    ]
    assert [name for name, score in SCORES.items() if score.traits.needs_second_derivative] == [
        "grasp",
        "prospr",
    ]
    assert [name for name, score in SCORES.items() if score.traits.signed] == ["grasp"]
    assert [name for name, score in SCORES.items() if score.traits.normalisation == "eval"] == ["synflow"]
