"""A model as a pure function of its maskable weights."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cops_core.errors import InputError, lookup
from cops_core.prunable import PRUNABLE, maskable
from cops_core.scores.batches import cloned

Weights = Mapping[str, Tensor]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Network:
    """A model as a function of weights, `output(weights, inputs)`, on clones: `model` is never changed.

    Attributes:
        model: The model.
        whole: The prunable parameters in `named_parameters` order, as the model has them.
        weights: theta, the same parameters, zero outside the mask.
        scored: The weights by which a score multiplies gradients: `weights`, or those of the unmasked
            network if removed weights may come back.
        rest: All other parameters and the buffers.
        biases: The names in `rest` of biases of maskable layers.
        masked: Whether there is a mask.
    """

    model: nn.Module
    whole: Weights
    weights: Weights
    scored: Weights
    rest: Mapping[str, Tensor]
    biases: frozenset[str]
    masked: bool = False

    @property
    def device(self) -> torch.device:
        """The device of the first weight, to which inputs are moved."""
        return next(iter(self.whole.values())).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the first weight, which floating point inputs have."""
        return next(iter(self.whole.values())).dtype

    def output(self, weights: Weights, inputs: Any) -> Any:
        """What the model returns. The caller enters `isolated` first.

        Args:
            weights: Values of the prunable parameters.
            inputs: A tensor, of shape (N, ...); a tuple of several arguments; or a Mapping of arguments by
                name.

        Returns:
            Anything, for N inputs.
        """
        # Clones for every run: batch norm changes its running statistics in place, a network its inputs.
        own = cloned(inputs)
        if isinstance(own, Mapping):
            return self.holding(weights, lambda: self.model(**own))
        if type(own) is tuple:
            return self.holding(weights, lambda: self.model(*own))
        return self.holding(weights, lambda: self.model(own))

    def logits(self, weights: Weights, images: Any) -> Tensor:
        """The model's output as one tensor; see `output` for the arguments.

        Returns:
            Logits of shape (N, classes): the output itself, or its entry `logits`.

        Raises:
            InputError: The output is neither a tensor nor has one called `logits`.
        """
        output = self.output(weights, images)
        logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
        if not isinstance(logits, Tensor):
            raise InputError(
                f"the network returns an object of type {type(output).__name__}, not a tensor of logits:"
                " write a loss, e.g. loss=lambda model, batch: model(**batch).loss"
            )
        return logits

    def holding(self, weights: Weights, act: Callable[[], Result]) -> Result:
        """Call a function while the model itself has these weights.

        Checkpointed layers run again in the backward pass, and read the model's tensors there.

        Args:
            weights: Values of the prunable parameters.
            act: Called without arguments.

        Returns:
            Its result.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self._tensors(weights).items()}
        result: Result = torch.func.functional_call(_Holder(self.model, act), tensors, ())
        return result

    def _tensors(self, weights: Weights) -> dict[str, Tensor]:
        return {**{name: tensor.clone() for name, tensor in self.rest.items()}, **weights}

    def to(self, dtype: torch.dtype) -> "Network":
        """The same network, with all tensors in `dtype` except the prunable parameters."""
        rest = {name: t.to(dtype) if t.is_floating_point() else t for name, t in self.rest.items()}
        return replace(self, rest=rest)

    def with_mask(self, mask: Mapping[str, Tensor], *, revive: bool = False) -> "Network":
        """The same network, its prunable parameters zero outside a mask.

        Args:
            mask: A boolean tensor per prunable parameter, of its shape, on any device.
            revive: Whether removed weights may come back, see `scored`.

        Returns:
            The network.

        Raises:
            InputError: The mask belongs to another network.
        """
        check_mask(mask, self.whole)
        weights = MaskedWeights(self.whole, mask)
        return replace(self, weights=weights, scored=self.whole if revive else weights, masked=True)

    def without_mask(self) -> "Network":
        """The same network, its prunable parameters as the model has them."""
        return replace(self, weights=self.whole, scored=self.whole, masked=False)

    def without_biases(self) -> "Network":
        """The same network, with the biases of its maskable layers set to zero."""
        zeros = {name: torch.zeros_like(self.rest[name]) for name in self.biases}
        return replace(self, rest={**self.rest, **zeros})


class MaskedWeights(Mapping[str, Tensor]):
    """Weights that are zero outside a mask, each computed when it is first read: many scores read none.

    Args:
        whole: The weights without the mask.
        mask: A boolean tensor per weight, of its shape; it does not change while this is used.

    Attributes:
        computed: Those that have been read.
    """

    def __init__(self, whole: Weights, mask: Mapping[str, Tensor]) -> None:
        self._whole = whole
        self._mask = mask
        self.computed: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.computed:
            whole = self._whole[name]
            self.computed[name] = whole.masked_fill(~self._mask[name].to(whole.device), 0)
        return self.computed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)


class _Holder(nn.Module):
    """A model inside a module whose forward is any function."""

    def __init__(self, model: nn.Module, act: Callable[[], Any]) -> None:
        super().__init__()
        self.model = model
        self._act = act

    def forward(self) -> Any:
        """The function's result."""
        with _recurrent_weights(self.model):
            return self._act()


