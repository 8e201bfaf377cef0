"""Which weights may be removed, in networks of all kinds."""

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from cops_core.errors import InputError
from cops_core.library.candidates import candidates
from cops_core.models import MODELS, build_model
from cops_core.prunable import maskable


class Conv1D(nn.Module):
    """As in transformers' GPT-2: weight of shape (in, out)."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight, self.bias = nn.Parameter(torch.randn(nx, nf)), nn.Parameter(torch.zeros(nf))


class Own(nn.Module):
    """A parameter of a layer of no known kind, and a tied embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 3, 4))
        self.gain = nn.Parameter(torch.ones(4))
        self.tokens = nn.Embedding(5, 4)
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 5)
        self.last.weight = self.tokens.weight


def names(model: nn.Module, **patterns: Any) -> list[str]:
    return list(candidates(model, **patterns).weights)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(2, 3), ["0.weight"]),
        (nn.Conv1d(2, 3, 2), ["0.weight"]),
        (nn.Conv2d(4, 4, 2, groups=4), ["0.weight"]),
        (nn.Conv3d(2, 3, 2), ["0.weight"]),
        (nn.ConvTranspose2d(2, 4, 2, groups=2), ["0.weight"]),
        (nn.MultiheadAttention(4, 2), ["0.in_proj_weight", "0.out_proj.weight"]),
        (
            nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
            ["0.q_proj_weight", "0.k_proj_weight", "0.v_proj_weight", "0.out_proj.weight"],
        ),
        (nn.LSTMCell(2, 3), ["0.weight_ih", "0.weight_hh"]),
        (Conv1D(3, 2), ["0.weight"]),
        (nn.BatchNorm2d(3), []),
        (nn.LayerNorm(3), []),
        (nn.Linear(0, 3), []),
    ],
)
def test_layers(layer, expected):
    found = candidates(nn.Sequential(layer))
    assert list(found.weights) == expected
    assert not found.skipped
    assert all(weight is nn.Sequential(layer).get_parameter(name) for name, weight in found.weights.items())


def old(layer: nn.Module, how: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return how(layer)


def quantised() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inside = nn.Sequential(nn.Linear(2, 2))
        return torch.ao.quantization.quantize_dynamic(inside, {nn.Linear})[0]


def in_integers() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.int8), requires_grad=False)
    return layer


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Embedding(3, 2), "an embedding: name it in include"),
        (nn.EmbeddingBag(3, 2), "an embedding"),
        (nn.Linear(2, 2).requires_grad_(False), "requires_grad is False"),
        (parametrizations.weight_norm(nn.Linear(2, 2)), "computed by a parametrization"),
        (parametrizations.spectral_norm(nn.Conv1d(2, 2, 1)), "computed by a parametrization"),
        (parametrizations.orthogonal(nn.Linear(2, 2)), "computed by a parametrization"),
        (old(nn.Linear(2, 2), torch.nn.utils.weight_norm), "computed before each run"),
        (old(nn.Linear(2, 2), torch.nn.utils.spectral_norm), "computed before each run"),
        (quantised(), "quantised"),
        (in_integers(), "quantised: its values are int8"),
        (nn.Linear(2, 2, dtype=torch.complex64), "complex"),
        (nn.Linear(2, 2, device="meta"), "on the meta device"),
    ],
)
def test_what_is_skipped_has_a_reason(layer, words):
    found = candidates(nn.Sequential(layer, nn.Linear(2, 2)))
    assert list(found.weights) == ["1.weight"]
    assert list(found.skipped) == ["0.weight"]
    assert words in found.skipped["0.weight"]


def test_recurrent_layers_have_a_reason():
    found = candidates(nn.ModuleDict({"rnn": nn.LSTM(2, 3, bidirectional=True), "head": nn.Linear(6, 2)}))
    assert list(found.weights) == ["head.weight"]
    assert set(found.skipped) == {
        f"rnn.weight_{kind}_l0{way}" for kind in ("ih", "hh") for way in ("", "_reverse")
    }
    assert all("recurrent" in reason for reason in found.skipped.values())


