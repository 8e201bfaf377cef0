"""Which weights of any network may be removed, and why others may not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from cops_core.errors import InputError, did_you_mean, listed

Pattern = str | type[nn.Module]
Patterns = Pattern | Sequence[Pattern]

ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
KINDS: Mapping[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: ("weight",),
    nn.modules.conv._ConvNd: ("weight",),
    nn.MultiheadAttention: ATTENTION,
    nn.RNNCellBase: ("weight_ih", "weight_hh"),
}
"""The weights of each kind of layer."""

EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)

FROZEN = "frozen, requires_grad is False"
EMBEDDED = "an embedding: name it in include, e.g. include=[nn.Linear, nn.Embedding]"
RECURRENT = "a recurrent layer keeps its weights in a block of its own: write cells, e.g. nn.LSTMCell"
MADE = "computed by a parametrization, e.g. weight_norm: remove that first"
HOOKED = "computed before each run, e.g. by the old weight_norm or spectral_norm: remove that first"
QUANTISED = "quantised"
LEFT_OUT = "not in include"
EXCLUDED = "in exclude"


@dataclass(frozen=True)
class Candidates:
    """The weights of a network that a mask may remove.

    Attributes:
        weights: By name, in `named_parameters` order. A tied weight appears once, under its first name.
        skipped: The other weights of layers, and why none of them is removed, in words.
    """

    weights: Mapping[str, nn.Parameter]
    skipped: Mapping[str, str]

    @property
    def size(self) -> int:
        """D, the number of all weights."""
        return sum(weight.numel() for weight in self.weights.values())


@dataclass(frozen=True)
class _Weight:
    """A tensor that a layer uses as its weight.

    Attributes:
        names: All of its names; the first one is that of `named_parameters`.
        owners: The layers that have it, and the modules around them, as (name, module).
        layers: The layers themselves.
        tensor: The parameter; None if the layer has none of that name.
        known: Whether one of the layers is of a known kind.
        reason: Why it cannot be removed, or None.
    """

    names: Sequence[str]
    owners: Sequence[tuple[str, nn.Module]]
    layers: Sequence[nn.Module]
    tensor: nn.Parameter | None
    known: bool
    reason: str | None

    @property
    def embedded(self) -> bool:
        return any(isinstance(layer, EMBEDDINGS) for layer in self.layers)

    def matches(self, pattern: Pattern) -> bool:
        """Whether a pattern means this weight."""
        if isinstance(pattern, str):
            names = [*self.names, *(name for name, _ in self.owners)]
            return any(fnmatchcase(name, pattern) for name in names)
        return any(isinstance(module, pattern) for _, module in self.owners)

    def is_named_by(self, pattern: Pattern) -> bool:
        """Whether a pattern means this weight alone, or its layer: not all that is inside something."""
        if isinstance(pattern, str):
            return pattern in self.names or (self.embedded and self.matches(pattern) and "*" not in pattern)
        return self.embedded and issubclass(pattern, EMBEDDINGS) and self.matches(pattern)


def candidates(
    model: nn.Module, include: Patterns | None = None, exclude: Patterns | None = None
) -> Candidates:
    """The weights that a mask may remove.

    These are the weights of linear layers and convolutions (also transposed, grouped and depthwise ones), of
    attention (`in_proj_weight`), of recurrent cells, and of transformers' `Conv1D`. Embeddings, also those
    that are tied to a linear layer, are candidates only if `include` names them. Biases and the parameters of
    normalisation layers are always trained. A weight that the network does not use is a candidate.

    Args:
        model: The network.
        include: Only these weights. A pattern is a parameter's name, a module's name (all weights inside), a
            glob of either, e.g. "encoder.*", or a type of module, e.g. nn.Linear (all weights inside of such
            modules). One pattern or a sequence. The exact name of any parameter with two dimensions or more
            makes it a candidate, also in a layer of another kind.
        exclude: Not these weights; the same patterns.

    Returns:
        The candidates, and the other weights with the reason.

    Raises:
        InputError: A pattern is not one, or matches no weight; or layers are still lazy.
    """
    including, excluding = _patterns("include", include), _patterns("exclude", exclude)
    exact = [pattern for pattern in including if isinstance(pattern, str)]
    found = _weights(model, exact)
    weights: dict[str, nn.Parameter] = {}
    skipped: dict[str, str] = {}
    for weight in found:
        reason = _reason(weight, including if include is not None else None, excluding)
        if reason is None and weight.tensor is not None:
            weights[weight.names[0]] = weight.tensor
        elif reason is not None:
            skipped[weight.names[0]] = reason
    for pattern in including:
        _check_used("include", pattern, found, skipped)
    for pattern in excluding:
        _check_used("exclude", pattern, found, {})
    return Candidates(weights, skipped)


def _reason(weight: _Weight, including: Sequence[Pattern] | None, excluding: Sequence[Pattern]) -> str | None:
    """Why a weight is not a candidate; None if it is."""
    if weight.reason is not None:
        return weight.reason
    if any(weight.matches(pattern) for pattern in excluding):
        return EXCLUDED
    if weight.embedded:
        named = including is not None and any(weight.is_named_by(pattern) for pattern in including)
        return None if named else EMBEDDED
    if including is not None and not any(weight.matches(pattern) for pattern in including):
        return LEFT_OUT
    return None


def _weights(model: nn.Module, exact: Sequence[str]) -> list[_Weight]:
    """All weights of known layers, and the parameters with these names, in `named_parameters` order."""
    modules = dict(model.named_modules(remove_duplicate=False))
    parameters = list(model.named_parameters(remove_duplicate=False))
    if lazy := [name for name, parameter in parameters if is_lazy(parameter)]:
        raise InputError(f"{listed(lazy)} have no values yet: run one batch through the network first")
    aliases: dict[int, list[str]] = {}
    for name, parameter in parameters:
        aliases.setdefault(id(parameter), []).append(name)
    kinds = {name for path, module in modules.items() for name in _names(path, module)}
    found = []
    for names in aliases.values():
        tensor = model.get_parameter(names[0])
        known = bool(kinds & set(names))
        if not known and not set(names) & set(exact):
            continue
        owners = {path: modules[path] for name in names for path in _around(name)}
        layers = [modules[name.rpartition(".")[0]] for name in names]
        if tensor.numel():
            reason = _unusable(tensor, layers)
            found.append(_Weight(names, list(owners.items()), layers, tensor, known, reason))
    taken = {name for weight in found for name in weight.names}
    for name in sorted(kinds - taken, key=list(kinds).index):
        path, _, leaf = name.rpartition(".")
        reason = _missing(modules[path], leaf)
        if reason is not None:
            owners = {above: modules[above] for above in _around(name)}
            found.append(_Weight([name], list(owners.items()), [modules[path]], None, True, reason))
    return found


def _names(path: str, module: nn.Module) -> Iterator[str]:
    """The names of the weights that a layer of a known kind should have."""
    prefix = f"{path}." if path else ""
    for kind, names in KINDS.items():
        if isinstance(module, kind):
            yield from (prefix + name for name in names)
    if isinstance(module, EMBEDDINGS) or is_transformers_conv1d(module) or _is_quantised(module):
        yield f"{prefix}weight"
    if isinstance(module, nn.RNNBase):
        yield from (prefix + name for name in module._flat_weights_names if name.startswith("weight"))


def is_transformers_conv1d(module: nn.Module) -> bool:
    """Whether this is the linear layer of GPT-2: weight of shape (in, out), nf outputs."""
    weight = module._parameters.get("weight")
    return (
        type(module).__name__ == "Conv1D"
        and isinstance(weight, Tensor)
        and weight.ndim == 2
        and getattr(module, "nf", None) == weight.shape[1]
    )


def _is_quantised(module: nn.Module) -> bool:
    return ".quantized" in type(module).__module__ and hasattr(module, "weight")


def _unusable(tensor: nn.Parameter, layers: Sequence[nn.Module]) -> str | None:
    """Why no value of a parameter can be removed, or None."""
    if any(isinstance(layer, nn.RNNBase) for layer in layers):
        return RECURRENT
    if any(type(layer).__name__ == "ParametrizationList" for layer in layers):
        return MADE
    if tensor.is_complex():
        return "complex numbers"
    if not tensor.is_floating_point():
        return f"{QUANTISED}: its values are {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.layout != torch.strided:
        return f"its layout is {str(tensor.layout).removeprefix('torch.')}"
    if tensor.is_meta:
        return "on the meta device, without values"
    if tensor.ndim < 2:
        return "one dimension, e.g. a bias or a gain"
    return None if tensor.requires_grad else FROZEN


def _missing(module: nn.Module, leaf: str) -> str | None:
    """Why a layer has no parameter of this name; None if it needs none."""
    if parametrize.is_parametrized(module, leaf):
        return MADE
    if _is_quantised(module):
        return QUANTISED
    if isinstance(module, nn.RNNBase):
        return RECURRENT
    if leaf in ATTENTION or leaf in module._parameters:  # None, where other weights are used, or no value
        return None
    return HOOKED


def _around(name: str) -> Iterator[str]:
    """The names of the modules that a parameter is in, the innermost first; the root's is empty."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _patterns(argument: str, given: Patterns | None) -> list[Pattern]:
    """The patterns of an argument."""
    if given is None:
        return []
    several = [given] if isinstance(given, str | type) else given
    if not isinstance(several, Sequence) or not all(isinstance(p, str | type) for p in several):
        raise InputError(
            f"{argument} {given!r} is not a name, a glob, a type of module or a list of these: write e.g."
            f' {argument}=["encoder.*", nn.Linear]'
        )
    for pattern in several:
        if isinstance(pattern, type) and not issubclass(pattern, nn.Module):
            raise InputError(f"{argument} {pattern.__name__} is not a type of module: write e.g. nn.Linear")
    return list(several)


def _check_used(
    argument: str, pattern: Pattern, weights: Sequence[_Weight], skipped: Mapping[str, str]
) -> None:
    """Refuse a pattern that means no weight, or, of `include`, only some that cannot be removed."""
    meant = [weight for weight in weights if weight.matches(pattern)]
    text = repr(pattern) if isinstance(pattern, str) else pattern.__name__
    if not meant:
        near = ""
        if isinstance(pattern, str):
            names = {name for weight in weights for name in weight.names}
            names |= {name for weight in weights for name, _ in weight.owners if name}
            near = did_you_mean(pattern, names)
        raise InputError(
            f"{argument} {text} matches no weight{near or ': write the name or type of a layer'}"
        )
    reasons = [skipped.get(weight.names[0]) for weight in meant]
    if argument == "include" and all(reason not in (None, EXCLUDED) for reason in reasons):
        raise InputError(f"include {text} matches only {listed(w.names[0] for w in meant)}: {reasons[0]}")
