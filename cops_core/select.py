"""Which weights a trial trains: scores, combined by COPS, become a mask and a record of how."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from torch import Tensor, nn

from cops_core.config import Selection
from cops_core.cops import CopsSolution, solve_cops
from cops_core.data import Split
from cops_core.initialization import maskable
from cops_core.mask import Mask, flatten, kept_weights, layer_budgets, unflatten
from cops_core.scores import compute_scores


@dataclass(frozen=True)
class Selected:
    """A mask, and the scoring manifest: everything that says how it was computed, as JSON values."""

    mask: Mask
    manifest: dict[str, Any]


def select_weights(
    model: nn.Module, split: Split, selection: Selection, density: Decimal, seed: int
) -> Selected:
    """Score the weights of `model` (holding theta0, on its device) and choose kappa of them.

    Levels that cannot be met together are shrunk by the largest feasible factor; the manifest's
    `shrunk` says by which.
    """
    batch, places = split.scoring_batch(seed, selection.samples_per_class)
    scores = compute_scores(selection.scores, model, batch, seed=seed)
    shapes = {name: weight.shape for name, weight in maskable(model).items()}
    if selection.scope == "global":
        flat = [flatten(scores[name]) for name in selection.scores]
        kappa = kept_weights(density, flat[0].size)
        solutions = {"global": _solve(flat, selection, kappa)}
        keep = solutions["global"].mask
    else:
        budgets = layer_budgets(density, {name: shape.numel() for name, shape in shapes.items()})
        solutions = {
            layer: _solve([_layer(scores[name], layer) for name in selection.scores], selection, budget)
            for layer, budget in budgets.items()
        }
        keep = np.concatenate([solution.mask for solution in solutions.values()])
    manifest = {
        "scores": list(selection.scores),
        "scope": selection.scope,
        "rounds": 1,
        "sample_indices": places,
        "samples_per_class": selection.samples_per_class,
        "class_balanced": True,
        "augmentation": False,
        "data_sha256": split.data.sha256,
        "solutions": {where: certificate(solution) for where, solution in solutions.items()},
    }
    return Selected(unflatten(np.asarray(keep), shapes), manifest)


def certificate(solution: CopsSolution) -> dict[str, Any]:
    """What proves a solution, as JSON values."""
    return {
        "status": solution.status,
        **{
            name: _finite(getattr(solution, name))
            for name in ("value", "dual_bound", "gap", "threshold", "shrunk")
        },
        **{
            name: [_finite(value) for value in getattr(solution, name)]
            for name in ("multipliers", "controls", "levels", "slacks")
        },
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity: None, e.g. for the threshold where nothing or everything is kept."""
    return float(value) if math.isfinite(value) else None


def _solve(flat: list[np.ndarray], selection: Selection, kappa: int) -> CopsSolution:
    levels = [control.level for control in selection.controls]
    return solve_cops(flat[0], flat[1:], kappa, levels, kind=selection.level_kind, shrink=True)


def _layer(scores: Mapping[str, Tensor], name: str) -> np.ndarray:
    return flatten({name: scores[name]})
