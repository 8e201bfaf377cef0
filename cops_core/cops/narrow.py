"""Two controls or more, many weights: narrow a box of multipliers until HiGHS can finish.

Each round solves a small program made of some of the weights that could still cross the threshold,
with levels shifted so that its slope at the current multipliers is that of all of them (what a
sample gets wrong is then only the step, not where to step from); a much smaller box around the
answer decides most weights; the rest is solved the same way. If that optimum lies outside the box,
the box was too small and a wider one follows.
"""

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.pool import Pool, spread
from cops_core.cops.solution import Floats, Integers
from cops_core.cops.vertex import Answer, Task, solve_vertex, stuck

FEW = 3000
"""Weights that go to HiGHS at once, some 10 ms."""

MANY = 20_000
"""Weights HiGHS still takes where boxes do not help, some 0.1 s."""

STEPPING = 1000
"""Weights in the program of one step."""

MIXER = 0x9E3779B97F4A7C15
"""An odd number without pattern, to hash the scores of a weight into one word."""

ROUNDS = 12
"""Boxes tried for one pool before giving up; one or two are usual."""

DEPTH = 12
"""Boxes within boxes; three are usual."""


def solve_narrowing(pool: Pool, task: Task, box: Box | None, depth: int = 0) -> Answer:
    """The exact optimum over a pool of any size. box: where it is expected, None for anywhere."""
    if pool.size <= FEW:
        return solve_vertex(pool, task)
    box = _first_box(task) if box is None else box
    for attempt in range(ROUNDS):
        guess = _step(pool, task, box)
        box = _closer(box, guess, task.units, FEW / pool.size, attempt)
        part, keep = pool.near(box)
        if part.size <= FEW:
            answer = solve_vertex(part, task)
        elif part.size <= pool.size // 2:
            answer = solve_narrowing(part, task, box, depth + 1)
        else:
            answer = _stubborn(part, task, box, depth + 1)
        if answer.state == "stuck":
            break
        if box.contains(answer.weights):
            shares = keep.astype(np.float64)
            shares[part.positions] = answer.shares
            return Answer(answer.weights, shares, answer.state)
        box = box.wider(answer.weights, task.units)
    return solve_vertex(pool, task) if pool.size <= MANY else stuck(pool.size, box.weights)


def _stubborn(pool: Pool, task: Task, box: Box, depth: int) -> Answer:
    """A pool that a smaller box hardly made smaller: ties, or hardly more than a few weights."""
    answer = solve_distinct(pool, task)
    if answer is not None:
        return answer
    if pool.size <= MANY:
        return solve_vertex(pool, task)
    return solve_narrowing(pool, task, box, depth) if depth < DEPTH else stuck(pool.size, box.weights)


def _first_box(task: Task) -> Box:
    weights = 1.0 / task.units
    if task.step is not None:
        weights[0] = 0.0
    radii = weights.copy()
    pivot = int(np.argmax(weights * task.units))
    radii[pivot] = 0.0
    return Box(weights, radii, pivot).pivoted(task.units)


def _step(pool: Pool, task: Task, box: Box) -> Answer:
    """The optimum of a small program with the slope of the pool at the middle of the box."""
    middle = pool.combined(box.weights)
    tau, each = pool.thresholds(middle)
    best = pool.best_mask(middle)
    radius = spread(pool.scores, box.radii, pool.centres(middle, tau))
    crossing = np.abs(middle - pool.of_layer(each)) / np.maximum(radius, np.finfo(np.float64).tiny)
    members = _members(crossing)
    share = members.size / max(int(np.count_nonzero(crossing <= 1)), members.size)
    slope = pool.totals(best)[1:] - task.levels
    inside = best[members]
    layers = None if pool.layers is None else pool.layers[members]
    floors = pool.floors
    if layers is not None and pool.layers is not None:
        held = np.bincount(layers[inside], minlength=floors.size)
        spare = np.bincount(pool.layers[best], minlength=floors.size) - floors
        floors = np.clip(held - spare, 0, held)
    small = Pool(
        positions=members,
        scores=pool.scores[:, members],
        places=int(inside.sum()),
        held=np.zeros_like(pool.held),
        layers=layers,
        floors=floors,
    )
    levels = small.scores[1:, inside].sum(axis=1) - share * slope
    step = None if task.step is None else share * task.step
    return solve_vertex(small, Task(levels, step, task.units))


def _members(crossing: Floats) -> Integers:
    """The weights of the small program: all that may cross within the box, or a sample of them."""
    able = np.flatnonzero(crossing <= 1)
    if able.size > STEPPING:
        edges = np.linspace(0, able.size, STEPPING + 1).astype(np.intp)[:-1]
        return able[edges]
    return np.sort(np.argpartition(crossing, STEPPING - 1)[:STEPPING])


def _closer(box: Box, guess: Answer, units: Floats, few: float, attempt: int) -> Box:
    """A box around the answer of a step, as much smaller as the step was small against the box.

    few: the fraction of the weights that would be few enough; smaller is of no use. attempt: how
    many such boxes did not hold the optimum; each makes the next one relatively wider.
    """
    if guess.state == "stuck":
        return box
    growth = max(0.3 * box.distance(guess.weights), 0.7 * few) * 2.0**attempt
    return box.closer(guess.weights, units, min(growth, 0.5 if attempt == 0 else 1.0))


def solve_distinct(pool: Pool, task: Task) -> Answer | None:
    """The optimum with equal weights taken as one, or None if too few of them are equal."""
    columns = pool.scores if pool.layers is None else np.vstack([pool.scores, pool.layers])
    keys = np.zeros(pool.size, dtype=np.uint64)
    for row in columns + 0.0:
        keys = (keys ^ (row.view(np.uint64) >> np.uint64(29)) ^ row.view(np.uint64)) * np.uint64(MIXER)
    _, first, group, copies = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if first.size > 2 * FEW or not np.array_equal(columns, columns[:, first[group]]):
        return None
    distinct = Pool(
        positions=first,
        scores=pool.scores[:, first],
        places=pool.places,
        held=pool.held,
        layers=None if pool.layers is None else pool.layers[first],
        floors=pool.floors,
    )
    answer = solve_vertex(distinct, task, copies)
    order = np.argsort(group, kind="stable")
    rank = np.arange(pool.size) - (np.cumsum(copies) - copies)[group[order]]
    shares = np.zeros(pool.size)
    shares[order] = np.clip(answer.shares[group[order]] - rank, 0.0, 1.0)
    return Answer(answer.weights, shares, answer.state)
