"""One model's scores on one batch, computed once where a cache remembers them, and their manifest."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.cache import ScoreCache
from cops_core.mask import Mask
from cops_core.prunable import PRUNABLE
from cops_core.scores import CONVENTIONS, SCORES, compute_scores

# Raise it when a change of the code changes a score's values: entries of the cache are then new ones.
NUMERICS_VERSION = 1

Batch = tuple[Tensor, Tensor]
ScoreLayers = Mapping[str, Mapping[str, Tensor]]


@dataclass
class Scorer:
    """Scores of `model`, which holds its initial weights.

    theta0_sha256: of those weights. convention: a key of CONVENTIONS. extensions: names and hashes
    of code from elsewhere that a score or the model may be made of. cache: None computes always.
    computed, cached: how often each score of the whole network was computed, or read instead.
    """

    model: nn.Module
    seed: int
    theta0_sha256: str
    convention: str = "paper"
    extensions: Mapping[str, str] = field(default_factory=dict)
    cache: ScoreCache | None = None
    computed: dict[str, int] = field(default_factory=dict)
    cached: dict[str, int] = field(default_factory=dict)

    @property
    def prunable(self) -> dict[str, nn.Parameter]:
        """The parameters that are scored."""
        return PRUNABLE[CONVENTIONS[self.convention].prunable](self.model)

    def whole(self, names: Sequence[str], batch: Batch) -> ScoreLayers:
        """Scores of the whole network, from the cache where it has them."""

        def compute(missing: Sequence[str]) -> ScoreLayers:
            return compute_scores(missing, self.model, batch, seed=self.seed, convention=self.convention)

        if self.cache is None:
            scores, computed = compute(names), list(names)
        else:
            keys = {name: self.key(name, batch) for name in names}
            scores, computed = self.cache.fetch(keys, compute)
        for name in names:
            counts = self.computed if name in computed else self.cached
            counts[name] = counts.get(name, 0) + 1
        return scores

    def masked(self, names: Sequence[str], batch: Batch, mask: Mask, *, revive: bool) -> ScoreLayers:
        """Scores of the network that `mask` leaves; see `compute_scores`."""
        return compute_scores(
            names,
            self.model,
            batch,
            seed=self.seed,
            mask=mask,
            revive=revive,
            convention=self.convention,
        )

    def describe(self, name: str) -> dict[str, Any]:
        """How the score `name` is computed, as JSON values."""
        score = CONVENTIONS[self.convention].scores.get(name, SCORES[name])
        return asdict(score.traits)

    def key(self, name: str, batch: Batch) -> str:
        """SHA-256 of everything that the values of the score `name` depend on."""
        traits = self.describe(name)
        images, labels = batch
        first = next(self.model.parameters())
        identity = {
            "score": name,
            "traits": traits,
            "convention": self.convention,
            "seed": self.seed,
            "theta0": self.theta0_sha256,
            "model": repr(self.model),
            "batch": tensor_hash(images, labels) if traits["needs_data"] else list(images.shape[1:]),
            "precision": str(first.dtype),
            "device": first.device.type,
            # Sums are ordered by thread: other values in the last digits.
            "threads": torch.get_num_threads() if first.device.type == "cpu" else None,
            "torch": torch.__version__,
            "numerics": NUMERICS_VERSION,
            "extensions": dict(self.extensions),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def tensor_hash(*tensors: Tensor) -> str:
    """SHA-256 over the types, shapes and values of `tensors`."""
    digest = hashlib.sha256()
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{array.dtype.str}:{array.shape}:".encode())
        digest.update(array.data)
    return digest.hexdigest()
