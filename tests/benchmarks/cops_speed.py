"""How fast COPS is, each figure as a ratio within one run. Prints a Markdown table.

    uv run python tests/benchmarks/cops_speed.py [--largest 100000000]

Run it on an idle machine. Selection is `np.argpartition` of one array at the same kappa.
"""

import platform
import resource
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from command import as_command
from scipy.optimize import linprog
from torch.nn import functional

from cops_core.config import Control, Selection
from cops_core.cops import cops_path, solve_cops
from cops_core.data import load_split
from cops_core.groups import groups_of
from cops_core.initialization import initialize
from cops_core.iterate import PATH_LEVELS, run_rounds
from cops_core.mask import flatten
from cops_core.models import build_model
from cops_core.scores import compute_scores
from cops_core.scoring import Scorer

DENSITY = 0.01
LEVEL = 0.3


def best(job: Callable[[], object], repeats: int = 5) -> float:
    """The shortest of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        job()
        times.append(time.perf_counter() - started)
    return min(times)


def heavy_tailed(size: int, count: int, seed: int = 0) -> list[np.ndarray]:
    """Positive, heavy-tailed, correlated scores in float32, as those of one network are."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(size, dtype=np.float32)
    return [np.exp(shared + 2 * rng.standard_normal(size, dtype=np.float32)) for _ in range(count)]


def solve(scores: list[np.ndarray], controls: int) -> object:
    kappa = int(DENSITY * scores[0].size)
    return solve_cops(scores[0], scores[1 : controls + 1], kappa, [LEVEL] * controls, shrink=True)


def selection(score: np.ndarray) -> object:
    return np.argpartition(score, score.size - int(DENSITY * score.size))


def bisection(scores: list[np.ndarray], steps: int = 60) -> float:
    """The plain way for one control: bisect the multiplier, one selection over all weights each."""
    target, control = (score.astype(np.float64) for score in scores[:2])
    kappa = int(DENSITY * target.size)

    def kept(multiplier: float) -> float:
        combined = target + multiplier * control
        return float(control[np.argpartition(combined, -kappa)[-kappa:]].sum())

    own, most = kept(0.0), float(np.partition(control, -kappa)[-kappa:].sum())
    level = own + LEVEL * (most - own)
    low, high = 0.0, 1.0
    while kept(high) < level:
        high *= 2
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) < level else (low, middle)
    return high


def against_highs(size: int) -> tuple[float, float]:
    """How many times longer HiGHS takes on the same program, and the relative difference of the optima."""
    target, control = (score.astype(np.float64) for score in heavy_tailed(size, 2))
    kappa = int(DENSITY * size)
    found = solve_cops(target, [control], kappa, [LEVEL])
    ours = best(lambda: solve_cops(target, [control], kappa, [LEVEL]))
    scales = target.max(), control.max()
    started = time.perf_counter()
    program = linprog(
        -target / scales[0],
        A_ub=-control[None] / scales[1],
        b_ub=-found.levels / scales[1],
        A_eq=np.ones((1, size)),
        b_eq=[kappa],
        bounds=(0, 1),
        method="highs",
    )
    seconds = time.perf_counter() - started
    return seconds / ours, abs(-program.fun * scales[0] / found.dual_bound - 1)


# Networks whose own scores are solved for, on images of this shape.
NETWORKS = {"lenet_300_100": (1, 8, 8), "resnet18": (3, 32, 32), "vgg16": (3, 32, 32)}


def network_scores(network: str, shape: tuple[int, int, int]) -> list[np.ndarray]:
    """Real scores of `network` on digits, enlarged to `shape`: D = 50,200, 11,164,352 and 15,239,872."""
    parts = load_split("digits", Path(), 0, Decimal("0.2"))
    model = build_model(network, shape, 10)
    initialize(model, 0)
    (images, labels), _ = parts.scoring_batch(0, 10)
    batch = functional.interpolate(images, size=shape[1:]).expand(-1, *shape), labels
    names = ("snip", "magnitude", "grasp")
    scores = compute_scores(names, model, batch, seed=0)
    return [flatten(scores[name]) for name in names]


