"""One model's scores on one batch, with an optional cache, and their description for the manifest."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from cops_core.cache import ScoreCache
from cops_core.facts import ScoreDescription, ScoreTraits
from cops_core.prunable import PRUNABLE, maskable
from cops_core.scores import (
    CONVENTIONS,
    STEPS,
    TEMPERATURE,
    AnyScore,
    Member,
    RoundScores,
    Steps,
    compute_scores,
    find_score,
    has_steps,
    has_temperature,
    key_of,
    scores_in_rounds,
)
from cops_core.scores.batches import batches_of, tensors_in
from cops_core.scores.problem import Loss, SampleLosses
from cops_core.tensor_bytes import tensor_bytes, type_name

# Increase it when a change of the code changes a score's values: the cache then has new entries.
# 2: SynFlow behind layer, group, instance and RMS norm, softmax and attention; with negative parameters that
# are not scored; of `dense_last_layer`, whose last layer has its magnitude.
SCORES_VERSION = 2

Batch = Any  # one batch or several; in a trial images of shape (N, channels, height, width) and labels, (N,)
ScoreLayers = Mapping[AnyScore, Mapping[str, Tensor]]


@dataclass
class Scorer:
    """Scores of a model with its initial weights.

    Attributes:
        model: The model.
        seed: The trial's, in [0, 2**32).
        theta0_sha256: SHA-256 of the initial weights.
        convention: A key of `CONVENTIONS`.
        temperature: Of GraSP, see `find_score`.
        steps: Of ProsPr.
        extensions: Names and SHA-256 of plugins, to which scores or the model may belong.
        cache: Where scores are kept; None computes them each time.
        network_sha256: The network's identity (see `cops_core.network_identity`), and that of the loss if
            there is one. Without it the cache is not used: another network could have the same names, shapes
            and values.
        weight_names: The scored parameters, by their first name; None for the convention's.
        loss: See `compute_scores`, as for the next two.
        sample_losses: The losses of a batch's samples.
        example: The input for scores without data.
        computed: How often each score of the whole network was computed, by its key.
        cached: How often each was read from the cache, by its key.
    """

    model: nn.Module
    seed: int
    theta0_sha256: str
    convention: str = "paper"
    extensions: Mapping[str, str] = field(default_factory=dict)
    cache: ScoreCache | None = None
    network_sha256: str | None = None
    weight_names: Collection[str] | None = None
    loss: Loss | None = None
    sample_losses: SampleLosses | None = None
    example: Any = None
    temperature: float = TEMPERATURE
    steps: Steps = STEPS
    computed: dict[str, int] = field(default_factory=dict)
    cached: dict[str, int] = field(default_factory=dict)

    @property
    def prunable(self) -> dict[str, nn.Parameter]:
        """The parameters that are scored."""
        if self.weight_names is not None:
            return {name: p for name, p in self.model.named_parameters() if name in self.weight_names}
        return PRUNABLE[CONVENTIONS[self.convention].prunable](self.model)

    def whole(self, wanted: Sequence[AnyScore], batch: Batch) -> ScoreLayers:
        """Scores of the whole network, from the cache if it has them.

        Args:
            wanted: Keys of `SCORES`, or members of the family.
            batch: See `compute_scores`.

        Returns:
            {score: {parameter name: values}}, see `compute_scores`.
        """

        def compute(missing: Sequence[AnyScore]) -> ScoreLayers:
            return self._compute(missing, batch)

        if self.cache is None or self.network_sha256 is None:
            scores, computed = compute(wanted), list(wanted)
        else:
            keys = {score: self.key(score, batch) for score in wanted}
            scores, computed = self.cache.fetch(keys, compute)
        for score in wanted:
            counts, key = self.computed if score in computed else self.cached, key_of(score)
            counts[key] = counts.get(key, 0) + 1
        return scores

    def rounds(self, wanted: Sequence[AnyScore], *, revive: bool) -> RoundScores[AnyScore]:
        """Scores of the masked network in rounds, without the cache.

        Args:
            wanted: Keys of `SCORES`, or members of the family.
            revive: Whether removed weights are scored with their value in the model.

        Returns:
            What computes them for one mask after another; the model must not change in between.
        """
        return scores_in_rounds(
            wanted,
            self.model,
            seed=self.seed,
            revive=revive,
            convention=self.convention,
            temperature=self.temperature,
            steps=self.steps,
            weight_names=self.weight_names,
            loss=self.loss,
            sample_losses=self.sample_losses,
            example=self.example,
        )

    def _compute(self, wanted: Sequence[AnyScore], batch: Batch) -> dict[AnyScore, dict[str, Tensor]]:
        return compute_scores(
            wanted,
            self.model,
            batch,
            seed=self.seed,
            convention=self.convention,
            temperature=self.temperature,
            steps=self.steps,
            weight_names=self.weight_names,
            loss=self.loss,
            sample_losses=self.sample_losses,
            example=self.example,
        )

    def traits(self, score: AnyScore) -> ScoreTraits:
        """How a score is computed, as JSON values."""
        return cast(ScoreTraits, asdict(find_score(score, self.convention).traits))

    def describe(self, score: AnyScore) -> ScoreDescription:
        """A score's traits, and for a member of the family its short name and its fields, as JSON values."""
        made_of = {"name": str(score), **_made_of(score)} if isinstance(score, Member) else {}
        return cast(ScoreDescription, {**self.traits(score), **made_of})

    def key(self, score: AnyScore, batch: Batch) -> str:
        """The score's key in the cache: SHA-256 of everything that its values depend on.

        Args:
            score: A key of `SCORES`, or a member of the family.
            batch: See `compute_scores`.

        Returns:
            64 hexadecimal digits.
        """
        traits = self.traits(score)
        first = next(self.model.parameters())
        identity: dict[str, Any] = {
            "score": _made_of(score) if isinstance(score, Member) else score,
            "traits": traits,
            "convention": self.convention,
            "seed": self.seed,
            "theta0": self.theta0_sha256,
            "network": self.network_sha256,
            "tensors": self._tensors,
            "batch": self._batch_key(batch, traits),
            "precision": str(first.dtype),
            "device": first.device.type,
            # The order of sums depends on the threads, and so do the last digits.
            "threads": torch.get_num_threads() if first.device.type == "cpu" else None,
            "torch": torch.__version__,
            "numerics": SCORES_VERSION,
            "extensions": dict(self.extensions),
        }
        if self.temperature != TEMPERATURE and has_temperature(score):
            identity["temperature"] = self.temperature
        if self.steps != STEPS and has_steps(score):
            identity["steps"] = self.steps.model_dump(mode="json")
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def _batch_key(self, batch: Batch, traits: ScoreTraits) -> str | list[int]:
        """What scores depend on of a batch: its content, or of images for scores without data their shape."""
        if traits["needs_data"] or self.loss is not None:
            return tensor_hash(*tensors_in(batch))
        images, _ = batches_of(batch)[0]
        return list(images.shape[1:])

    @cached_property
    def _tensors(self) -> str:
        """SHA-256 over names, types and shapes of all tensors, and the values that theta0 lacks."""
        weights = maskable(self.model)
        digest = hashlib.sha256()
        for name, tensor in (*self.model.named_parameters(), *self.model.named_buffers()):
            digest.update(f"{name}:{type_name(tensor)}:{tuple(tensor.shape)}:".encode())
            digest.update(b"" if name in weights else tensor_bytes(tensor))
        return digest.hexdigest()


def _made_of(member: Member) -> dict[str, Any]:
    """Functional, powers and form, exactly, as JSON values."""
    return member.model_dump(mode="json")


def tensor_hash(*tensors: Tensor) -> str:
    """SHA-256 over the types, shapes and values of `tensors`."""
    digest = hashlib.sha256()
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{array.dtype.str}:{array.shape}:".encode())
        digest.update(array.data)
    return digest.hexdigest()
