"""State dicts of masked models: v, and for each masked weight a record of its mask and its frozen values.

The record stands under the weight's plain name, in another shape than the weight's. So neither a plain model
nor one with another mask can load half of a masked model's state without an error.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cops_core.mask_code import Coding, decode, encode
from cops_core.masked.kept_weights import KeptWeights
from cops_core.masked.view import masked_list


def guard_states(module: nn.Module, attribute: str, number: int = 0) -> tuple[Any, ...]:
    """Add a masked weight's record to its module's state dicts, and check it when one is loaded.

    Args:
        module: The module.
        attribute: The masked weight's name in it.
        number: The module's place among those that share the weight.

    Returns:
        The handles that end this.
    """
    return (
        module.register_state_dict_post_hook(partial(_add_record, attribute, number)),  # type: ignore[no-untyped-call]
        module.register_load_state_dict_pre_hook(partial(_check_record, attribute)),  # type: ignore[no-untyped-call]
        module.register_load_state_dict_post_hook(partial(_own_again, attribute)),  # type: ignore[no-untyped-call]
    )


def record_names(model: nn.Module) -> set[str]:
    """The names under which the records of a network's masked weights stand in its state dict."""
    return {
        f"{path}.{name}" if path else name
        for path, module in model.named_modules(remove_duplicate=False)
        for name in getattr(module, "parametrizations", ())
        if masked_list(module, name) is not None
    }


def record_of(kept: KeptWeights) -> Tensor:
    """A masked weight's mask, and the SHA-256 of what is frozen, as bytes in a tensor.

    Args:
        kept: The weight.

    Returns:
        uint8, with one dimension more than the weight.
    """
    coding, coded = encode(kept.places.cpu().numpy(), kept.shape.numel())
    fields = {"shape": list(kept.shape), "coding": list(coding), "outside_sha256": kept.outside_sha256()}
    content = json.dumps(fields).encode() + b"\n" + coded
    ones = (1,) * len(kept.shape)
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy()).view(*ones, -1)


def fields_of(record: Tensor) -> tuple[dict[str, Any], np.ndarray]:
    """What a record says: its fields, and the positions of the kept weights."""
    content = record.cpu().numpy().tobytes()
    line, _, coded = content.partition(b"\n")
    fields = json.loads(line)
    kind, low_bits, kept = fields["coding"]
    size = int(np.prod(fields["shape"]))
    places, _ = decode(Coding(kind, low_bits, kept), np.frombuffer(coded, dtype=np.uint8), size)
    return fields, places


def _add_record(
    attribute: str, number: int, module: nn.Module, state: dict[str, Any], prefix: str, _: Any
) -> None:
    masked = masked_list(module, attribute)
    if masked is None:
        return
    state[prefix + attribute] = record_of(masked[0])  # type: ignore[arg-type]
    # Clones of what is shared, except at the weight's first module: safetensors refuses shared memory.
    shared = ["0.scale", *(["original"] if number else [])]
    for name in (f"{prefix}parametrizations.{attribute}.{part}" for part in shared):
        if name in state and not isinstance(state[name], nn.Parameter):  # as with keep_vars=True
            state[name] = state[name].clone()


def _check_record(
    attribute: str,
    module: nn.Module,
    state: dict[str, Any],
    prefix: str,
    _metadata: Mapping[str, Any],
    _strict: bool,
    missing: list[str],
    _unexpected: list[str],
    errors: list[str],
) -> None:
    masked = masked_list(module, attribute)
    if masked is None:
        return
    name = prefix + attribute
    found = state.pop(name, None)
    if found is None:
        missing.append(name)
    elif complaint := _complaint(masked[0], found):  # type: ignore[arg-type]
        errors.append(f"{name}: {complaint}")


def _own_again(attribute: str, module: nn.Module, _: Any) -> None:
    masked = masked_list(module, attribute)
    if masked is not None and isinstance(masked.original, nn.Parameter):
        masked[0].own(masked.original)  # type: ignore[operator]  # `assign=True` has made it


def _complaint(kept: KeptWeights, found: Tensor) -> str:
    """Why a state does not fit a masked weight; empty if it does."""
    if tuple(found.shape) == tuple(kept.shape):
        return "the state is a plain model's: load it before the model is masked"
    ours = record_of(kept)
    if found.dtype == ours.dtype and torch.equal(found.cpu(), ours):
        return ""
    try:
        fields, places = fields_of(found)
    except (ValueError, KeyError, TypeError):
        return "the state is not a masked model's"
    if fields["shape"] != list(kept.shape) or not np.array_equal(places, kept.places.cpu().numpy()):
        return "the state has another mask: mask the model with that one"
    return (
        "the state belongs to other values outside the mask: build the model with the same initial weights"
        " and mask it in the same way, or load a file that cops.save wrote"
    )
