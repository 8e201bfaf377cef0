"""Random networks: graphs of layers with branches, ties, norms, gates, reshapes and in-place operations."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

CHANNELS, SIDE, CLASSES = 4, 4, 3
FEATURES = CHANNELS * SIDE * SIDE
SHAPE = (2, SIDE, SIDE)


def in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] *= 2
    y[:, 2] = x[:, 3] - x[:, 0]
    y[:, 1:].tanh_()
    return y


def by_hand(x: Tensor) -> Tensor:
    mean = x.mean(1, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(1, keepdim=True) + 0.1).sqrt()


def detached(x: Tensor) -> Tensor:
    with torch.no_grad():
        other = x.roll(1, 1)
    return x + other


def scattered(x: Tensor) -> Tensor:
    return torch.zeros_like(x).index_add_(1, torch.tensor([3, 0, 1, 0]), x)


# One image map to another of the same shape, (N, CHANNELS, SIDE, SIDE), without weights.
PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "abs": torch.abs,
    "negation": torch.neg,
    "one minus": lambda x: 1 - x,
    "quantised": lambda x: x + ((4 * x).round() / 4 - x).detach(),
    "both signs": lambda x: torch.cat([x[:, :2].relu(), (-x[:, 2:]).relu()], 1),
    "transposed": lambda x: x.transpose(2, 3),
    "reshaped": lambda x: x.reshape(len(x), -1, 2).transpose(1, 2).reshape(x.shape),
    "permuted": lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
    "flipped": lambda x: x.flip(1),
    "shifted": lambda x: F.pad(x, (1, -1, -1, 1)),
    "shuffled": lambda x: F.channel_shuffle(x, 2),
    "average": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "maximum": lambda x: F.max_pool2d(x, 3, 1, 1),
    "pooled and back": lambda x: F.interpolate(F.max_pool2d(x, 2), scale_factor=2),
    "pooled in 1-D": lambda x: F.max_pool1d(x.flatten(2), 3, 1, 1).view(x.shape),
    "softmax": lambda x: x.softmax(1),
    "centred": lambda x: x - x.mean((2, 3), keepdim=True),
    "norm by hand": by_hand,
    "unit length": lambda x: F.normalize(x, dim=1),
    "glu": lambda x: F.glu(torch.cat([x, x.flip(1)], 1), 1),
    "swish": lambda x: x * x.sigmoid(),
    "in place": in_place,
    "detached": detached,
    "scattered": scattered,
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
    "maxout": lambda x: torch.maximum(x, x.roll(1, 1)),
    "sorted": lambda x: x.sort(1).values,
    "self-attention": lambda x: (x.flatten(2) @ x.flatten(2).transpose(1, 2)).softmax(2) @ x.flatten(2),
    "squeezed": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
}  # fmt: skip


class Linear(nn.Module):
    """A linear layer on the whole image map."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1)).view(x.shape)


class Bottleneck(nn.Module):
    """Two linear layers, of which the second is read by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Linear(FEATURES, 5)
        self.up = nn.Linear(5, FEATURES, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.tanh(self.down(x.flatten(1))), self.up.weight).view(x.shape)


class TiedBottleneck(nn.Module):
    """One matrix, there and back."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(FEATURES, 6)

    def forward(self, x: Tensor) -> Tensor:
        return (torch.tanh(self.fc(x.flatten(1))) @ self.fc.weight).view(x.shape)


class Checkpointed(nn.Module):
    """A linear layer on channels, run again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        def run(y: Tensor) -> Tensor:
            return torch.tanh(self.fc(y.movedim(1, 3))).movedim(3, 1)

        return checkpoint(run, x, use_reentrant=False)


class Standardised(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight / (weight.std((1, 2, 3), keepdim=True) + 0.1), self.bias, padding=1)


class Scaled(nn.Module):
    """A gain per channel."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((CHANNELS, 1, 1), start))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return self.mha(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


