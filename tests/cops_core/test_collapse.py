import json
import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cops_core.collapse import connectivity
from cops_core.mask import unflatten
from cops_core.models import build_model
from cops_core.prunable import maskable, with_biases
from cops_core.scores import compute_scores
from cops_core.vision import torchvision_models


class Graph:
    """The oracle: a node per unit and position, an edge per product of the forward pass, and two searches.

    Arrays hold node numbers, of the shape of the activations: (channels, height, width) or (features,).
    """

    def __init__(self):
        self.nodes = 0
        self.edges = []  # (from, to, (parameter name, index) or None)
        self.biases = []  # (to, (parameter name, index))

    def units(self, *shape):
        self.nodes += math.prod(shape)
        return np.arange(self.nodes - math.prod(shape), self.nodes).reshape(shape)

    def linear(self, name, before, features):
        after = self.units(features)
        for o in range(features):
            self.biases.append((after[o], (f"{name}.bias", (o,))))
            for i, node in enumerate(before):
                self.edges.append((node, after[o], (f"{name}.weight", (o, i))))
        return after

    def conv(self, name, before, channels, kernel, stride=1, padding=0, dilation=1, groups=1):
        per_group, out_per_group = len(before) // groups, channels // groups
        height, width = (
            (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in before.shape[1:]
        )
        after = self.units(channels, height, width)
        for o, y, x in np.ndindex(after.shape):
            self.biases.append((after[o, y, x], (f"{name}.bias", (o,))))
            for i, dy, dx in np.ndindex(per_group, kernel, kernel):
                node = at(before[o // out_per_group * per_group + i], y, x, dy, dx, stride, padding, dilation)
                if node is not None:
                    self.edges.append((node, after[o, y, x], (f"{name}.weight", (o, i, dy, dx))))
        return after

    def pool(self, before, kernel, stride, padding=0, dilation=1, ceil_mode=False):
        sizes = []
        for n in before.shape[1:]:
            steps = (n + 2 * padding - dilation * (kernel - 1) - 1) / stride
            size = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
            sizes.append(size - 1 if ceil_mode and (size - 1) * stride >= n + padding else size)
        after = self.units(len(before), *sizes)
        for c, y, x in np.ndindex(after.shape):
            for dy, dx in np.ndindex(kernel, kernel):
                node = at(before[c], y, x, dy, dx, stride, padding, dilation)
                if node is not None:
                    self.edges.append((node, after[c, y, x], None))
        return after

    def global_pool(self, before):
        after = self.units(len(before))
        self.edges += [(node, after[c], None) for c, plane in enumerate(before) for node in plane.flat]
        return after

    def add(self, first, second):
        after = self.units(*first.shape)
        for before in (first, second):
            self.edges += [(i, o, None) for i, o in zip(before.flat, after.flat, strict=True)]
        return after

    def live(self, mask, inputs, outputs):
        """The kept (name, index) on a path, and whether there is a path at all."""

        def kept(parameter):
            return parameter is None or parameter[0] not in mask or bool(mask[parameter[0]][parameter[1]])

        edges = [edge for edge in self.edges if kept(edge[2])]
        reached = search(inputs.flat, ((i, o) for i, o, _ in edges))
        reaching = search(outputs.flat, ((o, i) for i, o, _ in edges))
        live = {parameter for i, o, parameter in edges if i in reached and o in reaching}
        live |= {parameter for o, parameter in self.biases if o in reaching and kept(parameter)}
        return live - {None}, sum(o in reached for o in outputs.flat)


def at(plane, y, x, dy, dx, stride, padding, dilation):
    """The node that a window sees at one of its places, None in the padding."""
    row, column = y * stride - padding + dy * dilation, x * stride - padding + dx * dilation
    inside = 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]
    return plane[row, column] if inside else None


def search(starts, edges):
    successors = defaultdict(list)
    for i, o in edges:
        successors[i].append(o)
    found = set(starts)
    waiting = list(found)
    while waiting:
        new = [node for node in successors[waiting.pop()] if node not in found]
        found.update(new)
        waiting += new
    return found


class Perceptron(nn.Sequential):
    shape = (1, 2, 3)

    def __init__(self, activation=nn.ReLU):
        super().__init__(
            nn.Flatten(), nn.Linear(6, 5), activation(), nn.Linear(5, 4), activation(), nn.Linear(4, 3)
        )

    @staticmethod
    def graph(g, x):
        x = g.linear("1", x.reshape(-1), 5)
        return g.linear("5", g.linear("3", x, 4), 3)


class Convolutional(nn.Module):
    """Grouped and dilated convolutions, max pooling of every geometry, as a module and as a function."""

    shape = (2, 9, 8)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.conv2 = nn.Conv2d(4, 3, 2, dilation=2, bias=False)
        self.drop = nn.Dropout()
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        x = self.pool(functional.relu(self.norm(self.conv1(x)), inplace=True))
        x = functional.max_pool2d(torch.tanh(self.conv2(x)), (2, 2), 1, dilation=2, ceil_mode=True)
        x = functional.dropout(functional.adaptive_max_pool2d(x, 1).flatten(1))
        return functional.log_softmax(self.head(self.drop(x)), 1)

    @staticmethod
    def graph(g, x):
        x = g.pool(g.conv("conv1", x, 4, 3, padding=1, groups=2), 3, 2, padding=1, ceil_mode=True)
        x = g.pool(g.conv("conv2", x, 3, 2, dilation=2), 2, 1, dilation=2, ceil_mode=True)
        return g.linear("head", g.global_pool(x), 2)


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x):
        y = self.conv2(torch.relu_(self.norm(self.conv1(x))))
        y += x if self.downsample is None else self.downsample(x)
        return y.relu_()


class Residual(nn.Module):
    shape = (1, 7, 7)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, stride=2, bias=False)
        self.same = Block(2, 2, 1)
        self.down = Block(2, 3, 2)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.down(self.same(self.stem(x))).mean((2, 3)))

    @staticmethod
    def graph(g, x):
        x = g.conv("stem", x, 2, 3, stride=2)
        x = g.add(x, g.conv("same.conv2", g.conv("same.conv1", x, 2, 3, padding=1), 2, 3, padding=1))
        y = g.conv("down.conv2", g.conv("down.conv1", x, 3, 3, stride=2, padding=1), 3, 3, padding=1)
        x = g.add(y, g.conv("down.downsample.0", x, 3, 1, stride=2))
        return g.linear("head", g.global_pool(x), 2)


