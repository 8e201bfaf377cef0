"""Which weights of a problem with floors some multiplier of one control can keep, whatever it is.

A kept weight is among the highest of all weights (see `eligible`), or among the n_l highest of a layer with a
floor. In such a layer, with v_j the lowest value of score j and u_j its n_l-th highest, n_l weights have
omega_j >= u_j, and at least v in the other score. So the n_l-th highest of w . omega is, for all w >= 0,

    own(w)  >=  w . v + max_j w_j (u_j - v_j).

With a_j = (omega_ij - v_j) / (u_j - v_j) >= 0, a weight has w . omega_i = w . v + sum_j w_j (u_j - v_j) a_j,
which is below own(w) for every w >= 0 if a_0 + a_1 < 1: it is never kept because of the floor.
"""

import numpy as np

from cops_core.cops.eligible import MARGIN, find_eligibility
from cops_core.cops.pool import Pool
from cops_core.cops.selection import nth_of_each


def without_never_kept(pool: Pool) -> Pool:
    """The pool without weights that are never kept; this pool if few would leave.

    Args:
        pool: All weights of a problem with one control and floors.

    Returns:
        A pool with the same optimum and masks.
    """
    layers, floors = pool.layers, pool.floors
    bounds = find_eligibility(list(pool.scores), pool.places)
    if bounds is None or layers is None:
        return pool
    active = floors > 0
    flat = np.zeros(floors.size, dtype=bool)  # layers with n_l equal values: nothing is known about these
    total = np.zeros(pool.size)
    for score in pool.scores:
        least = np.zeros(floors.size)
        if score.min() < 0:
            least.fill(np.inf)
            np.minimum.at(least, layers, score)
            least[~active] = 0.0
        height = np.where(active, nth_of_each(score, layers, floors), 1.0) - least
        usable = height > np.finfo(np.float64).tiny / MARGIN
        flat |= active & ~usable
        slope = 1.0 / np.where(usable, height, 1.0)
        total += score * slope[layers] - (least * slope)[layers] if least.any() else score * slope[layers]
    kept = (active & ~flat)[layers] & (total >= 1.0 - 4 * MARGIN)
    members = np.flatnonzero(bounds.marks(pool.scores) | kept | flat[layers])
    return pool if 2 * members.size > pool.size else pool.part(members, np.zeros(pool.size, dtype=bool))