class Gate(nn.Module):
    """A linear layer opens or closes channels."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc(x.mean((2, 3))))[:, :, None, None]


# The same with weights or statistics.
MODULES: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
    "depthwise": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False),
    "pointwise": lambda: nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False),
    "dilated": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=2, dilation=2),
    "transposed": lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, padding=1),
    "standardised": lambda: Standardised(CHANNELS, CHANNELS, 3),
    "linear": Linear,
    "bottleneck": Bottleneck,
    "tied": TiedBottleneck,
    "checkpoint": Checkpointed,
    "attention": Attention,
    "gate": Gate,
    "gain": lambda: Scaled(1.0),
    "gain of zero": lambda: Scaled(0.0),
    "batch norm": lambda: nn.BatchNorm2d(CHANNELS),
    "group norm": lambda: nn.GroupNorm(2, CHANNELS),
    "layer norm": lambda: nn.LayerNorm([CHANNELS, SIDE, SIDE]),
    "instance norm": lambda: nn.InstanceNorm2d(CHANNELS),
    "prelu": lambda: nn.PReLU(CHANNELS),
    "dropout": lambda: nn.Dropout(0.3),
}  # fmt: skip

JOINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": lambda x, y: x + y,
    "difference": lambda x, y: x - y,
    "product": lambda x, y: x * torch.tanh(y),
    "halves": lambda x, y: torch.cat([x[:, :2], y[:, 2:]], 1),
    "maximum": torch.maximum,
    "sum in place": lambda x, y: x.clone().add_(y),
}


@dataclass(frozen=True)
class Step:
    """A node of a graph: an operation on an earlier node, or on two.

    Attributes:
        operation: A key of PLAIN, MODULES or JOINS; "again" uses an earlier module again.
        inputs: How many nodes back the arguments are, from 0 for the last one.
    """

    operation: tuple[str, str]
    inputs: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Graph:
    """A network: its steps, and what becomes of the logits."""

    steps: tuple[Step, ...]
    end: str = "logits"
    seed: int = 0
    ends: dict[str, Callable[[Tensor], Tensor]] = field(
        default_factory=lambda: {
            "logits": lambda x: x,
            "log softmax": lambda x: x.log_softmax(1),
            "centred": lambda x: x - x.mean(1, keepdim=True),
            "by hand": lambda x: x - x.logsumexp(1, keepdim=True),
        },
        repr=False,
        compare=False,
    )

    def build(self) -> nn.Module:
        """A new network, the same at every call."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return Network(self)


class Network(nn.Module):
    """Runs a graph."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.stem = nn.Conv2d(SHAPE[0], CHANNELS, 3, padding=1)
        self.parts = nn.ModuleList()
        for step in graph.steps:
            kind, name = step.operation
            if kind == "module":
                self.parts.append(MODULES[name]())
            elif kind == "again" and len(self.parts):
                self.parts.append(self.parts[step.inputs[1] % len(self.parts)])
            else:
                self.parts.append(nn.Identity())
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        nodes = [self.stem(images)]
        for step, part in zip(self.graph.steps, self.parts, strict=True):
            kind, name = step.operation
            one, two = (nodes[-1 - back % len(nodes)] for back in step.inputs)
            if kind == "plain":
                nodes.append(PLAIN[name](one).reshape(one.shape))
            elif kind == "join":
                nodes.append(JOINS[name](one, two))
            else:
                nodes.append(part(one))
        return self.graph.ends[self.graph.end](self.head(nodes[-1].flatten(1)))


OPERATIONS = st.one_of(
    st.tuples(st.just("module"), st.sampled_from(sorted(MODULES))),
    st.tuples(st.just("plain"), st.sampled_from(sorted(PLAIN))),
    st.tuples(st.just("join"), st.sampled_from(sorted(JOINS))),
    st.just(("again", "again")),
)
STEPS = st.builds(Step, OPERATIONS, st.tuples(st.integers(0, 3), st.integers(0, 3)))
GRAPHS = st.builds(
    Graph,
    st.lists(STEPS, min_size=1, max_size=7).map(tuple),
    st.sampled_from(["logits", "log softmax", "centred", "by hand"]),
    st.integers(0, 2**16),
)