Draw = Callable[[np.random.Generator, int], np.ndarray]

# Scores of one weight each, for the worst of many draws: light and heavy tails, ties, both signs.
DISTRIBUTIONS: dict[str, Draw] = {
    "normal, absolute": lambda rng, size: np.abs(rng.standard_normal(size, dtype=np.float32)),
    "uniform": lambda rng, size: rng.random(size, dtype=np.float32),
    "exponential": lambda rng, size: rng.standard_exponential(size, dtype=np.float32),
    "Pareto(1)": lambda rng, size: rng.pareto(1, size).astype(np.float32),
    "log-normal, sigma 3": lambda rng, size: np.exp(3 * rng.standard_normal(size, dtype=np.float32)),
    "many ties": lambda rng, size: np.round(np.abs(4 * rng.standard_normal(size, dtype=np.float32))),
    "signed": lambda rng, size: rng.standard_normal(size, dtype=np.float32) ** 3,
}


def processor_seconds(job: Callable[[], object]) -> float:
    """The processor time of one run: other load of the machine counts less."""
    started = time.process_time()
    job()
    return time.process_time() - started


def worst_of(draw: Draw, size: int, draws: int) -> tuple[float, float]:
    """The median of some draws of target and control in selections, and the worst divided by the median."""
    ours, ones = [], []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        scores = [draw(rng, size) for _ in range(2)]
        twice = [processor_seconds(lambda scores=scores: solve(scores, 1)) for _ in range(2)]
        ours.append(min(twice))  # a draw is slow if it is so twice; once, it may be the machine
        ones.append(processor_seconds(lambda scores=scores: selection(scores[0])))
    median = float(np.median(ours))
    return median / float(np.median(ones)), max(ours) / median


def tails(draws: int, largest: int) -> None:
    """Whether some draws take much longer than others, J = 1."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, draw in DISTRIBUTIONS.items():
        for size in (50_000, 430_500, 1_000_000, 10_000_000):
            if size <= largest:
                median, worst = worst_of(draw, size, draws)
                what = f"{name}, D = {size:.3g}: worst of {draws} draws against the median"
                row(what, "at most 2x", f"{worst:.1f}x of {median:.1f} selections")
    torch.set_num_threads(threads)


def iterated(rounds: int = 100, repeats: int = 3) -> None:
    """COPS in rounds against SynFlow in rounds and as many scores of the control."""
    shape = (1, 28, 28)
    model = build_model("lenet_5_caffe", shape, 10)
    theta0 = initialize(model, 0)
    rng = torch.Generator().manual_seed(0)
    batch = torch.randn((100, *shape), generator=rng), torch.arange(100) % 10
    plain = Selection(target="synflow", rounds=rounds)
    combined = plain.model_copy(update={"controls": (Control(score="snip", level=0.3),)})
    scorer = Scorer(model, 0, theta0)
    groups = groups_of(scorer, plain, Decimal("0.01"))

    def run(selection: Selection) -> object:
        return run_rounds(scorer, [batch], selection, groups, priced=False)

    def control() -> None:
        for _ in range(rounds):
            compute_scores(["snip"], model, batch, seed=0)

    times = [
        [processor_seconds(job) for job in (lambda: run(combined), lambda: run(plain), control)]
        for _ in range(repeats)
    ]
    ours, target, passes = np.median(times, axis=0)
    what = f"COPS in {rounds} rounds, LeNet-5-Caffe, against SynFlow alone plus {rounds} scores of SNIP"
    row(what, "at most 1.15x", f"{ours / (target + passes):.2f}x of {target + passes:.2f} s")


def row(what: str, reach: str, measured: str) -> None:
    typer.echo(f"| {what} | {reach} | {measured} |")


def ten_million(size: int = 10_000_000) -> None:
    """Ratios at D = 1e7, in memory of one process."""
    scores = heavy_tailed(size, 5)
    kappa = int(DENSITY * scores[0].size)
    one = best(lambda: selection(scores[0]))
    single = best(lambda: solve(scores, 1))
    row(f"J = 1, D = 1e7, against one selection ({one:.3f} s)", "at most 3x", f"{single / one:.1f}x")
    for controls, reach in ((2, 8), (4, 16)):
        seconds = best(lambda controls=controls: solve(scores, controls), 3)
        row(f"J = {controls}, D = 1e7", f"at most {reach}x", f"{seconds / one:.1f}x")
    for grid in (PATH_LEVELS, tuple(np.linspace(0, 1, 11))):
        path = best(lambda grid=grid: cops_path(scores[0], scores[1:2], kappa, grid), 3)
        what = f"path of {len(grid)} levels, D = 1e7, against three single solves"
        row(what, "below 2x", f"{path / (3 * single):.1f}x")
    plain = best(lambda: bisection(scores), 1)
    row("bisection over all weights, D = 1e7", "at least 10x slower", f"{plain / single:.0f}x")


def real_scores(count: int | None = None) -> None:
    """What a study's trial pays."""
    for network, shape in list(NETWORKS.items())[:count]:
        scores = network_scores(network, shape)
        one = best(lambda scores=scores: selection(scores[0]), 20)
        for controls in (1, 2):
            seconds = best(lambda scores=scores, controls=controls: solve(scores, controls), 20)
            what = f"{network}'s own scores, D = {scores[0].size:,}, J = {controls}"
            row(what, "", f"{seconds * 1e3:.1f} ms, {seconds / one:.1f}x one selection of {one * 1e3:.2f} ms")


