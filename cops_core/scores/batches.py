"""Batches of any kind: how one is told from several, moved to a device, and split into inputs and labels."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from cops_core.errors import InputError

LABELS = ("labels", "label", "label_ids", "targets", "target")
"""The entries of a Mapping that are labels, not inputs; of several, the first of these."""

MOST = 1000
"""More batches than this are refused: they are all kept, since each pass needs the same ones."""

Batch = Any


def batches_of(data: Any) -> list[Batch]:
    """One batch or several, as a list.

    Args:
        data: One batch: a tensor, a tuple, a Mapping, a dataclass, or any object with a method `to`; also the
            list of inputs and class numbers that a DataLoader makes of pairs. Several: any other list, a
            DataLoader, any other iterable; it is read once.

    Returns:
        The batches, at least one.

    Raises:
        InputError: No batch, more than `MOST`, or nothing that contains one.
    """
    one = isinstance(data, Tensor | tuple | Mapping) or dataclasses.is_dataclass(data) or hasattr(data, "to")
    if one or _is_inputs_and_labels(data):
        return [data]
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise InputError(
            f"batches is an object of type {type(data).__name__}: write one batch, e.g. (inputs, labels),"
            " a list of batches, or a DataLoader"
        )
    found = list(islice(data, MOST + 1))
    if not found:
        raise InputError("batches is empty: write at least one batch, e.g. [(inputs, labels)]")
    if len(found) > MOST:
        raise InputError(
            f"batches has more than {MOST} batches: write a few, e.g. list(itertools.islice(loader, 10))"
        )
    return found


def _is_inputs_and_labels(data: Any) -> bool:
    """Whether a list is one batch, as DataLoaders collate pairs: inputs, and a class number for each."""
    if type(data) is not list or len(data) != 2 or not all(isinstance(each, Tensor) for each in data):
        return False
    inputs, labels = data
    numbers = labels.ndim == 1 and labels.dtype in (torch.int64, torch.int32)
    return bool(numbers and inputs.ndim > 1 and len(inputs) == len(labels))


def moved(batch: Batch, device: torch.device, dtype: torch.dtype) -> Batch:
    """A batch on a device, its real floating point tensors in one precision.

    Tensors inside of tuples, lists, Mappings and dataclasses are moved, too; all other values stay. The types
    of these containers stay as well, e.g. a BatchEncoding. Integers keep their type.

    Args:
        batch: The batch; it does not change, but what did not have to move is shared.
        device: The device.
        dtype: Of the floating point tensors.

    Returns:
        The batch.
    """

    def move(tensor: Tensor) -> Tensor:
        return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)

    return _rebuilt(batch, move, lambda other: other.to(device))


def cloned(batch: Batch) -> Batch:
    """The same batch, with clones of its tensors, for code that may change them in place."""
    return _rebuilt(batch, torch.clone, lambda other: other)


def _rebuilt(batch: Batch, act: Callable[[Tensor], Tensor], other: Callable[[Any], Any]) -> Batch:
    """A batch with other tensors; `other` is for objects with a method `to`, whose content is unknown."""

    def each(value: Any) -> Any:
        return _rebuilt(value, act, other)

    if isinstance(batch, Tensor):
        return act(batch)
    if isinstance(batch, PackedSequence):  # its batch sizes stay on the CPU
        data, sizes, *orders = other(batch)
        return PackedSequence(act(data), sizes, *orders)
    if isinstance(batch, Mapping):
        values = {key: each(value) for key, value in batch.items()}
        if type(batch) is dict or not isinstance(batch, MutableMapping):
            return values
        result = copy.copy(batch)
        for key, value in values.items():
            result[key] = value
        return result
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(each, batch))
    if isinstance(batch, tuple | list):
        return type(batch)(map(each, batch))
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        fields = [field.name for field in dataclasses.fields(batch) if field.init]
        return dataclasses.replace(batch, **{name: each(getattr(batch, name)) for name in fields})
    if callable(getattr(batch, "to", None)) and not isinstance(batch, type):
        return other(copy.copy(batch))
    return batch


def ones_of(inputs: Any) -> Any:
    """The inputs of one sample, with ones in place of real numbers.

    Args:
        inputs: A tensor, or tensors inside of tuples, Mappings and dataclasses.

    Returns:
        The same with other tensors. Whole numbers and booleans (indices, masks) keep their values. Where the
        tensors differ in their first dimension, all samples stay.
    """
    sizes = {len(tensor) for tensor in tensors_in(inputs) if tensor.ndim}

    def ones(tensor: Tensor) -> Tensor:
        first = tensor[:1] if tensor.ndim and len(sizes) == 1 else tensor
        return torch.ones_like(first) if first.is_floating_point() else first

    if isinstance(inputs, PackedSequence):
        return inputs._replace(data=torch.ones_like(inputs.data))
    return _rebuilt(inputs, ones, lambda other: other)


def tensors_in(batch: Batch) -> list[Tensor]:
    """The tensors inside of tuples, lists, Mappings and dataclasses, in order."""
    if isinstance(batch, Tensor):
        return [batch]
    if isinstance(batch, Mapping):
        return [tensor for value in batch.values() for tensor in tensors_in(value)]
    if isinstance(batch, tuple | list):
        return [tensor for value in batch for tensor in tensors_in(value)]
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        return [
            tensor for each in dataclasses.fields(batch) for tensor in tensors_in(getattr(batch, each.name))
        ]
    return []


def inputs_of(batch: Batch) -> Any:
    """What a network receives of a batch.

    Args:
        batch: The batch.

    Returns:
        A tensor itself, the first entry of a tuple or list, a dict of all entries of a Mapping except
        `LABELS`; anything else as it is.
    """
    if isinstance(batch, Mapping):
        return {key: value for key, value in batch.items() if key not in LABELS}
    if isinstance(batch, tuple | list) and not isinstance(batch, PackedSequence):
        return batch[0] if batch else batch
    return batch


def pair_of(batch: Batch) -> tuple[Any, Tensor] | None:
    """A batch as inputs and labels.

    Args:
        batch: The batch.

    Returns:
        Both entries of a tuple or list of two whose second is a tensor; of a Mapping with one of `LABELS` the
        other entries and that one; None for anything else.
    """
    labels = None
    if isinstance(batch, Mapping):
        labels = next((batch[key] for key in LABELS if key in batch), None)
    elif isinstance(batch, tuple | list) and len(batch) == 2:
        labels = batch[1]
    return (inputs_of(batch), labels) if isinstance(labels, Tensor) else None


def described_batch(batch: Batch) -> str:
    """A batch for messages: `a tuple of 3`, `a dict with input_ids, attention_mask`."""
    kind = type(batch).__name__
    if isinstance(batch, Tensor):
        return f"a tensor of shape {tuple(batch.shape)}"
    if isinstance(batch, Mapping):
        return f"a {kind} with {', '.join(map(str, list(batch)[:4])) or 'no entry'}"
    return f"a {kind} of {len(batch)}" if isinstance(batch, tuple | list) else f"an object of type {kind}"
