"""Each score and each selection against SNIP's pass: `python tests/benchmarks/selection_speed.py`.

Every figure is the median over rounds in which all candidates run in turn, in CPU time, so that other
processes hardly matter. What takes longer than half a minute runs once. SNIP's pass is one forward and
backward pass of a batch of 100 images, in one shot as all others. A selection is what follows the scores,
from budgets and floors to the mask with its certificate.
"""

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated

import numpy as np
import torch
import typer
from command import as_command
from markdown import table

from cops_core.combine import choose
from cops_core.config import Control, Floor, Selection
from cops_core.errors import lookup
from cops_core.groups import groups_of
from cops_core.initialization import initialize
from cops_core.mask import flatten_away
from cops_core.models import build_model
from cops_core.scores import SCORES, compute_scores
from cops_core.scoring import Scorer

SHAPES = {
    "lenet_300_100": (1, 28, 28),
    "lenet_5_caffe": (1, 28, 28),
    "resnet18": (3, 32, 32),
}
DENSITY = Decimal("0.05")
LONG = 30  # seconds
BATCH = 100
CONTROLS = (Control(score="magnitude", level=0.5),)
SELECTIONS: Mapping[str, Selection] = {
    "global": Selection(target="snip"),
    "layer": Selection(target="snip", scope="layer"),
    "ERK": Selection(target="snip", scope="erk"),
    "balanced": Selection(target="snip", scope="balanced"),
    "floor 100 per layer": Selection(target="snip", floor=Floor(count=100)),
    "floor 1 per unit": Selection(target="snip", floor=Floor(count=1, per="unit")),
    "COPS": Selection(target="snip", controls=CONTROLS),
    "COPS, ERK": Selection(target="snip", controls=CONTROLS, scope="erk"),
    "COPS, floor 1 per unit": Selection(target="snip", controls=CONTROLS, floor=Floor(count=1, per="unit")),
}


def candidates(name: str) -> Mapping[str, Callable[[], object]]:
    """What is timed, by name."""
    shape = lookup("model", name, SHAPES)
    model = build_model(name, shape, 10)
    scorer = Scorer(model, 0, initialize(model, 0))
    images = torch.randn((BATCH, *shape), generator=torch.Generator().manual_seed(0))
    batch = images, torch.arange(BATCH) % 10
    scores = compute_scores(["snip", "magnitude"], model, batch, seed=0)
    flat = {score: flatten_away(layers) for score, layers in scores.items()}

    def select(selection: Selection) -> Callable[[], object]:
        def run() -> None:
            for group in groups_of(scorer, selection, DENSITY).values():
                live = [flat[str(score)][group.places] for score in selection.scores]
                choose(live, selection, group.kappa, group.floors)

        return run

    def compute(score: str) -> Callable[[], object]:
        return lambda: compute_scores([score], model, batch, seed=0)

    return {
        **{score: compute(score) for score in SCORES},
        **{f"select: {label}": select(selection) for label, selection in SELECTIONS.items()},
    }


def measure(name: str, rounds: int) -> dict[str, np.ndarray]:
    """CPU seconds of each candidate in each round."""
    works = candidates(name)
    first = {label: seconds(work) for label, work in works.items()}
    times = [
        {label: first[label] if first[label] > LONG else seconds(work) for label, work in works.items()}
        for _ in range(rounds)
    ]
    return {label: np.array([row[label] for row in times]) for label in works}


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main(
    model: Annotated[list[str] | None, typer.Option(help="Networks; all where left out.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds in which each candidate runs once.")] = 5,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
) -> None:
    """Time every score and selection, and print them as multiples of SNIP's pass."""
    torch.set_num_threads(threads)
    names = model or [*SHAPES]
    times = {name: measure(name, rounds) for name in names}
    rows = [
        [label, *(f"{np.median(times[name][label] / times[name]['snip']):.3g}" for name in names)]
        for label in times[names[0]]
    ]
    passes = [f"{1000 * float(np.median(times[name]['snip'])):.3g} ms" for name in names]
    typer.echo(table(["against SNIP's pass", *names], [*rows, ["SNIP's pass", *passes]]))


if __name__ == "__main__":
    as_command(main)
