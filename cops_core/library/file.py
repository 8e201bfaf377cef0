"""`save` and `load`: a network in one file, which has the seed instead of theta0 wherever that is enough."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as pack_tensors
from torch import Tensor, nn

from cops_core.arms import Scale
from cops_core.errors import InputError, described
from cops_core.initialization import initial_weight
from cops_core.library.audit import audit
from cops_core.masked.apply import apply_mask, materialize
from cops_core.masked.draws import Draw, note_draw
from cops_core.masked.kept_weights import KeptWeights
from cops_core.masked.states import fields_of, record_names, record_of
from cops_core.masked.view import check_plain, masked_weights, places_of_parameters
from cops_core.tensor_bytes import tensor_bytes, type_name
from cops_core.whole_file import write_whole

FORMAT = 1
KEY = "cops_model"
# The parts of a file, by the beginning of its tensors' names.
OUTSIDE, MASK, STATE = "outside/", "mask/", "state/"


def save(model: nn.Module, path: str | Path) -> int:
    """Write a network to a safetensors file, completely or not at all.

    A masked weight takes its mask and its kept values. What is outside the mask takes nothing for a pruned
    weight, and the seed for one that `initialize` has drawn. Other frozen weights are stored.

    Args:
        model: The network, masked or not.
        path: The file.

    Returns:
        Its size in bytes.

    Raises:
        DriftError: A weight outside the mask has changed.
        InputError: The network has a tensor that such a file cannot hold.
        OSError: The file cannot be written.
    """
    audit(model, processes=False)
    tensors: dict[str, Tensor] = {}
    weights: dict[str, Any] = {}
    for name, weight in masked_weights(model).items():
        kept = weight.kept
        draw = _draw_of(kept)
        if draw is None and not kept.outside_is_zero:
            tensors[OUTSIDE + name] = kept.outside()
        tensors[MASK + name] = record_of(kept).reshape(-1)
        weights[name] = {
            "dtype": type_name(weight.values),
            "factor": kept.factor,
            "decays": kept.scale is not None,
            "draw": draw,
        }
    records = record_names(model)
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, Tensor):
            raise InputError(f"{name} is an object of type {type(tensor).__name__}, not a tensor: remove it")
        if name not in records:
            tensors[STATE + name] = tensor
    # Clones: tensors of a file may not share memory.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    fields = {"format": FORMAT, "weights": weights}
    fields["sha256"] = _sha256(fields, tensors)
    content = pack_tensors(tensors, {KEY: json.dumps(fields)})
    write_whole(Path(path), content)
    return len(content)


def load(path: str | Path, build: Callable[[], nn.Module], *, plain: bool = False) -> nn.Module:
    """Read a network that `save` wrote. No code from the file is run.

    Args:
        path: The file.
        build: Returns the network without a mask, e.g. `lambda: timm.create_model(...)`. Its values do not
            matter.
        plain: Whether to return it materialised, with all weights dense, instead of masked.

    Returns:
        The network, with the same values bit for bit, on the CPU and in train mode as `build` returned it.

    Raises:
        InputError: Not such a file, not complete, or of another network.
    """
    fields, tensors = _read(Path(path))
    model = build()
    if not isinstance(model, nn.Module):
        raise InputError(f"build returns {type(model).__name__}: write a function that returns the network")
    check_plain(model)
    outside, records, state = (
        {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}
        for part in (OUTSIDE, MASK, STATE)
    )
    weights: Mapping[str, Any] = fields["weights"]
    stored = {name: fields_of(record) for name, record in records.items()}
    try:
        _convert(model, state, weights)
        for name, entry in weights.items():
            shapes = list(model.get_parameter(name).shape), stored[name][0]["shape"]
            if shapes[0] != shapes[1]:
                raise InputError(f"{name} has the shape {shapes[0]}, in the file {shapes[1]}")
            _start(model, name, entry, outside.get(name))
        _mask(model, weights, {name: places for name, (_, places) in stored.items()})
        complete = model.state_dict()
        state |= {name: complete[name] for name in record_names(model)}
        # Its own dict has the versions of its modules: some of other packages do not load a state without.
        complete.clear()
        complete.update(state)
        model.load_state_dict(complete)
    except (RuntimeError, AttributeError, InputError) as error:
        raise InputError(f"{path} is of another network ({described(error)})") from None
    for name, weight in masked_weights(model).items():
        weight.kept.restore(weights[name]["factor"], stored[name][0]["outside_sha256"])
    return materialize(model) if plain else model


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The fields and tensors of a file, complete and unaltered."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} cannot be read ({described(error)}): write a file of cops.save") from None
    if text is None:
        raise InputError(f"{path} is a safetensors file, but not one of cops.save: load it as what it is")
    try:
        fields: dict[str, Any] = json.loads(text)
        stated, newest = fields.pop("sha256"), fields["format"]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{path} is damaged ({described(error)}): write it again") from None
    if stated != _sha256(fields, tensors):
        raise InputError(f"{path} is damaged, its content does not match its SHA-256: write it again")
    if newest != FORMAT:
        raise InputError(f"{path} has format {newest}, this version reads {FORMAT}: install a newer version")
    return fields, tensors


def _convert(model: nn.Module, state: Mapping[str, Tensor], weights: Mapping[str, Any]) -> None:
    """Give parameters and buffers the types of the file."""
    parameters = dict(model.named_parameters())
    for name, entry in weights.items():
        parameter = model.get_parameter(name)
        parameter.data = parameter.data.to(getattr(torch, entry["dtype"]))
    for name, tensor in {**parameters, **dict(model.named_buffers())}.items():
        if name in state and name not in weights:
            tensor.data = tensor.data.to(state[name].dtype)


def _start(model: nn.Module, name: str, entry: Mapping[str, Any], outside: Tensor | None) -> None:
    """Give a weight its values outside the mask."""
    weight = model.get_parameter(name)
    draw = None if entry["draw"] is None else Draw(*entry["draw"])
    with torch.no_grad():
        if outside is not None:
            weight.copy_(outside)
        elif draw is not None:
            weight.copy_(_drawn(draw, weight, 1.0 if entry["decays"] else entry["factor"]))
            note_draw(places_of_parameters(model)[id(weight)], draw)


def _mask(model: nn.Module, weights: Mapping[str, Any], places: Mapping[str, np.ndarray]) -> None:
    """Mask the weights, whose values outside the mask have their factor already."""
    layers = {}
    for name, found in places.items():
        keep = torch.zeros(model.get_parameter(name).shape, dtype=torch.bool)
        keep.view(-1)[torch.from_numpy(found)] = True
        layers[name] = keep
    if layers:
        factor, decays = next((entry["factor"], entry["decays"]) for entry in weights.values())
        apply_mask(model, layers, Scale(1.0 if factor else 0.0, decays))


def _draw_of(kept: KeptWeights) -> Draw | None:
    """The draw that gives what is outside the mask, bit for bit; None if there is none, or it is all zero."""
    if kept.draw is None or kept.outside_is_zero:
        return None
    outside = kept.outside()
    drawn = _drawn(kept.draw, outside, 1.0 if kept.scale is not None else kept.factor)
    drawn.view(-1)[kept.places] = 0
    return kept.draw if tensor_bytes(drawn) == tensor_bytes(outside) else None


def _drawn(draw: Draw, like: Tensor, factor: float) -> Tensor:
    values = initial_weight(draw.name, like.shape, draw.seed, draw.method).to(like)
    return values * factor if factor != 1 else values


def _sha256(fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the fields, and the names, types, shapes and values of all tensors."""
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name}:{type_name(tensor)}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()
