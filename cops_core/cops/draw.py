"""How the sample is drawn: at random, or the tips of all scores if few weights are kept."""

from dataclasses import replace

import numpy as np

from cops_core.cops.bracket import solve_bracket
from cops_core.cops.pool import Pool
from cops_core.cops.problem import CopsProblem, check_values
from cops_core.cops.sample import SIGMAS, Sample, measure, moved, stretches
from cops_core.cops.selection import kth_highest
from cops_core.cops.solution import Floats
from cops_core.cops.store import Store
from cops_core.cops.vertex import Task

SAMPLED = 100_000
"""The maximum number of weights in a random sample."""

KEPT = 100
"""The number of kept (or removed) weights that a random sample needs; with fewer, the tips are used."""

TIPS = 5
"""The tips are the weights among the best TIPS * kappa of any score."""

FLOORS = 100
"""With floors of more layers than this a problem with one control is solved in memory."""

WHOLE = (100_000, 150_000)
"""Problems up to this size are solved in memory without passes: J <= 1, J >= 2."""


def draw(store: Store) -> Sample | None:
    """A sample of the weights of `store`, or None for a problem small enough to be solved in memory."""
    problem = store.problem
    if problem.size <= WHOLE[len(problem.scores) > 2]:
        return None
    if problem.floors is not None and (len(problem.scores) == 1 or many_floors(problem)):
        return None  # a sample tells nothing of a small layer's threshold
    rare = max(min(problem.kappa, problem.size - problem.kappa), 1)
    enough = KEPT * problem.size // rare
    count = min(max(enough, problem.size // 20), SAMPLED, problem.size // 3)
    if enough <= count:
        return measure(_random(store, count), noisy=True)
    if problem.floors is not None:
        return measure(_random(store, min(enough, problem.size // 2)), noisy=True)
    return _tips(store, rare, count)


def many_floors(problem: CopsProblem) -> bool:
    """Whether there is one control, and floors of more layers than a sample knows, e.g. of output units.

    Args:
        problem: The problem.
    """
    floors = problem.floors
    return floors is not None and len(problem.scores) == 2 and int(np.count_nonzero(floors)) > FLOORS


def guess(store: Store) -> Floats | None:
    """The multiplier of a problem with one control, as a random sample without floors has it.

    Args:
        store: The scores.

    Returns:
        Shape (1,); None for a small problem, or if the sample says nothing.
    """
    problem = store.problem
    if not many_floors(problem) or problem.size <= WHOLE[0]:
        return None
    pool = replace(_random(store, min(SAMPLED, problem.size // 3)), layers=None, floors=np.zeros(1, np.intp))
    sample = measure(pool, noisy=True)
    levels = sample.levels(problem.levels, problem.kind)
    if levels.met_by_target:
        return None
    weights = solve_bracket(sample.pool, Task(levels.wanted, None, sample.units), None).weights
    return weights[1:] if weights[0] > 0 and weights[1] > 0 else None


def _random(store: Store, count: int) -> Pool:
    problem = store.problem
    positions = stretches(problem.size, count)
    scores = store.fetch(positions)
    for number, score in enumerate(scores):
        check_values(number, float(score.min()), float(score.max()), problem.kind)
    layers, floors = None, np.zeros(1, dtype=np.intp)
    if problem.layers is not None and problem.floors is not None:
        layers, least = problem.layers[positions], problem.floors
        taken = np.bincount(layers, minlength=least.size)
        floors = least * taken // np.maximum(np.bincount(problem.layers, minlength=least.size), 1)
    places = round(problem.kappa * count / problem.size)
    places = min(max(places, int(floors.sum()), 1), count)
    return Pool(positions, scores, places, np.zeros((2, len(scores))), layers, floors)


def _tips(store: Store, rare: int, count: int) -> Sample:
    """All weights that are among the best (for a dense mask, the worst) of some score."""
    problem = store.problem
    sample = _random(store, count)
    highest = 2 * problem.kappa <= problem.size
    rank = moved(TIPS * rare * count // problem.size, count, SIGMAS)
    sign = 1.0 if highest else -1.0
    bounds = np.array([_tip(sign * score, rank) for score in sample.scores])
    positions = store.tips(sign * bounds, highest)
    places = problem.kappa if highest else problem.kappa - (problem.size - positions.size)
    if not 0 < places < positions.size <= problem.size // 4:
        return measure(sample, noisy=True)
    scores = store.fetch(positions)
    pool = Pool(positions, scores, places, np.zeros((2, len(scores))), None, sample.floors)
    return measure(pool, noisy=False)


def _tip(score: Floats, rank: int) -> float:
    """The rank-th highest value, or the next higher one if many values are tied with it."""
    bound = kth_highest(score, rank)
    if np.count_nonzero(score >= bound) > 2 * rank:
        return float(score.min(where=score > bound, initial=np.inf))
    return bound
