"""Functions of torch that divide by what flows through them, replaced by their linear parts: for SynFlow.

A layer norm is the same for x and 2x, and removes a constant: behind it no flow depends on the weights.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cops_core.scores.substitutes import OF_FUNCTIONS, opened


class LinearParts(TorchFunctionMode):
    """Inside this context normalisation and attention are linear in what flows through them.

    - Layer, group, instance and RMS norm: their input times the magnitude of their gain. The bias is left
      out, like those of maskable layers: no weight in front carries it. Batch norm with running statistics is
      a fixed map already, and not changed. `normalize`: its input.
    - Softmax: its input, divided by its sum, which is a constant here. Negative entries are masked places: 0.
      So queries, keys and values all carry flow. Without the division each attention would cube what flows:
      12 layers of it overflow float64.
    - Log-softmax: its input.
    - Embeddings: ones, whatever the indices.
    - Sine and cosine of positions: those of position 0, so that rotary embeddings turn nothing.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, or its linear part."""
        kwargs = dict(kwargs or {})
        if func in OF_FUNCTIONS:
            with self:
                return opened(func)(*args, **kwargs)
        if func in RULES:
            rule, names = RULES[func]
            part = rule({**dict(zip(names, args, strict=False)), **kwargs})
            if part is not None:
                return part
        return func(*args, **kwargs)


Arguments = Mapping[str, Any]


def _trailing(arguments: Arguments) -> Tensor:
    """Layer and RMS norm: the gain has the shape of the last dimensions."""
    return _times(arguments["input"], arguments.get("weight"))


def _by_channel(arguments: Arguments) -> Tensor | None:
    """Norms with a gain per channel; None where their statistics are fixed."""
    if not arguments.get("use_input_stats", True) or not arguments.get("training", True):
        return None
    images, gain = arguments["input"], arguments.get("weight")
    return _times(images, None if gain is None else gain.reshape(-1, *[1] * (images.ndim - 2)))


def _batch_norm(arguments: Arguments) -> Tensor | None:
    return _by_channel({"training": False, **arguments})


def _times(signal: Tensor, gain: Tensor | None) -> Tensor:
    return signal.clone() if gain is None else signal * gain.abs()


def _softmax(arguments: Arguments) -> Tensor:
    scores, dim = arguments["input"], arguments.get("dim")
    return shares(scores, (0 if scores.ndim in (0, 1, 3) else 1) if dim is None else dim)


def shares(scores: Tensor, dim: int) -> Tensor:
    """The linear part of a softmax: scores divided by their sum, which is a constant.

    Args:
        scores: Of any shape; negative ones, such as -inf, are masked.
        dim: The dimension along which shares sum to 1, or to 0 if there are no positive scores.

    Returns:
        The shares, of the same shape.
    """
    kept = scores.masked_fill(scores < 0, 0)
    sums = kept.detach().sum(dim, keepdim=True)
    return kept / sums.masked_fill(sums == 0, 1)


def _attention(arguments: Arguments) -> Tensor:
    """Scaled dot product attention, see `torch.nn.functional.scaled_dot_product_attention`."""
    query, key, value = (arguments[name] for name in ("query", "key", "value"))
    if arguments.get("enable_gqa"):
        key, value = (t.repeat_interleave(query.size(-3) // t.size(-3), -3) for t in (key, value))
    scale = arguments.get("scale")
    scores = query @ key.transpose(-2, -1) * (query.size(-1) ** -0.5 if scale is None else scale)
    mask = arguments.get("attn_mask")
    if arguments.get("is_causal"):
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, 0) if mask.dtype == torch.bool else scores + mask
    mixed: Tensor = shares(scores, -1) @ value
    return mixed


def _embedding(arguments: Arguments) -> Tensor:
    indices, weight = arguments["input"], arguments["weight"]
    return torch.ones((*indices.shape, weight.shape[-1]), dtype=weight.dtype, device=indices.device)


def _bag(arguments: Arguments) -> Tensor:
    indices, weight, offsets = arguments["input"], arguments["weight"], arguments.get("offsets")
    bags = len(indices) if offsets is None else len(offsets) - bool(arguments.get("include_last_offset"))
    return torch.ones((bags, weight.shape[-1]), dtype=weight.dtype, device=indices.device)


def _position(value: float) -> Callable[[Arguments], Tensor | None]:
    """Sine or cosine of what depends on no weight."""
    return lambda arguments: (
        None if arguments["input"].requires_grad else torch.full_like(arguments["input"], value)
    )


# By function: its linear part, which may be None to leave it as it is, and the names of its arguments.
RULES: Mapping[Any, tuple[Callable[[Arguments], Tensor | None], tuple[str, ...]]] = {
    functional.layer_norm: (_trailing, ("input", "normalized_shape", "weight")),
    torch.layer_norm: (_trailing, ("input", "normalized_shape", "weight")),
    functional.rms_norm: (_trailing, ("input", "normalized_shape", "weight")),
    torch.rms_norm: (_trailing, ("input", "normalized_shape", "weight")),
    functional.group_norm: (_by_channel, ("input", "num_groups", "weight")),
    torch.group_norm: (_by_channel, ("input", "num_groups", "weight")),
    functional.instance_norm: (
        _by_channel,
        ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats"),
    ),
    functional.batch_norm: (
        _batch_norm,
        ("input", "running_mean", "running_var", "weight", "bias", "training"),
    ),
    functional.normalize: (lambda arguments: arguments["input"].clone(), ("input",)),
    functional.softmax: (_softmax, ("input", "dim")),
    torch.softmax: (_softmax, ("input", "dim")),
    Tensor.softmax: (_softmax, ("input", "dim")),
    functional.log_softmax: (lambda arguments: arguments["input"].clone(), ("input",)),
    torch.log_softmax: (lambda arguments: arguments["input"].clone(), ("input",)),
    Tensor.log_softmax: (lambda arguments: arguments["input"].clone(), ("input",)),
    functional.scaled_dot_product_attention: (
        _attention,
        ("query", "key", "value", "attn_mask", "dropout_p", "is_causal"),
    ),
    functional.embedding: (_embedding, ("input", "weight")),
    torch.embedding: (_embedding, ("weight", "input")),
    functional.embedding_bag: (_bag, ("input", "weight", "offsets")),
    **{sine: (_position(0), ("input",)) for sine in (torch.sin, Tensor.sin)},
    **{cosine: (_position(1), ("input",)) for cosine in (torch.cos, Tensor.cos)},
}
