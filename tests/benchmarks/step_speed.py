"""What a training step costs, frozen and pruned against dense: `python tests/benchmarks/step_speed.py`.

Forward, backward and SGD with momentum and weight decay, batches of 100, one CPU thread. Ratios are
medians over rounds in which every candidate runs in turn. "own loop" is a loop of one's own: `cops.freeze`
and AdamW, against the plain model and AdamW.
"""

import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
import typer
from command import as_command
from markdown import table
from torch.nn.functional import cross_entropy
from torch.optim import SGD, AdamW

import cops_core as cops
from cops_core.arms import SCALES, Scale
from cops_core.errors import lookup
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.models import build_model
from cops_core.prunable import maskable

RATES = (0.1, 0.3, 0.5, 0.8, 0.85, 0.9, 0.95, 0.99, 0.995, 0.999)
SHAPES = {"lenet_300_100": (1, 28, 28), "lenet_5_caffe": (1, 28, 28), "resnet18": (3, 32, 32)}


def step(name: str, rate: float | None, scale: Scale) -> tuple[Callable[[], None], int]:
    """A training step of one network, and the number of values its optimizer keeps."""
    shape = lookup("model", name, SHAPES)
    model = build_model(name, shape, 10)
    initialize(model, 0)
    generator = torch.Generator().manual_seed(0)
    masks = {n: torch.rand(w.shape, generator=generator) >= (rate or 0) for n, w in maskable(model).items()}
    network = FreezeNet(model, None if rate is None else Mask(masks), scale)
    network.model.train()
    optimizer = SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = torch.randn((100, *shape), generator=generator), torch.arange(100) % 10

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network(images), labels).backward()
        optimizer.step()

    run()
    states = (state["momentum_buffer"] for state in optimizer.state.values())
    return run, sum(buffer.numel() for buffer in states)


def own_loop(name: str, rate: float | None) -> Callable[[], None]:
    """A training step as a user of the library writes it."""
    shape = lookup("model", name, SHAPES)
    model = build_model(name, shape, 10).train()
    cops.initialize(model, 0)
    generator = torch.Generator().manual_seed(0)
    if rate is not None:
        weights = cops.candidates(model).weights
        masks = {n: torch.rand(w.shape, generator=generator) >= rate for n, w in weights.items()}
        cops.freeze(model, masks)
    optimizer = AdamW(model.parameters(), lr=1e-3)
    images, labels = torch.randn((100, *shape), generator=generator), torch.arange(100) % 10

    def run() -> None:
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()

    run()
    return run


def main(
    model: Annotated[str, typer.Option(help="lenet_300_100, lenet_5_caffe or resnet18.")] = "lenet_300_100",
    rounds: Annotated[int, typer.Option(help="Rounds in which each candidate runs once.")] = 301,
) -> None:
    """Print the ratios to a dense step."""
    torch.set_num_threads(1)
    arms = ("freeze", "freeze_wd", "prune")
    steps = {("dense", None): step(model, None, SCALES["dense"])}
    steps |= {(arm, rate): step(model, rate, SCALES[arm]) for arm in arms for rate in RATES}
    runs = {key: run for key, (run, _) in steps.items()}
    runs |= {("own loop", rate): own_loop(model, rate) for rate in (None, *RATES)}
    times: dict[tuple[str, float | None], list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            started = time.perf_counter()
            run()
            times[key].append(time.perf_counter() - started)
    dense = np.array(times["dense", None])
    own = np.array(times["own loop", None])
    rows = []
    for rate in RATES:
        ratios = [f"{np.median(np.array(times[arm, rate]) / dense):.2f}" for arm in arms]
        ratios.append(f"{np.median(np.array(times['own loop', rate]) / own):.2f}")
        share = steps["freeze", rate][1] / steps["dense", None][1]
        rows.append([f"{rate}", *ratios, f"{share:.2%}"])
    typer.echo(f"{model}, a dense step of {np.median(dense) * 1e3:.2f} ms:\n")
    typer.echo(table(("rate", *arms, "own loop", "optimizer state"), rows))


if __name__ == "__main__":
    as_command(main)
