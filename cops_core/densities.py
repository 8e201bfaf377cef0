"""How many weights each layer keeps, if that is decided before any score: the layer densities of a scope.

Layer l of D_l weights keeps min(D_l, max(n_l, eps w_l)) of them, with its floor n_l and with the one eps for
which all layers together keep rho D. The proportions w_l are what the scopes differ in: D_l (uniform), the
sum of the weight's dimensions (Erdos-Renyi-kernel), or 1 (balanced).
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from cops_core.config import Scope
from cops_core.errors import InputError
from cops_core.mask import kept_weights

Shape = Sequence[int]


def uniform(shape: Shape) -> int:
    """Every layer keeps the same fraction: w = D_l.

    Args:
        shape: Of the weight.

    Returns:
        w, at least 1.
    """
    return math.prod(shape)


def erdos_renyi_kernel(shape: Shape) -> int:
    """Erdos-Renyi-kernel: w = n_in + n_out + k_h + k_w (Evci et al. 2020, arXiv 1911.11134, section 3).

    RigL's density of a layer, eps (n_in + n_out + k_h + k_w) / (n_in n_out k_h k_w), times its weights. As in
    the authors' code n_in of a grouped convolution is that of a group, as the weight's shape has it.

    Args:
        shape: Of the weight: (out, in), (out, in / groups, *kernel), or of anything else.

    Returns:
        w, at least 1.
    """
    return sum(shape)


def balanced(shape: Shape) -> int:
    """Every layer keeps the same number of weights: w = 1 (Gadhikar et al. 2023, arXiv 2210.02412).

    Their code gives what does not fit into a layer to the later layers only; here all others share it.

    Args:
        shape: Not used.

    Returns:
        1.
    """
    del shape
    return 1


PROPORTIONS: Mapping[Scope, Callable[[Shape], int]] = {
    "layer": uniform,
    "erk": erdos_renyi_kernel,
    "balanced": balanced,
}


def layer_budgets(
    density: Decimal,
    shapes: Mapping[str, Shape],
    proportion: Callable[[Shape], int] = uniform,
    floors: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The kept weights of each layer, by the method of largest remainders.

    Args:
        density: rho, in (0, 1].
        shapes: The shape of each layer's weight, by name.
        proportion: w_l, a value of `PROPORTIONS`.
        floors: n_l, the minimum of each layer, in [0, D_l]; None for 0.

    Returns:
        The number of kept weights of each layer, in [n_l, D_l]; they sum to kappa.

    Raises:
        InputError: The floors sum to more than kappa.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    least = dict.fromkeys(shapes, 0) if floors is None else floors
    size = sum(sizes.values())
    kappa = kept_weights(density, size)
    if sum(least.values()) > kappa:
        raise InputError(f"the layers' floors sum to {sum(least.values())}: write at most kappa = {kappa}")
    shares = _shares(
        Fraction(density) * size,
        {name: proportion(shape) for name, shape in shapes.items()},
        {name: (least[name], sizes[name]) for name in shapes},
    )
    budgets = {name: int(share) for name, share in shares.items()}
    missing = kappa - sum(budgets.values())
    by_remainder = sorted(shapes, key=lambda name: budgets[name] - shares[name])
    for name in by_remainder[:missing]:
        budgets[name] += 1
    return budgets


def _shares(
    total: Fraction, proportions: Mapping[str, int], bounds: Mapping[str, tuple[int, int]]
) -> dict[str, Fraction]:
    """min(high, max(low, eps w)) of each layer, with the eps for which they sum to `total`, exactly.

    The sum grows with eps, and is linear between the values at which some layer reaches a bound. Below the
    sum of all lower bounds these are returned.
    """

    def at(eps: Fraction) -> dict[str, Fraction]:
        return {
            name: min(Fraction(high), max(Fraction(low), eps * proportions[name]))
            for name, (low, high) in bounds.items()
        }

    def sum_at(eps: Fraction) -> Fraction:
        return sum(at(eps).values(), Fraction(0))

    corners = sorted({Fraction(bound, proportions[name]) for name in bounds for bound in bounds[name]})
    place = bisect_left(corners, total, key=sum_at)
    if place == 0:
        return at(corners[0])
    left, right = corners[place - 1], corners[place]
    start, end = sum_at(left), sum_at(right)
    return at(left + (total - start) * (right - left) / (end - start))
