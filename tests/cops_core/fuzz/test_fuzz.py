"""Random networks, each compared with its dense copy in float64 and with autograd: none is silently wrong."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from cops_core.arms import SCALES, Scale
from cops_core.collapse import connectivity
from cops_core.config import Training
from cops_core.contracts.agreement import disagreement
from cops_core.mask import Mask
from cops_core.masked import products
from cops_core.paths.constant import drawn, images_for
from cops_core.prunable import maskable

from ..collapse.gradients import live_by_gradients
from .graphs import CLASSES, GRAPHS, SHAPE, Graph

ARMS = {**SCALES, "scale": Scale(0.3)}
TRAINING = Training(learning_rate=0.05, momentum=0.9, weight_decay=0.01, precision="float64")
# Behind a unit that no image reaches these are not zero: a weight there moves what follows, as a bias does.
NOT_ZERO_AT_ZERO = ("one minus", "softmax")
DENSITIES = st.sampled_from([0.0, 0.01, 0.05, 0.2, 0.5, 0.95])


def draw_mask(graph: Graph, density: float) -> Mask:
    generator = torch.Generator().manual_seed(graph.seed)
    weights = maskable(graph.build())
    return Mask({name: torch.rand(w.shape, generator=generator) < density for name, w in weights.items()})


def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(2)
    return [(torch.randn((5, *SHAPE), generator=generator), torch.arange(5) % CLASSES) for _ in range(3)]


def check_training(graph: Graph, density: float, arm: str) -> None:
    """Training agrees with the dense oracle, with sparse products in every linear layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "MIN_WEIGHTS", 0)
        patch.setattr(products, "MAX_SPARSE_DENSITY", 1.0)
        assert disagreement(graph.build, draw_mask(graph, density), ARMS[arm], batches(), TRAINING) is None


def check_paths(graph: Graph, density: float) -> None:
    """What is said to be constant is; what autograd finds to move an output is said to be live."""
    model, mask = graph.build().double().eval(), draw_mask(graph, density)
    found = connectivity(model, SHAPE, mask)
    assert found.unknown is None
    for seed in range(3):
        with drawn(model, mask, seed):
            images = images_for(model, SHAPE, 6, seed)
            outputs = model(images)
            varies = (outputs - outputs[:1]).abs().amax(0) > 1e-9 * outputs.abs().amax()
            assert int(varies.sum()) <= found.live_outputs
            assert not (found.collapsed and varies.any())
    if not any(step.operation[1] in NOT_ZERO_AT_ZERO for step in graph.steps):
        live = live_by_gradients(model, SHAPE, mask, draws=2, biases=False)
        assert all(count <= found.live_weights[name] for name, count in live.items())


@pytest.mark.parametrize("check", ["training", "paths"])
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graph=GRAPHS, density=DENSITIES, arm=st.sampled_from(sorted(ARMS)))
def test_some_networks(check, graph, density, arm):
    check_training(graph, density, arm) if check == "training" else check_paths(graph, density)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graph=GRAPHS, density=DENSITIES, arm=st.sampled_from(sorted(ARMS)))
def test_many_networks(graph, density, arm):
    check_training(graph, density, arm)
    check_paths(graph, density)
