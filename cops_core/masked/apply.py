"""Mask a model in place, and make it plain again."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cops_core.arms import Scale
from cops_core.errors import InputError
from cops_core.masked.draws import noted_draw
from cops_core.masked.kept_weights import KeptWeights
from cops_core.masked.products import SparseProducts, is_plain, pays
from cops_core.masked.states import guard_states
from cops_core.masked.view import attributes, check_plain, masked_list, masked_weights, places_of_parameters
from cops_core.tensor_bytes import type_name


def apply_mask(model: nn.Module, mask: Mapping[str, Tensor], scale: Scale) -> nn.Parameter | None:
    """Mask weights of a model, in place: it stays the same `nn.Module`.

    A weight that several modules share is masked once, for all of them. Plain linear layers with few kept
    weights compute their products from these alone.

    Args:
        model: The model with theta0 as its weights, not masked yet.
        mask: Booleans by parameter name. Other parameters stay as they are.
        scale: Of theta0 outside the mask.

    Returns:
        The scale as a parameter if it decays.

    Raises:
        InputError: A name or a shape that the model does not have, or a model that is masked already.
    """
    _check(model, mask)
    users = places_of_parameters(model)
    factor = _parameter_of(scale, model) if scale.decays else None
    # In the model's order: that of `parameters()`, by which an optimizer's state is loaded, depends on it.
    for name in [name for name, _ in model.named_parameters() if name in mask]:
        weight, keep = model.get_parameter(name), mask[name]
        places = users[id(weight)]
        layer, _ = places[0]
        plain = len(places) == 1 and is_plain(layer) and pays(weight, int(keep.sum()))
        kept = KeptWeights(weight, keep, scale.start, factor)
        if plain:
            zero = scale.start == 0 and not scale.decays
            kept.products = SparseProducts(kept.places, kept.shape, weight, zero)
        kept.draw = next((draw for place in places if (draw := noted_draw(*place))), None)
        kept.hooks = list((weight._backward_hooks or {}).values())
        (weight._backward_hooks or {}).clear()
        for number, (module, attribute) in enumerate(places):
            place = attributes(module).index(attribute)
            parametrize.register_parametrization(module, attribute, kept, unsafe=True)
            masked = masked_list(module, attribute)
            assert masked is not None
            # The same parameter for all modules that share it.
            masked.original = weight
            masked.place = place  # type: ignore[assignment]
            masked.guards = guard_states(module, attribute, number)  # type: ignore[assignment]
        if plain:
            type(layer).forward = _linear  # the class is this module's alone since it is parametrised
        weight.grad = None  # it has the plain weight's shape
        kept.own(weight)
    return factor


def materialize(model: nn.Module) -> nn.Module:
    """Make a masked model plain again, in place: every weight is a parameter with theta as its values.

    An optimizer that was made before then has states of other shapes: make a new one.

    Args:
        model: The model; one that is not masked stays as it is.

    Returns:
        The model.
    """
    for masked in masked_weights(model).values():
        for number, (module, attribute) in enumerate(masked.places):
            names = attributes(module)
            entry = masked_list(module, attribute)
            assert entry is not None
            for handle in entry.guards:  # type: ignore[union-attr]
                handle.remove()
            # Copies share their class, from which torch removes the property: give this module its own.
            parametrised = type(module)
            module.__class__ = type(parametrised.__name__, parametrised.__bases__, dict(vars(parametrised)))
            parametrize.remove_parametrizations(module, attribute, leave_parametrized=number == 0)
            left = {name: module._parameters[name] for name in names if name in module._parameters}
            module._parameters.clear()
            module._parameters.update(left)
        masked.values.grad = None  # it has v's shape
        for hook in masked.kept.hooks:
            masked.values.register_hook(hook)  # type: ignore[no-untyped-call]
    return model


def _check(model: nn.Module, mask: Mapping[str, Tensor]) -> None:
    check_plain(model)
    if any(isinstance(module, nn.parallel.DistributedDataParallel) for module in model.modules()):
        raise InputError(
            "the model is wrapped in DistributedDataParallel already: mask it first, then wrap it"
        )
    parameters = dict(model.named_parameters())
    users = places_of_parameters(model)
    for name, keep in mask.items():
        found = tuple(parameters[name].shape) if name in parameters else "nothing"
        if found != tuple(keep.shape):
            raise InputError(
                f"the mask has {tuple(keep.shape)} at {name!r} where the model has {found}: pass a mask of"
                " this model"
            )
        if keep.dtype != torch.bool:
            raise InputError(f"the mask of {name!r} holds {type_name(keep)}: write booleans, e.g. mask != 0")
        modules = [module for module, _ in users[id(parameters[name])]]
        if reason := _unusable(parameters[name], modules):
            raise InputError(f"{name!r} cannot be masked: {reason}")


def _unusable(weight: nn.Parameter, users: Sequence[nn.Module]) -> str | None:
    """Why a parameter cannot be masked, and what to do; None if it can."""
    for module in users:
        if isinstance(module, nn.RNNBase):
            return "a recurrent layer keeps its weights in a block of its own, write cells, e.g. nn.LSTMCell"
        if isinstance(module, parametrize.ParametrizationList):
            return "it belongs to another parametrization, e.g. weight_norm, remove that first"
        if getattr(module, "max_norm", None) is not None:
            return "an embedding with max_norm changes its weight in place, build it without"
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            return "its gradients are sparse tensors, build it with sparse=False"
    if not weight.is_floating_point():
        return f"its values are {type_name(weight)}, not floating-point numbers"
    if type(weight.data) is not Tensor or weight.layout != torch.strided:
        return f"it is a {type(weight.data).__name__}, mask the plain model first, e.g. before sharding it"
    return "it is on the meta device, without values" if weight.is_meta else None


def _parameter_of(scale: Scale, model: nn.Module) -> nn.Parameter:
    """A scale as a parameter, of the weights' type and on their device."""
    like = next((each for each in model.parameters() if each.is_floating_point()), torch.empty(()))
    # Not of shape (): FSDP takes no scalars.
    return nn.Parameter(torch.tensor([scale.start], dtype=like.dtype, device=like.device))


def _linear(self: Any, input: Tensor) -> Tensor:  # noqa: A002, as in torch: it may be a keyword
    """The forward pass of a linear layer with few kept weights."""
    masked = self.parametrizations.weight
    values, kept = masked.original, masked[0]
    alone = len(masked) == 1 and not kept.hooks  # not so if a parametrization was added since
    if not (alone and kept.in_place(values) and kept.products.suit(input, values)):
        return nn.functional.linear(input, self.weight, self.bias)
    weight = None if kept.products.others_are_zero else kept.written(values)
    flat = input.reshape(-1, self.in_features)
    output: Tensor = kept.products.product(flat, values.reshape(-1), weight, kept.scale)
    if self.bias is not None:
        output = output + self.bias
    return output.reshape(*input.shape[:-1], self.out_features)
