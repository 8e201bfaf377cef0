"""Two or more controls and many weights: narrow a box of multipliers until HiGHS can finish.

Each round solves a small program with some of the weights that may still cross the threshold. Its levels are
shifted so that its slope at the current multipliers equals the slope for all weights: an error of the sample
then changes only the step, not its start. A much smaller box around the answer decides most weights, and the
next round continues with the others. The few thousand weights at the end are solved by HiGHS, and wrong
decisions of the boxes are corrected by sifting: the answer is exact.
"""

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.pool import Pool, spread
from cops_core.cops.sift import solve_sifting, start_from
from cops_core.cops.solution import Floats, Integers
from cops_core.cops.vertex import PoolOptimum, Task, solve_vertex

FEW = 1500
"""The number of weights that HiGHS solves at once, in about 6 ms."""

BOXES = 20
"""The maximum number of nested boxes, reached if thousands of weights are tied; three are usual."""

STEPPING = 600
"""The number of weights in the program of one step."""


def solve_narrowing(pool: Pool, task: Task, box: Box | None) -> PoolOptimum:
    """The exact optimum over a pool of any size, for two or more controls.

    Args:
        pool: The undecided weights.
        task: The levels, perhaps with a step.
        box: Where the optimum is expected, None for anywhere.

    Returns:
        The optimum.
    """
    if pool.size <= FEW:
        return solve_vertex(pool, task)
    box = _first_box(task) if box is None else box
    part, free, keep = pool, np.arange(pool.size), np.zeros(pool.size, dtype=bool)
    for _ in range(BOXES):
        guess = _step(part, task, box)
        box = _closer(box, guess, task.units, FEW / part.size)
        smaller, kept = part.near(box)
        keep[free[kept]] = True
        part, free = smaller, free[smaller.positions]
        if part.size <= FEW:
            break
    else:
        free, keep = start_from(pool, box.weights)
    return solve_sifting(pool, task, free, keep)


def _first_box(task: Task) -> Box:
    weights = 1.0 / task.units
    if task.step is not None:
        weights[0] = 0.0
    radii = weights.copy()
    pivot = int(np.argmax(weights * task.units))
    radii[pivot] = 0.0
    return Box(weights, radii, pivot).pivoted(task.units)


def _step(pool: Pool, task: Task, box: Box) -> PoolOptimum:
    """The optimum of a small program that has the slope of the whole pool at the centre of the box."""
    middle = pool.combined(box.weights)
    tau, each = pool.thresholds(middle)
    best = pool.best_mask(middle)
    radius = spread(pool.scores, box.radii, pool.centres(box, middle, tau))
    crossing = np.abs(middle - pool.of_layer(each)) / np.maximum(radius, np.finfo(np.float64).tiny)
    members = _members(crossing)
    share = members.size / max(int(np.count_nonzero(crossing <= 1)), members.size)
    slope = pool.totals(best)[1:] - task.levels
    inside = best[members]
    layers = None if pool.layers is None else pool.layers[members]
    floors = pool.floors
    if layers is not None and pool.layers is not None:
        inside_counts = np.bincount(layers[inside], minlength=floors.size)
        spare = np.bincount(pool.layers[best], minlength=floors.size) - floors
        floors = np.clip(inside_counts - spare, 0, inside_counts)
    small = Pool(
        positions=members,
        scores=pool.scores[:, members],
        places=int(inside.sum()),
        kept_sums=np.zeros_like(pool.kept_sums),
        layers=layers,
        floors=floors,
    )
    levels = small.scores[1:, inside].sum(axis=1) - share * slope
    step = None if task.step is None else share * task.step
    return solve_vertex(small, Task(levels, step, task.units))


def _members(crossing: Floats) -> Integers:
    """The weights of the small program: all that may cross the threshold within the box, or a sample."""
    able = np.flatnonzero(crossing <= 1)
    if able.size > STEPPING:
        edges = np.linspace(0, able.size, STEPPING + 1).astype(np.intp)[:-1]
        return able[edges]
    return np.sort(np.argpartition(crossing, STEPPING - 1)[:STEPPING])


def _closer(box: Box, guess: PoolOptimum, units: Floats, few: float) -> Box:
    """A box around the answer of a step, smaller by the step's length relative to the box.

    `few` is the fraction of weights that would be few enough; a smaller box has no advantage.
    """
    if guess.state == "stuck":
        return box
    wanted = guess.aim(box.weights, units)
    return box.closer(wanted, units, min(max(0.3 * box.distance(wanted), 0.7 * few), 0.5))