def growth(largest: int) -> None:
    """Cost in D, and the largest problem's time and memory."""
    sizes = [size for size in (10**5, 10**6, 10**7, 10**8) if size <= largest]
    times = []
    for size in sizes:
        scores = heavy_tailed(size, 2)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times.append(best(lambda scores=scores: solve(scores, 1), 3))
        beyond = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    row(f"exponent of D over {sizes[0]:.0e} .. {sizes[-1]:.0e}", "at most 1.1", f"{exponent:.2f}")
    one = best(lambda: selection(scores[0]), 3)
    measured = f"{times[-1] / one:.1f}x, {max(beyond, 0):.1f} GiB beyond the peak before it"
    row(f"J = 1, D = {sizes[-1]:.0e}", "at most 3.5x, 4 GiB" if sizes[-1] == 10**8 else "", measured)
    on_cuda(scores)


def on_cuda(scores: list[np.ndarray]) -> None:
    """The same on a GPU, where there is one."""
    if not torch.cuda.is_available():
        row("CUDA", "at most 4x one torch.topk", "no CUDA device here")
        return
    tensors = [torch.from_numpy(score).cuda() for score in scores]
    kappa = int(DENSITY * tensors[0].numel())

    def synchronised(job: Callable[[], object]) -> None:
        job()
        torch.cuda.synchronize()

    top = best(lambda: synchronised(lambda: torch.topk(tensors[0], kappa)))
    ours = best(lambda: synchronised(lambda: solve_cops(tensors[0], tensors[1:], kappa, [LEVEL])))
    row(f"CUDA, D = {tensors[0].numel():.0e}", "at most 4x one torch.topk", f"{ours / top:.1f}x")


def main(
    largest: Annotated[int, typer.Option(help="Largest number of weights.")] = 100_000_000,
    draws: Annotated[int, typer.Option(help="Draws of each distribution.")] = 30,
    rounds: Annotated[int, typer.Option(help="Rounds of COPS with scores computed in each.")] = 100,
) -> None:
    """Measure and print the table."""
    machine = platform.processor() or platform.machine()
    typer.echo(f"{machine}, {torch.get_num_threads()} threads, numpy {np.__version__}\n")
    row("what", "reach", "measured")
    row("---", "---", "---")
    ten_million(min(largest, 10_000_000))
    ratio, difference = against_highs(min(largest, 100_000))
    row("HiGHS, D = 1e5", "at least 1000x slower, same to 1e-6", f"{ratio:.0f}x, {difference:.0e}")
    real_scores(None if largest >= 10_000_000 else 1)
    tails(draws, min(largest, 10_000_000))
    iterated(rounds)
    growth(largest)


if __name__ == "__main__":
    as_command(main)
