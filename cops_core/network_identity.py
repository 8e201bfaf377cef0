"""The identity of a network: a hash of its name, of the code that builds it, and of the function it computes.

The text of a network (`repr`) is no identity: it shows neither functions nor flags nor closures.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.initialization import initial_network
from cops_core.models import find_model
from cops_core.models.base import Shape
from cops_core.scores.isolation import NormalisationMode, isolated
from cops_core.streams import stream
from cops_core.tensor_bytes import tensor_bytes

IMAGES = 2
# Images of several sizes reach both sides of a threshold (ReLU6), and show a small constant (an epsilon).
PROBES: tuple[tuple[NormalisationMode, float], ...] = (("train", 1.0), ("eval", 30.0), ("eval", 0.01))

# By builder (its id; it is kept, so that no other has this id), shape and classes. Probing takes seconds for
# large networks, and a builder returns the same function each time.
_KNOWN: dict[tuple[int, Shape, int], tuple[object, str | None]] = {}


def network_sha256(name: str, shape: Shape, classes: int) -> str | None:
    """The identity of a network, computed once per process.

    Args:
        name: See `find_model`.
        shape: (channels, height, width) of an image.
        classes: The number of classes, at least 2.

    Returns:
        64 hexadecimal digits; None if its function cannot be probed: then nothing identifies it.

    Raises:
        InputError: See `cops_core.models.build_model`.
    """
    builder = find_model(name)
    key = (id(builder), shape, classes)
    if key not in _KNOWN:
        model, _ = initial_network(name, shape, classes, seed=0)
        _KNOWN[key] = builder, _sha256(builder, model, shape)
    found = _KNOWN[key][1]
    return None if found is None else hashlib.sha256(f"{name}:{shape}:{classes}:{found}".encode()).hexdigest()


def _sha256(builder: object, model: nn.Module, shape: Shape) -> str | None:
    digest = hashlib.sha256()
    for part in code_of(builder):
        digest.update(part)
    try:
        for values in _function(model, shape):
            digest.update(tensor_bytes(values))
    except Exception:  # a user's network may raise anything; training will report it
        return None
    return digest.hexdigest()


def _function(model: nn.Module, shape: Shape) -> Iterator[Tensor]:
    """Logits, and gradients of all parameters, on fixed images."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    draws = stream(0, "network identity")
    for mode, size in PROBES:
        images = torch.from_numpy(size * draws.standard_normal((IMAGES, *shape))).float()
        with isolated(model, mode, 0):
            logits = model(images)
            directions = torch.from_numpy(draws.standard_normal(tuple(logits.shape))).to(logits.dtype)
            total = (logits * directions).sum()
            gradients = torch.autograd.grad(total, parameters, materialize_grads=True)
        yield from (logits, *gradients)


def code_of(value: object) -> Iterator[bytes]:
    """The code of a function or class, and of those of its module that it names, in parts.

    Values in closures, defaults and attributes count, too. Code of other modules is not followed, and line
    numbers do not matter.

    Args:
        value: A function, a class, a callable object.

    Yields:
        Bytes that are equal for equal code, in every process.
    """
    yield from _parts(value, set())


def _parts(value: Any, seen: set[int]) -> Iterator[bytes]:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield f"{value!r};".encode()
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    yield type(value).__qualname__.encode()
    for part in _members(value):
        yield from _parts(part, seen)


def _members(value: Any) -> list[Any]:
    """What a value is made of."""
    match value:
        case CodeType():
            return [value.co_code, value.co_names, value.co_consts]
        case FunctionType():
            own = [value.__code__, value.__defaults__, value.__kwdefaults__, *_closure(value)]
            named = [value.__globals__.get(name) for name in value.__code__.co_names]
            return [*own, *(each for each in named if _same_module(each, value))]
        case MethodType():
            return [value.__func__, value.__self__]
        case partial():
            return [value.func, value.args, value.keywords]
        case type():
            bases = [base for base in value.__bases__ if _same_module(base, value)]
            functions = [each for each in vars(value).values() if isinstance(each, FunctionType)]
            return [value.__qualname__, *bases, *functions]
        case Tensor():
            return [tensor_bytes(value)]
        case tuple() | list():
            return list(value)
        case dict():
            return [each for item in value.items() for each in item]
        case set() | frozenset():
            return sorted(map(repr, value))
    return [type(value), getattr(value, "__dict__", None)] if isinstance(value, Callable) else []  # type: ignore[arg-type]


def _closure(function: FunctionType) -> list[Any]:
    """The values that a function has taken from the functions around it, if they are set."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return found


def _same_module(value: Any, other: Any) -> bool:
    code = isinstance(value, FunctionType | type)
    return code and getattr(value, "__module__", None) == getattr(other, "__module__", "")