class Shared(nn.Module):
    """One layer used twice, under two names."""

    shape = (1, 1, 4)

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = self.first
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(functional.gelu(self.second(self.first(x.flatten(1)).sigmoid())))

    @staticmethod
    def graph(g, x):
        return g.linear("head", g.linear("first", g.linear("first", x.reshape(-1), 4), 4), 2)


NETWORKS = [Perceptron, Convolutional, Residual, Shared]


def full(model, but=(), of=maskable):
    """The mask of everything, but the parameters named `but`."""
    return {name: torch.full(p.shape, name not in but) for name, p in of(model).items()}


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


@pytest.mark.parametrize("build", [Perceptron, Residual, Shared])
def test_the_full_mask_is_all_live(build):
    model = build()
    found = connectivity(model, build.shape, full(model))
    assert found.live == found.kept == found.size
    assert found.effective_density == 1
    assert not found.collapsed
    assert found.empty_layers == found.dead_layers == found.disconnected_shortcuts == ()


def test_an_empty_layer_collapses_a_chain():
    model = Perceptron()
    found = connectivity(model, Perceptron.shape, full(model, but=["3.weight"]))
    assert found.collapsed
    assert found.empty_layers == ("3.weight",)
    assert found.dead_layers == ("1.weight", "5.weight")
    assert (found.live, found.kept, found.size) == (0, 30 + 12, 30 + 20 + 12)


def test_kept_weights_that_do_not_meet_collapse_a_chain_without_an_empty_layer():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    mask = {"1.weight": torch.tensor([[1, 1], [0, 0]]).bool(), "3.weight": torch.tensor([[0, 1]]).bool()}
    found = connectivity(model, (1, 1, 2), mask)
    assert found.collapsed
    assert found.empty_layers == ()
    assert found.dead_layers == ("1.weight", "3.weight")


