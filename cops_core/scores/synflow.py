"""SynFlow: weights that carry much of the flow from input to output are kept. It uses no data."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from cops_core.errors import InputError, listed
from cops_core.scores.batches import ones_of, tensors_in
from cops_core.scores.functional import Functional, Precision
from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.linear_parts import LinearParts
from cops_core.scores.network import Network, Weights
from cops_core.scores.own_norms import norms_as_gain

BIASES = ("bias", "in_proj_bias")
ROUNDING = 1e-9  # of a layer's largest gradient


@dataclass(frozen=True)
class SynapticFlow(Functional):
    """R(theta) = 1' (prod_l |theta^l|) 1: the sum of the outputs of |theta| for one input of ones.

    In float64: R grows with the product of all layers' widths. Biases are zero. Parameters that are not
    scored (position embeddings, class tokens, learned scales, excluded layers) have their magnitude, so that
    nothing cancels. Indices are embedded as ones.

    Batch norm is a fixed map (eval mode, its own parameters as they are). Other normalisation counts as its
    gain and softmax as its linear part, see `LinearParts` and `norms_as_gain`.

    Activations stay as they are. With ReLU, its leaky variants, linear ones and pooling R is homogeneous in
    the weights of each layer, and the scores of all layers that all flow passes have the same sum. GELU, SiLU
    and hardswish are nearly the identity for large inputs: this is then nearly true. Tanh, sigmoid,
    hardsigmoid and ReLU6 saturate: what comes before them carries little flow, or none, which is refused.
    """

    needs_data: ClassVar[bool] = False
    needs_second_derivative: ClassVar[bool] = False
    of_magnitudes: ClassVar[bool] = True
    precision: ClassVar[Precision] = "float64"

    @property
    def normalisation(self) -> NormalisationMode:
        """Fixed maps."""
        return "eval"

    def prepared(self, network: Network) -> Network:
        """Magnitudes, and no biases, see `ScalarFunction.prepared`."""
        return _of_magnitudes(network)

    @contextmanager
    def context(self, network: Network) -> Iterator[None]:
        """Linear parts, see `ScalarFunction.context`."""
        with norms_as_gain(network.model), LinearParts():
            yield

    def value(self, network: Network, weights: Weights, images: Any, labels: Tensor) -> Tensor:
        """R at `weights`, which are |theta|; of real inputs only the shape matters. See `Functional.value`.

        Raises:
            InputError: The network returns no tensor of real numbers.
        """
        return _first_output(network.output(weights, ones_of(images))).sum()

    def complaint(self, network: Network, weights: Weights, gradients: Weights) -> str | None:
        """Which layers have negative flow, or none; see `ScalarFunction.complaint`.

        Args:
            network: The network.
            weights: |theta|.
            gradients: dR/d|theta| of the layers that R depends on.

        Returns:
            The message, None if flow passes each layer.
        """
        if embeddings := [name for name in weights if name not in gradients and _is_embedding(network, name)]:
            return (
                f"SynFlow has no flow through the embedding {listed(embeddings)}, since ones go in behind it:"
                " exclude it, or write another score"
            )
        bounds = {name: gradient.aminmax() for name, gradient in gradients.items()}
        # A mask may disconnect layers, and adds no flow: then this needs no further pass over all weights.
        if not network.masked or not all(bool(high.isfinite()) for _, high in bounds.values()):
            # Nothing cancels, so a layer whose scores are all zero is one whose sum is.
            sums = {
                name: torch.vdot(gradient.flatten(), weights[name].detach().flatten())
                for name, gradient in gradients.items()
            }
            broken = [name for name, total in sums.items() if not total.isfinite()]
            if broken and all(bool(weight.isfinite().all()) for weight in weights.values()):
                return (
                    f"SynFlow overflows float64 in {listed(broken)}: it grows with the product of all widths,"
                    " and each layer that multiplies two signals (a gate) squares it; write another score"
                )
        negative = [n for n, (low, high) in bounds.items() if low < -ROUNDING * torch.maximum(high, -low)]
        if negative and not _has_signed_norms(network.model):
            return (
                f"SynFlow is negative in {listed(negative)}: a function behind it normalises, subtracts or"
                " decreases; write a norm of torch there, exclude these layers, or write another score"
            )
        empty = [] if network.masked else [name for name, total in sums.items() if total == 0]
        if empty:
            return (
                f"SynFlow is zero for every weight of {listed(empty)}: the flow ends where an activation"
                " saturates (sigmoid, tanh, ReLU6), or at weights or gains of zero; exclude these layers, or"
                " write another score"
            )
        return None


SYNFLOW = GeneralizedSynapticScore(SynapticFlow(), p=1, r=1, published_rounds=100)
"""omega = |dR/dtheta| * |theta|.

Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic
flow" (arXiv 2006.05467): S = dR/dtheta * theta, never negative. Designed for 100 rounds: in one shot it
removes whole layers.
"""


def _first_output(output: Any) -> Tensor:
    """The output itself, its entry `logits`, or its first tensor of real numbers."""
    found = [getattr(output, "logits", None), *tensors_in(output)]
    for tensor in found:
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            return tensor
    raise InputError(
        f"the network returns an object of type {type(output).__name__} without a tensor of real numbers:"
        " write another score"
    )


def _of_magnitudes(network: Network) -> Network:
    """The network with the magnitudes of what is not scored, without biases; batch norm's own are kept."""
    parameters = dict(network.model.named_parameters())
    rest = dict(network.rest)
    for prefix, module in network.model.named_modules():
        if isinstance(module, _NormBase):
            continue
        for own in module._parameters:
            name = f"{prefix}.{own}" if prefix else own
            if name in rest and name in parameters:
                rest[name] = torch.zeros_like(rest[name]) if own.startswith(BIASES) else rest[name].abs()
    return replace(network, rest=rest).without_biases()


def _has_signed_norms(model: nn.Module) -> bool:
    """Whether a batch norm, trained already, can change signs."""
    norms = [module for module in model.modules() if isinstance(module, _NormBase)]
    own: list[Tensor] = [
        tensor for norm in norms for tensor in (norm.weight, norm.bias) if tensor is not None
    ]
    own += [-norm.running_mean for norm in norms if norm.running_mean is not None]
    return any(bool((tensor < 0).any()) for tensor in own)


def _is_embedding(network: Network, name: str) -> bool:
    owner = network.model.get_submodule(name.rpartition(".")[0])
    return isinstance(owner, nn.Embedding | nn.EmbeddingBag)
