"""What scores cost, as ratios within one run: `python tests/benchmarks/score_speed.py`.

Every figure is the median over rounds in which all candidates run in turn, so that whatever else the
machine does falls on all of them. Baselines are plain PyTorch on the same network and batch:

- loss: one forward and backward pass of the batch in training mode, gradients for all parameters;
- flow: one forward and backward pass of a single input in float64.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from command import as_command
from markdown import table
from torch.nn.functional import cross_entropy

from cops_core.cache import ScoreCache
from cops_core.errors import lookup
from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.scores import compute_scores
from cops_core.scoring import Scorer

SETTINGS = {
    "lenet_300_100": ((1, 28, 28), 100),
    "lenet_5_caffe": ((1, 28, 28), 100),
    "resnet18": ((3, 32, 32), 100),
    "vgg16": ((3, 32, 32), 100),
}
TOGETHER = ("snip", "grasp", "synflow")


def candidates(
    name: str, shape: tuple[int, int, int], size: int, folder: Path
) -> Mapping[str, Callable[[], object]]:
    """What is timed, by name."""
    model = build_model(name, shape, 10)
    theta0 = initialize(model, 0)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((size, *shape), generator=generator)
    labels = torch.arange(size) % 10
    batch = images, labels
    double = build_model(name, shape, 10).double().eval()
    one = torch.ones((1, *shape), dtype=torch.float64)
    scorer = Scorer(model, 0, theta0, cache=ScoreCache(folder), network_sha256="0" * 64)
    scorer.whole(["snip"], batch)

    def loss() -> None:
        model.train()
        model.zero_grad(set_to_none=True)
        cross_entropy(model(images), labels).backward()

    def flow() -> None:
        double.zero_grad(set_to_none=True)
        double(one).sum().backward()

    def score(*names: str) -> Callable[[], object]:
        return lambda: compute_scores(names, model, batch, seed=0)

    return {
        "loss": loss,
        "flow": flow,
        **{name: score(name) for name in TOGETHER},
        "together": score(*TOGETHER),
        "hit": lambda: scorer.whole(["snip"], batch),
    }


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(name: str, rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each candidate in each round."""
    shape, size = lookup("model", name, SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        works = candidates(name, shape, size, Path(folder))
        for work in works.values():
            work()
        times = [[seconds(work) for work in works.values()] for _ in range(rounds)]
    return dict(zip(works, np.array(times).T, strict=True))


def ratios(times: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The figures, medians over the rounds."""
    apart = times["snip"] + times["grasp"] + times["synflow"]
    found = {
        "SNIP / loss": times["snip"] / times["loss"],
        "GraSP / loss": times["grasp"] / times["loss"],
        "SynFlow / flow": times["synflow"] / times["flow"],
        "together / apart": times["together"] / apart,
        "SNIP / cache hit": times["snip"] / times["hit"],
    }
    return {figure: float(np.median(values)) for figure, values in found.items()}


def main(
    model: Annotated[list[str] | None, typer.Option(help="Networks; all where left out.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds in which each candidate runs once.")] = 21,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Time every score against plain PyTorch and print the ratios."""
    torch.set_num_threads(threads)
    rows, headings = [], ["network"]
    for name in model or SETTINGS:
        times = measure(name, rounds)
        figures = ratios(times)
        headings = ["network", *figures, "loss", "flow", "hit"]
        absolute = [f"{1e3 * float(np.median(times[which])):.3g} ms" for which in ("loss", "flow", "hit")]
        rows.append([name, *(f"{value:.2f}" for value in figures.values()), *absolute])
    typer.echo(table(headings, rows))


if __name__ == "__main__":
    as_command(main)
