"""What iterated scores cost, as ratios within one run: `python tests/benchmarks/round_speed.py`.

Every figure is the median over repetitions in which all candidates run in turn, in CPU time of one thread.
The reference is the same rounds written by hand in plain PyTorch: backward pass, scores, `torch.topk`, mask.

- by hand: in the precision of the score, SynFlow in float64;
- unsorted: the same with `torch.topk(..., sorted=False)`, which few write;
- float32: SynFlow by hand in float32, with the share of its mask that differs;
- scaled: the same with each layer's weights divided by the mean over its units of their sum, so that deep
  networks do not overflow.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import typer
from command import as_command
from markdown import table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cops_core.errors import lookup
from cops_core.initialization import initialize
from cops_core.library.select import select
from cops_core.mask import Mask
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.scores.grasp import TEMPERATURE

SHAPES = {
    "lenet_300_100": (1, 28, 28),
    "lenet_5_caffe": (1, 28, 28),
    "vgg16": (3, 32, 32),
    "resnet18": (3, 32, 32),
}
DENSITY = 0.01
ROUNDS = {"synflow": 100, "snip": 30, "grasp": 30}
IMAGES = 100

Gradients = Callable[[nn.Module, Sequence[nn.Parameter]], Sequence[Tensor]]


@dataclass(frozen=True)
class ByHand:
    """Rounds written by hand.

    Attributes:
        model: The network; not changed.
        score: "synflow", "snip" or "grasp".
        rounds: Their number.
        batch: Images and labels.
        dtype: The precision.
        ordered: Whether `torch.topk` sorts, which is its default.
        scaled: Whether each layer's weights are divided by the mean over its units of their sum.
    """

    model: nn.Module
    score: str
    rounds: int
    batch: tuple[Tensor, Tensor]
    dtype: torch.dtype
    ordered: bool = True
    scaled: bool = False

    def mask(self) -> Tensor:
        """The mask of all weights, as one vector."""
        net = copy.deepcopy(self.model).to(self.dtype)
        weights = list(maskable(net).values())
        if self.score == "synflow":
            self._make_positive(net, weights)
        size = sum(weight.numel() for weight in weights)
        keep = torch.ones(size, dtype=torch.bool)
        for round_ in range(1, self.rounds + 1):
            gradients = self._gradients(net, weights)
            with torch.no_grad():
                scores = torch.cat([(g * w).flatten() for g, w in zip(gradients, weights, strict=True)])
                if self.score != "grasp":
                    scores.abs_()
                scores[~keep] = -torch.inf
                kappa = int(size * DENSITY ** (round_ / self.rounds) + 0.5)
                kept = torch.topk(scores, kappa, sorted=self.ordered).indices
                keep = torch.zeros(size, dtype=torch.bool)
                keep[kept] = True
                layers = keep.split([weight.numel() for weight in weights])
                for weight, layer in zip(weights, layers, strict=True):
                    weight.mul_(layer.view_as(weight))
        return keep

    def _make_positive(self, net: nn.Module, weights: Sequence[nn.Parameter]) -> None:
        net.eval()
        with torch.no_grad():
            for weight in weights:
                weight.abs_()
                if self.scaled:
                    weight.div_(weight.flatten(1).sum(1).mean())
            for module in net.modules():
                if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
                    module.bias.zero_()

    def _gradients(self, net: nn.Module, weights: Sequence[nn.Parameter]) -> Sequence[Tensor]:
        images, labels = self.batch
        if self.score == "synflow":
            return torch.autograd.grad(net(torch.ones_like(images[:1], dtype=self.dtype)).sum(), weights)
        if self.score == "snip":
            return torch.autograd.grad(cross_entropy(net(images), labels), weights)
        loss = cross_entropy(net(images) / TEMPERATURE, labels)
        flow = torch.autograd.grad(loss, weights, create_graph=True)
        return torch.autograd.grad(sum((g.square().sum() for g in flow), torch.zeros(())) / 2, weights)


def candidates(name: str, score: str) -> Mapping[str, Callable[[], Tensor]]:
    """What is timed, by name; each returns its mask."""
    shape = lookup("model", name, SHAPES)
    model = build_model(name, shape, 10)
    initialize(model, 0)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn((IMAGES, *shape), generator=generator), torch.arange(IMAGES) % 10
    rounds = ROUNDS[score]

    def ours() -> Tensor:
        return flattened(select(model, batch, target=score, density=DENSITY, rounds=rounds))

    def by_hand(dtype: torch.dtype, *, ordered: bool = True, scaled: bool = False) -> Callable[[], Tensor]:
        return ByHand(model, score, rounds, batch, dtype, ordered, scaled).mask

    dtype = torch.float64 if score == "synflow" else torch.float32
    found = {"ours": ours, "by hand": by_hand(dtype), "unsorted": by_hand(dtype, ordered=False)}
    if score == "synflow":
        found["float32"] = by_hand(torch.float32)
        found["scaled"] = by_hand(torch.float32, scaled=True)
    return found


def flattened(mask: Mask) -> Tensor:
    """A mask as one vector."""
    return torch.cat([layer.flatten() for layer in mask.values()])


def measure(name: str, score: str, repetitions: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """CPU seconds of each candidate in each repetition, and its mask."""
    works = candidates(name, score)
    masks: dict[str, Tensor] = {}
    seconds: dict[str, list[float]] = {which: [] for which in works}
    for _ in range(repetitions):
        for which, work in works.items():
            started = time.process_time()
            masks[which] = work()
            seconds[which].append(time.process_time() - started)
    return {which: torch.tensor(each, dtype=torch.float64) for which, each in seconds.items()}, masks


def row(name: str, score: str, repetitions: int) -> list[str]:
    """The figures of one network and score, as cells."""
    seconds, masks = measure(name, score, repetitions)

    def ratio(one: str, other: str) -> str:
        return f"{float((seconds[one] / seconds[other]).median()):.2f}" if one in seconds else ""

    def different(which: str) -> str:
        if which not in masks:
            return ""
        kept = masks["ours"]
        return f"{float((masks[which] & ~kept).sum() / kept.sum()):.1e}"

    per_round = float(seconds["ours"].median()) / ROUNDS[score]
    return [
        name,
        f"{score}, {ROUNDS[score]} rounds",
        ratio("ours", "by hand"),
        ratio("ours", "unsorted"),
        different("by hand"),
        ratio("float32", "by hand"),
        different("float32"),
        ratio("scaled", "by hand"),
        different("scaled"),
        f"{per_round * 1e3:.3g} ms",
    ]


def main(
    model: Annotated[list[str] | None, typer.Option(help="Networks; all where left out.")] = None,
    score: Annotated[list[str] | None, typer.Option(help="Scores; all where left out.")] = None,
    repetitions: Annotated[int, typer.Option(help="How often each candidate runs.")] = 5,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds; 100 of SynFlow, 30 of others where left out.")
    ] = None,
) -> None:
    """Time iterated scores against the same rounds written by hand and print the ratios."""
    torch.set_num_threads(1)
    scores = {each: lookup("score", each, ROUNDS) for each in score or ROUNDS}
    if rounds is not None:
        ROUNDS.update(dict.fromkeys(scores, rounds))
    names = ["network", "score", "ours / by hand", "ours / unsorted", "differ", "float32 / by hand", "differ"]
    names += ["scaled / by hand", "differ", "ours a round"]
    typer.echo(table(names, [row(name, which, repetitions) for which in scores for name in model or SHAPES]))


if __name__ == "__main__":
    as_command(main)
