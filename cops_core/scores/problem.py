"""The input of scores: a network, batches, a loss and a seed; and the gradients that have been computed."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.errors import InputError
from cops_core.scores.batches import (
    Batch,
    batches_of,
    described_batch,
    inputs_of,
    moved,
    pair_of,
    tensors_in,
)
from cops_core.scores.functional import ScalarFunction
from cops_core.scores.isolation import isolated
from cops_core.scores.leaves import Leaves, values_of
from cops_core.scores.network import MaskedWeights, Network, Weights, network_of
from cops_core.scores.setting import Setting
from cops_core.scores.substitutes import InDouble

Loss = Callable[[nn.Module, Batch], Tensor]
"""`loss(model, batch)`: a tensor of shape (), differentiable in the weights of `model`."""
SampleLosses = Callable[[nn.Module, Batch], Tensor]
"""`sample_losses(model, batch)`: the loss of each sample, shape (N,), differentiable in the weights."""


class Problem:
    """A network to score, its batches, and the gradients that have already been computed.

    It is used for one call of `compute_scores` or one round, so a gradient never belongs to other weights.

    Args:
        network: The network.
        batches: The batches, on any device; none if no score needs one.
        seed: The trial's, in [0, 2**32).
        loss: The loss of a batch; None for the mean cross-entropy of (inputs, labels). The loss of several
            batches is the mean of theirs.
        sample_losses: The losses of a batch's samples; None for the cross-entropies of (inputs, labels).
        example: An input for scores that need no data; None for that of the first batch.

    Attributes:
        network: The network.
        seed: The trial's, in [0, 2**32).
        loss: See above.
        sample_losses: See above.
    """

    def __init__(
        self,
        network: Network,
        batches: Sequence[Batch],
        seed: int,
        *,
        loss: Loss | None = None,
        sample_losses: SampleLosses | None = None,
        example: Any = None,
    ) -> None:
        self.network = network
        self.seed = seed
        self.loss = loss
        self.sample_losses = sample_losses
        self._example = example
        # What later rounds of the same selection use again; None outside of rounds.
        self._leaves: dict[ScalarFunction, Leaves] | None = None
        self._networks: dict[ScalarFunction, Network] = {}
        self._gradients: dict[ScalarFunction, tuple[Weights, Weights]] = {}
        self._read: dict[ScalarFunction | None, dict[str, tuple[Tensor, int]]] = {}
        self._note({**dict(network.model.named_parameters()), **dict(network.model.named_buffers())})
        self._receive(batches)

    def _receive(self, batches: Sequence[Batch]) -> None:
        network = self.network
        self._batches = list(batches)
        self._first = None if not batches else moved(batches[0], network.device, network.dtype)
        pair = pair_of(self._first)
        if pair is not None and isinstance(pair[0], Tensor):
            self._note({"the images": pair[0], "the labels": pair[1]})
        else:
            tensors = tensors_in(self._first)
            self._note({f"tensor {place} of the batch": tensor for place, tensor in enumerate(tensors)})

    def in_round(
        self,
        mask: Mapping[str, Tensor],
        removed: Mapping[str, Tensor] | None,
        *,
        revive: bool = False,
        batches: Sequence[Batch] | None = None,
    ) -> "Problem":
        """The same problem on the masked network, in a later round of the same selection.

        What does not depend on the mask is computed in the first of these rounds only. The problem of the
        round before is not used any more: its gradients are freed, and its weights change.

        Args:
            mask: The weights that are left, a boolean tensor per parameter.
            removed: The places, in their flattened parameter, of the weights that the round before had and
                this one lacks; None if weights have come back.
            revive: See `Network.with_mask`.
            batches: Other batches than those of the round before; None for the same.

        Returns:
            The problem.
        """
        if self._leaves is None or removed is None:
            self._leaves = {}
        for leaves in self._leaves.values():
            leaves.narrow(removed or {})
        later = copy.copy(self)
        later.network = self.network.with_mask(mask, revive=revive)
        later._gradients = {}
        later._read = {None: dict(self._read[None])}
        if batches is not None:
            later._receive(batches)
        return later

    @property
    def count(self) -> int:
        """The number of batches, at least 1.

        Raises:
            InputError: There is none.
        """
        if not self._batches:
            raise InputError("this needs data: write batches=, e.g. (inputs, labels) or a list of batches")
        return len(self._batches)

    def batch(self, number: int = 0) -> Batch:
        """A batch on the network's device, in the type of its weights.

        Args:
            number: From 0 to `count` - 1.

        Returns:
            The batch, which other scores read, too.
        """
        assert 0 <= number < self.count
        if number == 0:
            return self._first
        return moved(self._batches[number], self.network.device, self.network.dtype)

    def pair(self, number: int = 0) -> tuple[Any, Tensor]:
        """A batch as inputs and labels.

        Args:
            number: From 0 to `count` - 1.

        Returns:
            The inputs, and N >= 1 class numbers of shape (N,).

        Raises:
            InputError: The batch is something else.
        """
        batch = self.batch(number)
        pair = pair_of(batch)
        if pair is None:
            raise InputError(
                f"batch {number} is {described_batch(batch)}, not (inputs, labels): write such a tuple, or a"
                " loss, e.g. loss=lambda model, batch: model(**batch).loss"
            )
        images, labels = pair
        size = len(images) if isinstance(images, Tensor) and images.ndim else len(labels)
        if labels.ndim != 1 or not 0 < len(labels) == size:
            shape = f" of shape {tuple(images.shape)}" if isinstance(images, Tensor) else ""
            raise InputError(
                f"images{shape} with labels of shape {tuple(labels.shape)}:"
                " pass N >= 1 images and N labels, or another loss"
            )
        return images, labels

    @property
    def images(self) -> Any:
        """The inputs of the first batch: of a trial, shape (N, channels, height, width)."""
        return self.pair()[0]

    @property
    def labels(self) -> Tensor:
        """The labels of the first batch, class numbers of shape (N,)."""
        return self.pair()[1]

    @property
    def example(self) -> Any:
        """An input of the network: what the caller gives, or else the inputs of the first batch.

        These are a tensor itself, the first entry of a tuple, or a Mapping without its labels.

        Raises:
            InputError: There is neither an example nor a batch.
        """
        if self._example is not None:
            return moved(self._example, self.network.device, self.network.dtype)
        if not self._batches:
            raise InputError("this needs an input: write example=, e.g. example=torch.zeros(1, 3, 224, 224)")
        return inputs_of(self._first)

    def gradient(self, functional: ScalarFunction) -> tuple[Weights, Weights]:
        """The gradient of a functional, and the weights by which scores multiply it.

        Computed once per functional: SNIP and gradient share one backward pass.

        Args:
            functional: F.

        Returns:
            dF/dtheta and theta by parameter name, in F's precision; dF/d|theta| and |theta| for a functional
            `of_magnitudes`. The gradient is zero where F does not depend on a weight.
        """
        if functional not in self._gradients:
            gradients, weights = self._differentiate(functional)
            self._gradients[functional] = gradients, weights
            kind = type(functional).__name__
            self._note(gradients, f"the gradient of {kind} in {{}}", functional)
            self._note(weights, f"the copy for {kind} of {{}}", functional)
        return self._gradients[functional]

    def forget(self, needed: Collection[object]) -> None:
        """Free the memory of the gradients of all functions but some; they are computed again if needed.

        Args:
            needed: The functions whose gradients are kept.
        """
        for functional in [each for each in self._gradients if each not in needed]:
            del self._gradients[functional], self._read[functional]

    def changed(self) -> list[str]:
        """What was changed in place since it was made, of the tensors that all scores of a call read."""
        every = {name: pair for read in self._read.values() for name, pair in read.items()}
        return [name for name, (tensor, version) in every.items() if tensor._version != version]

    def _note(
        self, tensors: Mapping[str, Tensor], what: str = "{}", of: ScalarFunction | None = None
    ) -> None:
        read = self._read.setdefault(of, {})
        read |= {what.format(name): (tensor, tensor._version) for name, tensor in tensors.items()}

    def own_memory(self) -> set[int]:
        """The addresses of the weights' memory, which no score's values may share."""
        weights = self.network.weights
        tensors = list(self.network.whole.values())
        tensors += weights.computed.values() if isinstance(weights, MaskedWeights) else []
        for leaves in (self._leaves or {}).values():
            tensors += leaves.weights.values()
        return {tensor.untyped_storage().data_ptr() for tensor in tensors}

    def _differentiate(self, functional: ScalarFunction) -> tuple[Weights, Weights]:
        network = self.network
        dtype = torch.float64 if functional.precision == "float64" else network.dtype
        if functional not in self._networks:
            self._networks[functional] = functional.prepared(network.without_mask().to(dtype))
        prepared = replace(
            self._networks[functional], weights=network.weights, scored=network.scored, masked=network.masked
        )
        kept = (self._leaves or {}).get(functional)
        leaves = kept or Leaves(network.weights, dtype, of_magnitudes=functional.of_magnitudes)
        weights = leaves.weights
        wide = InDouble() if functional.precision == "float64" else nullcontext()
        run = functional.context(prepared)
        setting = Setting(prepared, weights, self, dtype)
        with isolated(network.model, functional.normalisation, self.seed), wide, run:
            gradients = prepared.holding(weights, lambda: functional.gradient(setting))
        if self._leaves is not None:
            self._leaves.pop(functional, None)
            if leaves.intact(network.weights if kept is None else None):
                self._leaves[functional] = leaves
        found = dict(zip(weights, gradients, strict=True))
        through = {name: gradient.detach() for name, gradient in found.items() if name in leaves.reached}
        if complaint := functional.complaint(network, weights, through):
            raise InputError(complaint)
        converted = functional.of_magnitudes or any(w.dtype != dtype for w in network.whole.values())
        same = converted or functional in (self._leaves or {})  # as what the network was run with
        if same and network.scored is network.weights:
            return found, {name: leaf.detach() for name, leaf in weights.items()}
        if converted:
            return found, values_of(network.scored, dtype, of_magnitudes=functional.of_magnitudes)
        return found, dict(network.scored)  # no copy: it would take as much memory as the network


def pose(
    model: nn.Module,
    batch: Any,
    seed: int,
    mask: Mapping[str, Tensor] | None = None,
    *,
    prunable: str = "weights",
    weight_names: Collection[str] | None = None,
    revive: bool = False,
    loss: Loss | None = None,
    sample_losses: SampleLosses | None = None,
    example: Any = None,
) -> Problem:
    """The problem of scoring a model on one batch or several.

    Args:
        model: The model.
        batch: One batch or several, see `cops_core.scores.batches.batches_of`; None if no score needs one.
        seed: The trial's, in [0, 2**32).
        mask: See `network_of`.
        prunable: A key of `cops_core.prunable.PRUNABLE`.
        weight_names: See `network_of`.
        revive: See `Network.scored`.
        loss: See `Problem`.
        sample_losses: See `Problem`.
        example: See `Problem`.

    Returns:
        The problem.

    Raises:
        InputError: There is no batch in `batch`, or see `network_of`.
    """
    network = network_of(model, mask, prunable=prunable, weight_names=weight_names, revive=revive)
    batches = [] if batch is None else batches_of(batch)
    return Problem(network, batches, seed, loss=loss, sample_losses=sample_losses, example=example)