@contextmanager
def _recurrent_weights(model: nn.Module) -> Iterator[None]:
    """A context in which recurrent layers read the tensors that they have now.

    They keep a list of their weights, which does not change when others are put in their place.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.RNNBase)]
    before = [layer._flat_weights for layer in layers]
    try:
        for layer in layers:
            layer._flat_weights = [getattr(layer, name, None) for name in layer._flat_weights_names]
        yield
    finally:
        for layer, weights in zip(layers, before, strict=True):
            layer._flat_weights = weights


def network_of(
    model: nn.Module,
    mask: Mapping[str, Tensor] | None = None,
    *,
    prunable: str = "weights",
    weight_names: Collection[str] | None = None,
    revive: bool = False,
) -> Network:
    """The network of a model, its prunable parameters zero outside the mask.

    Parameters without gradient (requires_grad=False) count like others; a shared one appears once, under its
    first name.

    Args:
        model: The model.
        mask: A boolean tensor per prunable parameter, of its shape, on any device; None keeps all.
        prunable: A key of `cops_core.prunable.PRUNABLE`.
        weight_names: The prunable parameters, by their first name, instead of those of `prunable`.
        revive: Whether removed weights may come back, see `Network.scored`.

    Returns:
        The network.

    Raises:
        InputError: The model has nothing prunable, or the mask belongs to another network.
    """
    every = dict(model.named_parameters())
    parameters = lookup("prunable part", prunable, PRUNABLE)(model)
    if weight_names is not None:
        parameters = {name: parameter for name, parameter in every.items() if name in weight_names}
    whole = {name: parameter.detach() for name, parameter in parameters.items()}
    if not whole:
        raise InputError(f"the model has no {prunable} to score: add a convolution or linear layer")
    tensors = {**every, **dict(model.named_buffers())}
    rest = {name: tensor.detach() for name, tensor in tensors.items() if name not in whole}
    biases = _biases(model, [*maskable(model).values(), *parameters.values()])
    biases &= set(rest)
    network = Network(model, whole, whole, whole, rest, frozenset(biases))
    return network if mask is None else network.with_mask(mask, revive=revive)


def _biases(model: nn.Module, weights: Iterable[nn.Parameter]) -> set[str]:
    """The names of the biases of the layers that have these weights: `bias`, `in_proj_bias`, `bias_ih`."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    owners = {id(weight) for weight in weights}
    return {
        names[id(bias)]
        for module in model.modules()
        if any(id(weight) in owners for weight in module._parameters.values())
        for kind, bias in module._parameters.items()
        if kind.startswith(("bias", "in_proj_bias")) and id(bias) in names
    }


def check_mask(mask: Mapping[str, Tensor], weights: Weights) -> None:
    """Check that a mask fits a network.

    Args:
        mask: Boolean tensors by parameter name.
        weights: The network's prunable parameters.

    Raises:
        InputError: Names or shapes differ.
    """
    shapes = {name: tuple(layer.shape) for name, layer in mask.items()}
    expected = {name: tuple(weight.shape) for name, weight in weights.items()}
    if shapes != expected:
        name = next(n for n in [*expected, *shapes] if shapes.get(n) != expected.get(n))
        raise InputError(
            f"the mask has {shapes.get(name, 'nothing')} at {name!r} where the model has"
            f" {expected.get(name, 'nothing')}: pass a mask of this model"
        )
