"""The file format of artefacts: safetensors with one line of JSON, protected by a SHA-256 over all of it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from cops_core.artifact.header import ArtifactError

FORMAT = 1
KEY = "cops_artifact"
# The types of an artefact's tensors: their names in safetensors and in numpy.
TYPES: Mapping[str, str] = {"U8": "|u1", "F32": "<f4", "F64": "<f8", "I64": "<i8"}
DAMAGED = "truncated, altered or not an artefact"

Arrays = dict[str, np.ndarray]


def seal(fields: Mapping[str, Any], arrays: Arrays) -> bytes:
    """The file's bytes.

    Args:
        fields: JSON values.
        arrays: Arrays of the types in `TYPES`, by name.

    Returns:
        The content of the file.
    """
    fields = {"format": FORMAT, **fields}
    text = canonical({**fields, "sha256": _sha256(fields, arrays)})
    return bytes(save(arrays, {KEY: text}))


def unseal(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """The fields and arrays of a file.

    Args:
        data: The content of the file.

    Returns:
        What was passed to `seal`.

    Raises:
        ArtifactError: The file is not a complete and unaltered artefact of a known format.
    """
    try:
        raw = deserialize(data)  # type: ignore[no-untyped-call]
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(KEY)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ArtifactError(f"is {DAMAGED} ({type(error).__name__})") from error
    if text is None:
        raise ArtifactError("is a safetensors file, but not an artefact: use a file of `save_artifact`")
    try:
        fields = json.loads(text)
        newest, stated = fields["format"], fields.pop("sha256")
        arrays = {name: _array(entry) for name, entry in raw}
        intact = stated == _sha256(fields, arrays)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"is {DAMAGED} ({type(error).__name__})") from error
    if not intact:
        raise ArtifactError(f"is {DAMAGED}: its content does not match its SHA-256")
    if newest != FORMAT:
        raise ArtifactError(f"has format {newest}, this version reads {FORMAT}: install a newer cops-study")
    fields.pop("format")
    return fields, arrays


def canonical(value: Any) -> str:
    """JSON in the form that is hashed: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _array(entry: Mapping[str, Any]) -> np.ndarray:
    stored = np.frombuffer(entry["data"], dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
    return stored.astype(stored.dtype.newbyteorder("="))


def _sha256(fields: Mapping[str, Any], arrays: Arrays) -> str:
    """SHA-256 over the fields, and name, type, shape and little-endian bytes of each array by name."""
    digest = hashlib.sha256(canonical(fields).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name}:{array.dtype.name}:{list(array.shape)}:".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