def test_a_live_weight_by_hand():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    mask = {"1.weight": torch.tensor([[1, 0], [0, 0]]).bool(), "3.weight": torch.tensor([[1, 1]]).bool()}
    found = connectivity(model, (1, 1, 2), mask)
    assert found.live_weights == {"1.weight": 1, "3.weight": 1}  # the second unit hears nothing
    assert (found.kept, found.live, found.effective_density) == (3, 2, 2 / 6)


def test_an_empty_branch_does_not_collapse_a_residual_network():
    model = Residual()
    found = connectivity(model, Residual.shape, full(model, but=["same.conv1.weight", "down.conv2.weight"]))
    assert not found.collapsed
    assert found.dead_layers == ("same.conv2.weight", "down.conv1.weight")
    assert found.disconnected_shortcuts == ()


def test_a_branch_alone_may_be_masked_away_without_collapse():
    shape = {name: p.shape for name, p in maskable(Residual()).items()}["same.conv1.weight"]
    found = connectivity(Residual(), Residual.shape, {"same.conv1.weight": torch.zeros(shape).bool()})
    assert found.live == 0
    assert not found.collapsed


@pytest.mark.parametrize(
    ("empty", "collapsed"),
    [(["down.downsample.0.weight"], False), (["stem.weight"], True), (["head.weight"], True)],
    ids=["itself", "before", "behind"],
)
def test_a_projection_shortcut_without_flow_is_reported(empty, collapsed):
    model = Residual()
    found = connectivity(model, Residual.shape, full(model, but=empty))
    assert found.disconnected_shortcuts == ("down.downsample.0.weight",)
    assert found.collapsed == collapsed


