"""`explain`: what a mask leaves of a network, as a text for people."""

from typing import Any

import torch
from torch import Tensor, nn

from cops_core.collapse import Connectivity, connectivity
from cops_core.errors import InputError, described, listed
from cops_core.library.candidates import candidates
from cops_core.mask import Mask

SHOWN = 12
"""At most this many skipped weights are listed for one reason."""


def explain(model: nn.Module, mask: Mask, example: Any = None) -> str:
    """What a mask leaves of a network, for people: layers, live paths, collapse, skipped weights.

    A kept weight is live if a path of kept weights leads from the input through it to an output (see
    `cops_core.collapse`). This needs an example, and a network of which one input is one tensor of numbers.
    The network does not change.

    Args:
        model: The network, before it is masked.
        mask: A mask of this network.
        example: An input of the network, of shape (N, ...), of which only the shape matters. None: live paths
            are not computed.

    Returns:
        Lines of text.

    Raises:
        InputError: The mask is one of another network.
    """
    _check(model, mask)
    found, unknown = _connectivity(model, mask, example)
    lines = [mask.summary(found.live_weights if found is not None else None), ""]
    lines += _paths(found) if found is not None else [f"live paths: not computed, {unknown}"]
    reasons: dict[str, list[str]] = {}
    for name, reason in candidates(model).skipped.items():
        if name not in mask:
            reasons.setdefault(reason, []).append(name)
    lines += [f"not in the mask ({reason}): {listed(names, SHOWN)}" for reason, names in reasons.items()]
    others = [name for name in candidates(model).weights if name not in mask]
    if others:
        lines.append(f"not in the mask, trained completely: {listed(others, SHOWN)}")
    return "\n".join(lines)


def _check(model: nn.Module, mask: Mask) -> None:
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    for name, layer in mask.items():
        if shapes.get(name) != tuple(layer.shape):
            raise InputError(
                f"the mask has {tuple(layer.shape)} at {name!r} where the model has"
                f" {shapes.get(name, 'nothing')}: write a mask of this model"
            )


def _connectivity(model: nn.Module, mask: Mask, example: Any) -> tuple[Connectivity | None, str]:
    """The connectivity, or why it is not known."""
    if example is None:
        return None, "which needs an input: write example="
    if not isinstance(example, Tensor) or not example.is_floating_point() or example.ndim < 1:
        return None, "since the input is not one tensor of numbers"
    try:
        found = connectivity(model, tuple(example.shape[1:]), mask)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the network's own, or of an operation that no rule foresees
        return None, f"since the network cannot be followed ({described(error)})"
    return (None, f"since {found.unknown}") if found.unknown is not None else (found, "")


def _paths(found: Connectivity) -> list[str]:
    """What is known of the paths, a fact a line."""
    assert found.live is not None
    lines = [f"live paths: {found.live:,} of {found.kept:,} kept weights lie on one"]
    if found.collapsed:
        lines.append("collapsed: no path leads from the input to an output, which is constant")
    elif found.live_outputs != found.outputs:
        lines.append(f"outputs: a path leads to {found.live_outputs:,} of {found.outputs:,}")
    if found.dead_layers:
        lines.append(f"dead layers, with kept weights but no path: {listed(found.dead_layers, SHOWN)}")
    return lines
