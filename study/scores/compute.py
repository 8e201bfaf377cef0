"""Computes the scores of a network at its initial weights, as vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cops_core.cache import ScoreCache
from cops_core.data import load_split
from cops_core.initialization import initial_network
from cops_core.mask import flatten, kept_weights
from cops_core.models.packages import package_extensions
from cops_core.network_identity import network_sha256
from cops_core.scores import CONVENTIONS
from cops_core.scoring import Scorer
from cops_core.trial import reproducible
from study.scores.question import ScoreStudy, check_kept


@dataclass(frozen=True, eq=False)
class NetworkScores:
    """The scores of one network.

    Attributes:
        model: The network at its initial weights.
        image_shape: Channels, height, width.
        vectors: The scores by name, shape (D,), float64.
        shapes: The shapes of the prunable weights by name, in order.
        kappas: The number of kept weights at each density.
        origin: How the scores were computed, as JSON values.
    """

    model: nn.Module
    image_shape: tuple[int, int, int]
    vectors: dict[str, npt.NDArray[np.float64]]
    shapes: dict[str, torch.Size]
    kappas: tuple[int, ...]
    origin: dict[str, Any]


def score_network(
    study: ScoreStudy, *, data_root: Path, device: str, cache: ScoreCache, extensions: Mapping[str, str]
) -> NetworkScores:
    """Compute all scores of a score study. Scores in the cache are read.

    Args:
        study: The network, the scores and the densities.
        data_root: The folder of the data sets.
        device: As torch names it.
        cache: Scores that were computed before.
        extensions: Names and hashes of plugins, see `Scorer`.

    Raises:
        InputError: The data are missing, or a density keeps no weight. Nothing has been computed then.
    """
    trial = study.trial
    extensions = {**extensions, **package_extensions(trial.model)}
    split = load_split(trial.dataset, data_root, trial.seed, trial.validation_fraction)
    model, theta0_sha256 = initial_network(
        trial.model, split.data.shape, split.data.classes, trial.seed, trial.initialization
    )
    network = network_sha256(trial.model, split.data.shape, split.data.classes)
    scorer = Scorer(model.to(device), trial.seed, theta0_sha256, study.convention, extensions, cache, network)
    shapes = {name: weight.shape for name, weight in scorer.prunable.items()}
    size = sum(shape.numel() for shape in shapes.values())
    kappas = tuple(check_kept(density, kept_weights(density, size), size) for density in study.densities)
    class_balanced = CONVENTIONS[study.convention].class_balanced
    (images, labels), places = split.scoring_batch(
        trial.seed, study.samples_per_class, class_balanced=class_balanced
    )
    with reproducible():
        layers = scorer.whole(study.scores, (images.to(device), labels.to(device)))
    origin = {
        "weights": size,
        "scores": {name: scorer.describe(name) for name in study.scores},
        "convention": scorer.convention,
        "data_sha256": split.data.sha256,
        "theta0_sha256": theta0_sha256,
        "sample_indices": places,
        "samples_per_class": study.samples_per_class,
        "class_balanced": class_balanced,
        "augmentation": "none",
        "scores_computed": sorted(scorer.computed),
        "scores_cached": sorted(scorer.cached),
        "extensions": dict(extensions),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
    }
    vectors = {name: flatten(layers[name]) for name in study.scores}
    return NetworkScores(model, split.data.shape, vectors, shapes, kappas, origin)