POOLS = {
    "module": nn.MaxPool2d(2),
    "function": lambda x: functional.max_pool2d(x, 2),
    "torch": lambda x: torch.max_pool2d(x, 2),
    "by keyword": lambda x: functional.max_pool2d(input=x, kernel_size=2),
    "adaptive": nn.AdaptiveMaxPool2d(1),
    "amax": lambda x: x.amax((2, 3)),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_a_weight_behind_a_position_that_is_not_the_maximum_is_live(pool):
    """Padding makes conv2's corner weight see something at one position of the window only, behind which
    the flow is smaller than elsewhere: 1 path instead of 4."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 1, 1, bias=False)
            self.conv2 = nn.Conv2d(1, 1, 3, padding=1, bias=False)
            self.pool = pool

        def forward(self, x):
            return self.pool(self.conv2(self.conv1(x))).flatten(1)

    mask = {"conv1.weight": torch.ones(1, 1, 1, 1).bool(), "conv2.weight": torch.zeros(1, 1, 3, 3).bool()}
    mask["conv2.weight"][0, 0, 0, 0] = True  # up and to the left: reaches the last of four positions only
    mask["conv2.weight"][0, 0, 1, 1:] = True  # here and to the right: 2 paths to the positions on the left
    found = connectivity(Net(), (1, 2, 2), mask)
    assert found.live_weights == {"conv1.weight": 1, "conv2.weight": 3}


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


@pytest.mark.parametrize("pool", ["max_pool2d", "adaptive_max_pool2d"])
def test_indices_of_a_maximum_are_refused(refused, pool):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return getattr(functional, pool)(self.conv(x), 2, return_indices=True)[0]

    with refused("without indices"):
        connectivity(Net(), (1, 4, 4), {"conv.weight": torch.ones(1, 1, 1, 1).bool()})


ACTIVATIONS = [
    nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU,
    nn.LogSigmoid, nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.SiLU, nn.Sigmoid,
    nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Dropout, nn.AlphaDropout,
    nn.Identity, lambda: nn.Threshold(20.0, 1.0), lambda: nn.Softmax(-1), lambda: nn.LogSoftmax(-1),
    lambda: nn.Softmin(-1),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_paths_do_not_depend_on_the_activation(activation):
    draws = np.random.default_rng(3)
    mask = {name: torch.from_numpy(draws.random(p.shape) < 0.4) for name, p in maskable(Perceptron()).items()}
    expected = connectivity(Perceptron(), Perceptron.shape, mask)
    assert 0 < expected.live < expected.kept
    assert connectivity(Perceptron(activation), Perceptron.shape, mask) == expected


NORMALISATIONS = {
    "batch": lambda: nn.BatchNorm2d(4),
    "batch without statistics": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "group": lambda: nn.GroupNorm(2, 4),
    "layer": lambda: nn.LayerNorm([4, 5, 5]),
    "instance": lambda: nn.InstanceNorm2d(4),
    "root mean square": lambda: nn.RMSNorm([4, 5, 5]),
    "local response": lambda: nn.LocalResponseNorm(2),
}


@pytest.mark.parametrize("norm", NORMALISATIONS.values(), ids=NORMALISATIONS)
def test_normalisation_layers_hide_no_paths_whatever_their_parameters(norm):
    def build(layer):
        return nn.Sequential(nn.Conv2d(1, 4, 3), layer, nn.Conv2d(4, 2, 5), nn.Flatten())

    draws = np.random.default_rng(4)
    shapes = {name: p.shape for name, p in maskable(build(nn.Identity())).items()}
    mask = {name: torch.from_numpy(draws.random(shape) < 0.1) for name, shape in shapes.items()}
    layer = norm()
    with torch.no_grad():
        for tensor in (*layer.parameters(), *layer.buffers()):
            tensor.fill_(-3)
    expected = connectivity(build(nn.Identity()), (1, 7, 7), mask)
    assert 0 < expected.live < expected.kept
    assert connectivity(build(layer), (1, 7, 7), mask) == expected


def test_the_values_of_weights_do_not_matter():
    model = Perceptron()
    mask = full(model)
    with torch.no_grad():
        for value, parameter in zip(
            [0.0, -1.0, math.nan, math.inf, -7.0, 0.0], model.parameters(), strict=True
        ):
            parameter.fill_(value)
    assert connectivity(model, Perceptron.shape, mask).effective_density == 1


@pytest.mark.parametrize("average", [False, True], ids=["plain", "averaging"])
@pytest.mark.parametrize("activation", [nn.Identity, nn.Tanh])
@pytest.mark.parametrize("depth", [40, 400])
def test_depth_and_width_neither_overflow_nor_underflow(depth, activation, average):
    """Unscaled, the flow would grow 512^40-fold or 8^400-fold, and 1e-3^400 is 0 in float64."""
    width = 512 if depth == 40 else 8

    class Average(nn.Module):
        def forward(self, x):
            return x.mean(1, keepdim=True).expand_as(x) * 1e-3

    scale = Average() if average else nn.Identity()
    layers = [nn.Sequential(nn.Linear(width, width, bias=False), activation(), scale) for _ in range(depth)]
    model = nn.Sequential(nn.Flatten(), *layers)
    found = connectivity(model, (1, 1, width), full(model))
    assert found.live == found.size == depth * width**2
    thread = {name: torch.zeros(p.shape).bool() for name, p in maskable(model).items()}
    for layer in thread.values():
        layer[3, 5] = layer[5, 3] = True
    found = connectivity(model, (1, 1, width), thread)
    assert found.live == 2 * depth
    assert not found.collapsed


def test_a_bias_is_live_if_something_hears_it_and_makes_nothing_else_live():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    mask = {
        "1.weight": torch.tensor([[False], [False]]),
        "1.bias": torch.tensor([True, True]),
        "3.weight": torch.tensor([[True, False]]),
        "3.bias": torch.tensor([False]),
    }
    found = connectivity(model, (1, 1, 1), mask)
    assert found.live_weights == {"1.weight": 0, "1.bias": 1, "3.weight": 0, "3.bias": 0}
    assert found.collapsed
    assert found.empty_layers == ("1.weight", "3.bias")
    assert (found.size, found.kept, found.live) == (7, 3, 1)


class Moody(nn.Module):
    """Lets nothing through while it is trained, and draws random numbers always."""

    def forward(self, x):
        torch.rand(3)
        return torch.zeros_like(x) if self.training else x


def test_the_paths_are_those_of_eval_mode():
    model = nn.Sequential(nn.Flatten(), Moody(), nn.Linear(4, 2)).train()
    state = torch.get_rng_state()
    assert connectivity(model, (1, 2, 2), full(model)).effective_density == 1
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())


def snapshot(model):
    return (
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        [(p.requires_grad, p.grad, p._version) for p in model.parameters()],
        [module.training for module in model.modules()],
        torch.get_rng_state(),
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize("fails", [False, True], ids=["works", "raises"])
@pytest.mark.parametrize("grad", [False, True], ids=["no grad", "grad"])
def test_the_model_is_left_as_it_was(fails, grad):
    model = Convolutional()
    model.train()
    model.norm.eval()
    model.conv1.weight.requires_grad_(False)
    model.head.weight.grad = torch.ones(2, 3)
    images = torch.ones((1, *Convolutional.shape))
    before = snapshot(model)
    with torch.set_grad_enabled(grad):
        if fails:
            with pytest.raises(RuntimeError):
                connectivity(model, (5, 9, 8), full(model))
        else:
            connectivity(model, Convolutional.shape, full(model))
        after = snapshot(model)
    for old, new in zip(before[0].items(), after[0].items(), strict=True):
        assert old[0] == new[0]
        assert torch.equal(old[1], new[1])
    assert all(
        a[0] == b[0] and a[1] is b[1] and a[2] == b[2] for a, b in zip(before[1], after[1], strict=True)
    )
    assert before[2] == after[2]
    assert torch.equal(before[3], after[3])
    assert after[4] == grad
    assert model.head.weight.grad.eq(1).all()
    # Outside, max pooling is max pooling again.
    assert torch.equal(
        functional.max_pool2d(images.cumsum(3), 2)[0, 0, 0], torch.tensor([2.0, 4.0, 6.0, 8.0])
    )


def test_masks_of_another_model_are_refused(refused):
    model = Perceptron()
    with refused("names no weight"):
        connectivity(model, Perceptron.shape, {})
    with refused(r"the mask has \(5, 6\) at 'fc.weight' where the model has nothing"):
        connectivity(model, Perceptron.shape, {"fc.weight": torch.ones(5, 6).bool()})
    with refused(r"the mask has \(6, 5\) at '1.weight' where the model has \(5, 6\)"):
        connectivity(model, Perceptron.shape, {"1.weight": torch.ones(6, 5).bool()})


def test_facts_are_what_json_can_hold():
    model = Residual()
    found = connectivity(
        model, Residual.shape, full(model, but=["down.downsample.0.weight", "down.conv1.weight"])
    )
    facts = found.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["effective_density"] == found.live / found.size
    assert facts["collapsed"] is True
    assert facts["empty_layers"] == ["down.conv1.weight", "down.downsample.0.weight"]
    assert facts["live_weights"]["stem.weight"] == 0


def test_a_resnet_that_loses_a_branch_and_a_shortcut_but_not_its_flow():
    model = torchvision_models().resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    gone = ["layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.conv2.weight"]
    found = connectivity(model, (3, 32, 32), full(model, but=gone))
    assert not found.collapsed
    assert found.empty_layers == tuple(gone)
    assert found.dead_layers == ("layer1.0.conv2.weight", "layer4.1.conv1.weight")
    assert found.disconnected_shortcuts == ("layer2.0.downsample.0.weight",)
    dead = {*gone, *found.dead_layers}
    sizes = {name: p.numel() for name, p in maskable(model).items()}
    assert found.live_weights == {name: 0 if name in dead else size for name, size in sizes.items()}


def test_synflow_in_one_shot_collapses_lenet_300_100():
    shape = (1, 28, 28)
    model = build_model("lenet_300_100", shape, 10)
    scores = compute_scores(["synflow"], model, (torch.zeros(1, *shape), torch.zeros(1).long()), seed=0)
    flat = torch.cat([layer.reshape(-1) for layer in scores["synflow"].values()])
    keep = np.zeros(len(flat), dtype=bool)
    keep[flat.topk(1331).indices.numpy()] = True  # a density of 0.005
    found = connectivity(
        model, shape, unflatten(keep, {name: p.shape for name, p in maskable(model).items()})
    )
    assert found.collapsed
    assert found.empty_layers == ("fc1.weight",)
    assert found.dead_layers == ("fc2.weight", "fc3.weight")
    assert (found.size, found.kept, found.live) == (266_200, 1331, 0)
