"""Floors of many layers: what is left out is never kept, and shortcuts change no mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cops_core.cops import search, selection, solve_cops
from cops_core.cops.floored import without_never_kept
from cops_core.cops.pool import Pool
from cops_core.cops.selection import best_mask, nth_of_each, thresholds


def slow_mask(keys, places, layers, floors):
    """Each layer's highest first, as many as its floor; then the highest of all others."""
    order = sorted(range(keys[0].size), key=lambda i: (*(-key[i] for key in keys), i))
    missing = floors.copy()
    kept = []
    for place in order:
        if missing[layers[place]] > 0:
            missing[layers[place]] -= 1
            kept.append(place)
    kept += [place for place in order if place not in set(kept)][: places - len(kept)]
    keep = np.zeros(keys[0].size, dtype=bool)
    keep[kept] = True
    return keep, set(kept)


@st.composite
def problems(draw_from):
    """Scores with many ties or none, some negative, layers in any order, floors that fit."""
    generator = np.random.default_rng(draw_from(st.integers(0, 2**32 - 1)))
    size, count = draw_from(st.integers(1, 60)), draw_from(st.integers(1, 8))
    layers = generator.integers(0, count, size)
    floors = np.minimum(generator.integers(0, 4, count), np.bincount(layers, minlength=count))
    floors = np.minimum(floors, draw_from(st.sampled_from([1, 3])))
    kinds = {
        "ties": lambda: generator.integers(-1, 4, size) / 2.0,
        "normal": lambda: generator.normal(size=size),
        "heavy": lambda: np.exp(3 * generator.normal(size=size)),
    }
    scores = np.array([kinds[draw_from(st.sampled_from(list(kinds)))]() for _ in range(2)])
    places = draw_from(st.integers(max(1, int(floors.sum())), max(1, size)))
    return scores, places, layers, floors


@settings(max_examples=300)
@given(problem=problems(), limit=st.sampled_from([0, 200]))
def test_masks_and_thresholds_are_those_of_a_slow_loop(problem, limit):
    scores, places, layers, floors = problem
    if not floors.any():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "SORTED", limit)
        keep = best_mask(tuple(scores), places, layers, floors)
        tau, own = thresholds(scores[0], places, layers, floors)
    assert keep.tolist() == slow_mask(scores, places, layers, floors)[0].tolist()
    reserved = set()
    for layer in range(floors.size):
        inside = np.flatnonzero(layers == layer)
        reserved |= set(inside[np.argsort(-scores[0][inside], kind="stable")[: floors[layer]]].tolist())
    others = sorted((scores[0][i] for i in range(layers.size) if i not in reserved), reverse=True)
    rest = places - len(reserved)
    assert tau == (others[rest - 1] if rest else np.inf)
    for layer, floor in enumerate(floors.tolist()):
        lowest = np.sort(scores[0][layers == layer])[::-1][floor - 1] if floor else np.inf
        assert own[layer] == min(tau, lowest)
        assert nth_of_each(scores[0], layers, floors)[layer] == lowest


@settings(max_examples=300)
@given(problem=problems(), share=st.floats(0, 1))
def test_what_is_left_out_is_never_kept(problem, share):
    scores, places, layers, floors = problem
    pool = Pool(np.arange(layers.size), scores, places, np.zeros((2, 2)), layers, floors)
    left = without_never_kept(pool)
    for weights in ((1.0, 0.0), (0.0, 1.0), (1 - share, share)):
        values = pool.combined(np.array(weights))
        kept = np.flatnonzero(pool.best_mask(values, *scores))
        assert set(kept.tolist()) <= set(left.positions.tolist())


@pytest.mark.parametrize("kind", ["relative", "absolute"])
@pytest.mark.parametrize("count", [1, 3])
def test_the_solution_is_that_of_the_whole_problem(monkeypatch, kind, count):
    generator = np.random.default_rng(1)
    size, units = 110_000, 400
    layers = np.repeat(np.arange(units), size // units)
    scale = np.exp(generator.normal(size=units))[layers]  # some units have no high weight at all
    target = np.exp(2 * generator.normal(size=size)) * scale
    control = np.abs(generator.normal(size=size))
    problem = (target, [control], 3000, [0.6], kind, False, layers, np.full(units, count))
    ours = solve_cops(*problem)
    monkeypatch.setattr(search, "without_never_kept", lambda pool: pool)
    monkeypatch.setattr(search, "guess", lambda store: None)
    plain = solve_cops(*problem)
    assert np.array_equal(ours.mask, plain.mask)
    assert int(ours.mask.sum()) == 3000
    assert np.bincount(layers[ours.mask], minlength=units).min() >= count
    assert ours.multipliers == pytest.approx(plain.multipliers)
    assert (ours.value, ours.status) == (pytest.approx(plain.value), plain.status)
