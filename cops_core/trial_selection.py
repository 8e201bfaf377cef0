"""The selection of a trial's weights: from scores, combined by COPS, to a mask and its manifest."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import torch

from cops_core.ablation import MASK_ABLATIONS
from cops_core.config import Selection, TrialConfig
from cops_core.cops import CopsPath, CopsSolution
from cops_core.data import ImageData, Split
from cops_core.data.base import check_enough, split_places
from cops_core.facts import PricePoint, SelectionManifest, Solution
from cops_core.groups import groups_of
from cops_core.iterate import run_rounds
from cops_core.mask import Mask
from cops_core.scores import CONVENTIONS, STEPS, TEMPERATURE, find_score, key_of
from cops_core.scores.batches import tensors_in
from cops_core.scoring import SCORES_VERSION, Scorer, tensor_hash


@dataclass(frozen=True)
class SelectionResult:
    """The selected weights.

    Attributes:
        mask: The mask.
        manifest: How it was computed, as JSON values.
    """

    mask: Mask
    manifest: SelectionManifest


@dataclass(frozen=True, kw_only=True)
class SampledBatches:
    """What a network is scored on.

    Attributes:
        batches: One for all rounds, or one for each; each may be a list of batches.
        data_sha256: SHA-256 of the data set.
        sample_indices: The places of each round's images, one batch after the other; empty if a trainer of
            one's own made the batches.
        samples_per_class: Of images; 0 if there are none.
        class_balanced: Whether each class has as many images.
    """

    batches: list[Any]
    data_sha256: str
    sample_indices: list[list[int]] = field(default_factory=list)
    samples_per_class: int = 0
    class_balanced: bool = False


def select_weights(
    scorer: Scorer,
    split: Split,
    selection: Selection,
    density: Decimal,
    retrain: Callable[[Mask], None] | None = None,
) -> SelectionResult:
    """Score the scorer's model and select kappa of its weights.

    Levels that no mask meets together are shrunk by the largest feasible factor, `shrunk` in the manifest.

    Args:
        scorer: Scores the model, which has theta0 or trained weights, on its device.
        split: The data, on the same device.
        selection: How the weights are chosen.
        density: The kept fraction, in (0, 1].
        retrain: See `cops_core.iterate.run_rounds`.

    Returns:
        The mask and its manifest.

    Raises:
        InputError: The data set is too small for the scoring batch.
        InfeasibleError: No mask meets all levels, and `selection.if_infeasible` is "end".
    """
    class_balanced = CONVENTIONS[selection.convention].class_balanced
    needed = reads_images(selection)
    batches: list[Any] = []
    indices: list[list[int]] = []
    for round_ in range(1, selection.rounds + 1) if selection.fresh_batches else (1,):
        draws = [
            split.scoring_batch(
                scorer.seed,
                selection.samples_per_class,
                class_balanced=class_balanced,
                round_=round_,
                number=number,
                needed=needed,
            )
            for number in range(1, selection.batches + 1)
        ]
        together = [batch for batch, _ in draws]
        batches.append(together if len(together) > 1 else together[0])
        indices.append([place for _, places in draws for place in places])
    drawn = SampledBatches(
        batches=batches,
        data_sha256=split.data.sha256,
        sample_indices=indices,
        samples_per_class=selection.samples_per_class,
        class_balanced=class_balanced,
    )
    return select_on(scorer, drawn, selection, density, retrain)


def select_on(
    scorer: Scorer,
    drawn: SampledBatches,
    selection: Selection,
    density: Decimal,
    retrain: Callable[[Mask], None] | None = None,
) -> SelectionResult:
    """Score the scorer's model on batches and select kappa of its weights.

    Args:
        scorer: See `select_weights`.
        drawn: What it is scored on.
        selection: How the weights are chosen.
        density: The kept fraction, in (0, 1].
        retrain: See `cops_core.iterate.run_rounds`.

    Returns:
        The mask and its manifest.

    Raises:
        InfeasibleError: No mask meets all levels, and `selection.if_infeasible` is "end".
    """
    groups = groups_of(scorer, selection, density)
    rounds = run_rounds(scorer, drawn.batches, selection, groups, retrain=retrain)
    mask = MASK_ABLATIONS[selection.ablation](rounds.mask, scorer.seed, rounds.ranking)
    manifest: SelectionManifest = {
        "scores": {key_of(score): scorer.describe(score) for score in selection.scores},
        "model_dtype": str(next(scorer.model.parameters()).dtype),
        "convention": selection.convention,
        "prunable": CONVENTIONS[selection.convention].prunable,
        "scope": selection.scope,
        "rounds": selection.rounds,
        "schedule": selection.schedule,
        "revive": selection.revive,
        "ablation": selection.ablation,
        "kappas": rounds.kappas,
        "sample_indices": drawn.sample_indices,
        "samples_per_class": drawn.samples_per_class,
        "class_balanced": drawn.class_balanced,
        "augmentation": "none",
        "batch_sha256": [tensor_hash(*tensors_in(batch)) for batch in drawn.batches],
        "data_sha256": drawn.data_sha256,
        "theta0_sha256": scorer.theta0_sha256,
        "seed": scorer.seed,
        "numerics_version": SCORES_VERSION,
        "extensions": dict(scorer.extensions),
        "solutions": {where: certificate(solution) for where, solution in rounds.solutions.items()},
        "price_of_control": {where: price_points(path) for where, path in rounds.paths.items()},
    }
    if selection.batches > 1:
        manifest["batches"] = selection.batches
    if selection.temperature != TEMPERATURE:
        manifest["temperature"] = selection.temperature
    if selection.steps != STEPS:
        steps = selection.steps
        manifest["steps"] = {"count": steps.count, "learning_rate": steps.learning_rate}
    if selection.combine != "cops":
        manifest["combine"] = selection.combine
    if selection.floor is not None:
        manifest["floor"] = {"count": selection.floor.count, "per": selection.floor.per}
    if selection.regrow is not None:
        regrow = selection.regrow
        manifest["regrow"] = {"every": regrow.every, "fraction": regrow.fraction, "until": regrow.until}
    if selection.at == "trained":
        manifest["at"], manifest["rewind"] = selection.at, selection.rewind
    return SelectionResult(mask, manifest)


def reads_images(selection: Selection) -> bool:
    """Whether the values of images matter to one of the scores."""
    return any(find_score(score, selection.convention).traits.needs_data for score in selection.scores)


def check_scoring(config: TrialConfig, data: ImageData) -> None:
    """Check that the images on which a trial's weights are scored exist, without a network.

    Args:
        config: The trial's configuration.
        data: Its data set.

    Raises:
        InputError: The data set is too small for the scoring batch.
    """
    selection = config.selection
    if selection is None or not reads_images(selection):
        return
    train, _ = split_places(len(data.train_labels), config.seed, config.validation_fraction)
    check_enough(
        data,
        data.train_labels[torch.from_numpy(train)],
        config.seed,
        selection.samples_per_class,
        class_balanced=CONVENTIONS[selection.convention].class_balanced,
    )


def certificate(solution: CopsSolution) -> Solution:
    """The certificate of a solution, as JSON values."""
    return {
        "status": solution.status,
        "value": _finite(solution.value),
        "dual_bound": _finite(solution.dual_bound),
        "gap": _finite(solution.gap),
        "threshold": _finite(solution.threshold),
        "shrunk": _finite(solution.shrunk),
        "multipliers": [_finite(value) for value in solution.multipliers],
        "controls": [_finite(value) for value in solution.controls],
        "levels": [_finite(value) for value in solution.levels],
        "slacks": [_finite(value) for value in solution.slacks],
    }


def price_points(path: CopsPath) -> list[PricePoint]:
    """A path as JSON values: at each level the kept sums of target and controls, and the multipliers."""
    return [
        {
            "level": float(path.grid[point, 0]),
            "target": _finite(path.values[point]),
            "controls": [_finite(value) for value in path.controls[point]],
            "multipliers": [_finite(value) for value in path.multipliers[point]],
            "shrunk": _finite(path.shrunk[point]),
            "status": path.statuses[point],
        }
        for point in range(len(path.grid))
    ]


def _finite(value: float) -> float | None:
    """The value, or None if it is infinite, e.g. the threshold if nothing or everything is kept."""
    return float(value) if math.isfinite(value) else None
