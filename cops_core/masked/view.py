"""What a masked model's weights are, under the names that they have in the plain model."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from cops_core.errors import InputError
from cops_core.masked.kept_weights import KeptWeights

Place = tuple[nn.Module, str]


@dataclass(frozen=True)
class MaskedWeight:
    """A masked weight.

    Attributes:
        kept: How theta follows from v.
        values: v; a view of a larger parameter where a trainer has flattened all of them (FSDP1).
        places: The modules that have the weight, each with its name there.
    """

    kept: KeptWeights
    values: nn.Parameter
    places: list[Place] = field(default_factory=list)

    def theta(self) -> Tensor:
        """theta, with its gradient function."""
        theta: Tensor = self.kept(self.values)
        return theta


def masked_list(module: nn.Module, attribute: str) -> ParametrizationList | None:
    """The parametrization of a masked weight; None for any other parameter."""
    lists = getattr(module, "parametrizations", None)
    if not isinstance(lists, nn.ModuleDict) or attribute not in lists:
        return None
    entry = lists[attribute]
    return entry if isinstance(entry, ParametrizationList) and isinstance(entry[0], KeptWeights) else None


def attributes(module: nn.Module) -> list[str]:
    """The names of a module's own parameters, masked or not, in the plain module's order."""
    names = list(module._parameters)
    lists = {name: masked_list(module, name) for name in getattr(module, "parametrizations", {})}
    places = {name: int(found.place) for name, found in lists.items() if found is not None}  # type: ignore[arg-type]
    for name in sorted(places, key=lambda name: places[name]):
        names.insert(places[name], name)
    return names


def _modules(model: nn.Module, every_name: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """The plain model's modules with their paths; of those with several names the first path, or each."""
    ours = {
        id(inner)
        for module in model.modules()
        for name in getattr(module, "parametrizations", {})
        for found in [masked_list(module, name)]
        if found is not None
        for inner in (found, found[0])
    }
    named = model.named_modules(remove_duplicate=not every_name)
    return ((path, module) for path, module in named if id(module) not in ours)


def _walk(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """The plain name, module and attribute of each parameter, also of shared ones."""
    for path, module in _modules(model):
        for attribute in attributes(module):
            yield (f"{path}.{attribute}" if path else attribute), module, attribute


def places_of_parameters(model: nn.Module) -> dict[int, list[Place]]:
    """The modules that have each parameter, with its name there, by the parameter's id."""
    found: dict[int, list[Place]] = {}
    for module in model.modules():
        for attribute, parameter in module._parameters.items():
            if parameter is not None:
                found.setdefault(id(parameter), []).append((module, attribute))
    return found


def names_by_place(model: nn.Module) -> dict[tuple[int, str], str]:
    """The plain name of each module's parameters, by the module's id and the attribute.

    Args:
        model: The model, masked or not.

    Returns:
        Names; that of a parameter which modules share is its first one.
    """
    names: dict[int, str] = {}
    found = {}
    for name, module, attribute in _walk(model):
        masked = masked_list(module, attribute)
        parameter = module._parameters[attribute] if masked is None else masked.original
        found[id(module), attribute] = names.setdefault(id(parameter), name)
    return found


def parameters_by_plain_name(model: nn.Module) -> dict[str, nn.Parameter | MaskedWeight]:
    """All parameters, in the plain model's order; one that modules share under its first name only.

    Args:
        model: The model, masked or not.

    Returns:
        A parameter as it is, or what is known of a masked weight.
    """
    found: dict[str, nn.Parameter | MaskedWeight] = {}
    names: dict[int, str] = {}
    for name, module, attribute in _walk(model):
        masked = masked_list(module, attribute)
        parameter = module._parameters[attribute] if masked is None else masked.original
        if not isinstance(parameter, nn.Parameter if masked is None else Tensor):
            continue  # a bias that is None
        parameter = cast("nn.Parameter", parameter)
        first = names.setdefault(id(parameter), name)
        if masked is None:
            found.setdefault(first, parameter)
            continue
        kept = masked[0]
        assert isinstance(kept, KeptWeights)
        entry = found.setdefault(first, MaskedWeight(kept, parameter))
        if isinstance(entry, MaskedWeight):
            entry.places.append((module, attribute))
    return found


def masked_weights(model: nn.Module) -> dict[str, MaskedWeight]:
    """The masked weights, by their names in the plain model, in its order."""
    found = parameters_by_plain_name(model)
    return {name: weight for name, weight in found.items() if isinstance(weight, MaskedWeight)}


def check_plain(model: nn.Module) -> None:
    """Refuse a masked model.

    Args:
        model: The model.

    Raises:
        InputError: A weight of it is masked.
    """
    if any(
        masked_list(module, name) is not None
        for module in model.modules()
        for name in getattr(module, "parametrizations", ())
    ):
        raise InputError("the model is masked already: call cops.materialize(model) first")


def plain_parameters(model: nn.Module) -> dict[str, Tensor]:
    """The values of all parameters under their plain names, as `named_parameters` of the plain model.

    Args:
        model: The model, masked or not.

    Returns:
        Parameters as they are, and for a masked weight theta, without a gradient.
    """
    return {
        name: weight.theta().detach() if isinstance(weight, MaskedWeight) else weight
        for name, weight in parameters_by_plain_name(model).items()
    }


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """The plain model's `state_dict`: names, order and values, shared parameters under each name.

    Args:
        model: The model, masked or not.

    Returns:
        All tensors, without gradients.
    """
    whole = model.state_dict()
    state: dict[str, Tensor] = {}
    for path, module in _modules(model, every_name=True):
        prefix = f"{path}." if path else ""
        for attribute in attributes(module):
            if masked_list(module, attribute) is not None:
                state[prefix + attribute] = getattr(module, attribute).detach()
            elif prefix + attribute in whole:
                state[prefix + attribute] = whole[prefix + attribute]
        buffers = (prefix + name for name in module._buffers)
        state.update({name: whole[name] for name in buffers if name in whole})
    return state