def test_lazy_layers_are_refused():
    with pytest.raises(InputError, match=r"1\.weight, 1\.bias have no values yet: run one batch"):
        candidates(nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3)))


def test_embeddings_and_tied_weights():
    model = Own()
    assert names(model) == ["first.weight"]
    assert names(model, include=[nn.Linear, nn.Embedding]) == ["tokens.weight", "first.weight"]
    for pattern in (nn.Embedding, "tokens.weight", "tokens", "last.weight", "last"):
        assert names(model, include=pattern) == ["tokens.weight"]
    assert names(model, include=nn.Linear) == ["first.weight"]
    assert names(model, include=[nn.Linear, nn.Embedding], exclude="last") == ["first.weight"]


def test_a_tied_weight_counts_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert names(model) == ["0.weight"]
    assert names(model, include="2") == ["0.weight"]


def test_parameters_of_other_layers_by_their_exact_name():
    model = Own()
    assert names(model, include="position") == ["position"]
    with pytest.raises(InputError, match="matches only gain: one dimension"):
        names(model, include="gain")
    assert names(model, include="*") == ["first.weight"]


def test_patterns():
    model = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2, enable_nested_tensor=False
    )
    every = names(model)
    assert len(every) == 8
    assert names(model, include="layers.0") == every[:4]
    assert names(model, include="layers.0.*") == every[:4]
    assert names(model, include="*.linear1") == ["layers.0.linear1.weight", "layers.1.linear1.weight"]
    assert names(model, include=nn.MultiheadAttention, exclude="*.out_proj.*") == [
        "layers.0.self_attn.in_proj_weight",
        "layers.1.self_attn.in_proj_weight",
    ]
    assert names(model, exclude=[nn.MultiheadAttention, "layers.1"]) == every[2:4]
    assert names(model, include=nn.Module) == every
    assert candidates(model, exclude="layers.1").skipped["layers.1.linear1.weight"] == "in exclude"
    assert candidates(model, include="layers.1").skipped["layers.0.linear1.weight"] == "not in include"


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ({"include": "hed"}, "include 'hed' matches no weight: did you mean 'head'"),
        ({"exclude": "hed.*"}, "exclude 'hed.*' matches no weight"),
        ({"exclude": nn.Conv2d}, "exclude Conv2d matches no weight: write"),
        ({"include": "norm"}, "include 'norm' matches no weight"),
        ({"include": "rnn"}, "matches only rnn.weight_ih_l0, rnn.weight_hh_l0: a recurrent layer"),
        ({"include": int}, "include int is not a type of module"),
        ({"include": 3}, "include 3 is not a name, a glob, a type"),
        ({"exclude": ["head", 3]}, "is not a name"),
    ],
)
def test_wrong_patterns(patterns, words):
    model = nn.ModuleDict({"rnn": nn.GRU(2, 3), "head": nn.Linear(3, 2), "norm": nn.LayerNorm(3)})
    with pytest.raises(InputError) as error:
        candidates(model, **patterns)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", MODELS)
def test_those_of_a_trial(name):
    """In the project's networks they are what a trial may remove."""
    shape = (3, 32, 32) if name.startswith(("resnet", "vgg", "wrn")) else (1, 28, 28)
    model = build_model(name, shape, 10, seed=0)
    assert names(model) == list(maskable(model))


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_include_and_exclude_are_set_operations(chosen, left_out):
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(6)))
    include = [f"{place}.weight" for place in sorted(chosen)] or None
    exclude = [f"{place}" for place in sorted(left_out)] or None
    expected = (chosen or set(range(6))) - left_out
    found = candidates(model, include, exclude)
    assert list(found.weights) == [f"{place}.weight" for place in sorted(expected)]
    assert found.weights.keys() | found.skipped.keys() == {f"{place}.weight" for place in range(6)}
