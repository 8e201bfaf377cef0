"""Live weights and collapse are what a search through the network's graph finds."""

import numpy as np
import pytest
import torch
from torch import nn

from cops_core.collapse import connectivity
from cops_core.prunable import maskable, with_biases

from .graph import Graph
from .networks import NETWORKS, Residual


@pytest.mark.parametrize("biases", [False, True], ids=["weights", "biases too"])
@pytest.mark.parametrize("build", NETWORKS)
def test_live_is_what_a_search_through_the_graph_finds(build, biases):
    model = build()
    graph = Graph()
    inputs = graph.units(*build.shape)
    outputs = build.graph(graph, inputs)
    parameters = (with_biases if biases else maskable)(model)
    draws = np.random.default_rng(len(parameters))
    collapses = set()
    for density in [*np.linspace(0.05, 0.95, 13), 0.3, 0.3, 0.2, 0.1, 1.0]:
        keep = {name: draws.random(p.shape) < density for name, p in parameters.items()}
        mask = {name: torch.from_numpy(layer) for name, layer in keep.items()}
        live, reached = graph.live(keep, inputs, outputs)
        per_layer = {name: sum(where == name for where, _ in live) for name in mask}
        found = connectivity(model, build.shape, mask)
        assert found.live_weights == per_layer
        assert found.live == sum(per_layer.values())
        assert found.size == sum(p.numel() for p in parameters.values())
        assert found.kept == sum(layer.sum() for layer in keep.values())
        assert (found.live_outputs, found.outputs) == (reached, outputs.size)
        assert found.collapsed == (not reached)
        assert found.empty_layers == tuple(name for name in keep if not keep[name].any())
        assert found.dead_layers == tuple(name for name in keep if keep[name].any() and not per_layer[name])
        shortcuts = [name for name in keep if "downsample" in name]
        assert found.disconnected_shortcuts == tuple(name for name in shortcuts if not per_layer[name])
        collapses.add(found.collapsed)
    assert collapses == {False, True}  # the masks were of both kinds


def test_layers_that_the_mask_does_not_name_are_there():
    model = Residual()
    graph = Graph()
    inputs = graph.units(*Residual.shape)
    outputs = Residual.graph(graph, inputs)
    draws = np.random.default_rng(0)
    for _ in range(5):
        keep = {
            name: draws.random(maskable(model)[name].shape) < 0.2 for name in ("stem.weight", "head.weight")
        }
        live, flows = graph.live(keep, inputs, outputs)
        found = connectivity(model, Residual.shape, {name: torch.from_numpy(m) for name, m in keep.items()})
        assert found.live_weights == {name: sum(where == name for where, _ in live) for name in keep}
        assert found.collapsed == (not flows)
        assert found.size == sum(layer.size for layer in keep.values())


@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [(2, 2, 0, 1), (3, 2, 1, 1), (2, 3, 1, 1), (2, 1, 0, 3), (3, 2, 1, 2), (3, 4, 1, 1)],
)
def test_max_pooling_of_every_geometry_is_seen_position_by_position(
    kernel, stride, padding, dilation, ceil_mode
):
    """Of a single pixel, padded, each weight of the convolution makes one position of 7 x 7."""
    pool = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    outputs = pool(torch.zeros(2, 7, 7)).numel()
    model = nn.Sequential(nn.Conv2d(1, 2, 7, padding=6), pool, nn.Flatten(), nn.Linear(outputs, 2))
    graph = Graph()
    inputs = graph.units(1, 1, 1)
    positions = graph.conv("0", inputs, 2, 7, padding=6)
    pooled = graph.pool(positions, kernel, stride, padding, dilation, ceil_mode)
    logits = graph.linear("3", pooled.reshape(-1), 2)
    draws = np.random.default_rng(5)
    for place in range(outputs):
        keep = {"0.weight": draws.random((2, 1, 7, 7)) < 0.7}
        keep["3.weight"] = np.arange(outputs) == np.full((2, 1), place)
        live, _ = graph.live(keep, inputs, logits)
        found = connectivity(
            model, (1, 1, 1), {name: torch.from_numpy(layer) for name, layer in keep.items()}
        )
        assert found.live_weights == {name: sum(where == name for where, _ in live) for name in keep}
