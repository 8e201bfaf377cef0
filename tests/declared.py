"""Does a JSON value have the type that is declared for it? What mypy cannot see: values that were read."""

from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    Never,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)


def undeclared(value: Any, declared: Any, where: str = "value") -> list[str]:
    """What of `value` is not as declared, a line each: a key too few or too many, a value of another type."""
    origin, arguments = get_origin(declared), get_args(declared)
    if is_typeddict(declared):
        return _keys(value, declared, where)
    if declared in (Any, Never):
        return [] if declared is Any else [f"{where}: {value!r}"]
    if origin in (Required, NotRequired):
        return undeclared(value, arguments[0], where)
    if origin in (Union, UnionType):
        found = [undeclared(value, kind, where) for kind in arguments]
        return min(found, key=len)
    if origin is Literal:
        return [] if value in arguments else [f"{where}: {value!r}"]
    if origin is list and isinstance(value, list):
        return [
            line for at, entry in enumerate(value) for line in undeclared(entry, *arguments, f"{where}[{at}]")
        ]
    if origin is not None and isinstance(value, dict):  # of any keys, as JSON has them: text
        return [
            line for key, entry in value.items() for line in undeclared(entry, arguments[1], f"{where}.{key}")
        ]
    kinds = {float: (int, float), None: (NoneType,)}.get(declared, (declared,))
    same = origin is None and isinstance(value, kinds) and isinstance(value, bool) == (declared is bool)
    return [] if same else [f"{where}: {value!r} is no {declared}"]


def _keys(value: Any, declared: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no {declared}"]
    hints = get_type_hints(declared, include_extras=True)
    return [
        *(f"{where}: no {key}" for key in sorted(declared.__required_keys__ - value.keys())),
        *(f"{where}: {key} is not declared" for key in value if key not in hints),
        *(
            line
            for key, kind in hints.items()
            if key in value
            for line in undeclared(value[key], kind, f"{where}.{key}")
        ),
    ]
