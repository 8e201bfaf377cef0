"""The format as docs/artifact.md tells it, read by a program that uses nothing of the package."""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cops_core.artifact import pack
from cops_core.artifact.envelope import unseal
from cops_core.masked.view import plain_parameters

PAGE = Path(__file__).resolve().parents[3] / "docs" / "artifact.md"
TYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8"), "U8": np.dtype("u1")}


def open_file(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The JSON object and the tensors, with the seal checked."""
    end = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:end])
    fields = json.loads(entries.pop("__metadata__")["cops_artifact"])
    tensors = {}
    for name, entry in entries.items():
        first, last = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[end + first : end + last], TYPES[entry["dtype"]])
    sealed = {key: value for key, value in fields.items() if key != "sha256"}
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":")).encode()
    for name, values in sorted(tensors.items()):
        text += f"\n{name}:{values.dtype.name}:[{values.size}]:".encode() + values.tobytes()
    assert fields["sha256"] == hashlib.sha256(text).hexdigest()
    return fields, tensors


def read_mask(kind: str, low_bits: int, kept: int, bits: str, size: int) -> tuple[list[int], int]:
    """The places of a layer's kept weights, and how many bits said so."""
    if kind == "bitmap":
        return [place for place in range(size) if bits[place] == "1"], math.ceil(size / 8) * 8
    if kind in {"none", "all"}:
        return list(range(kept)), 0
    at, place, places = math.ceil(kept * low_bits / 8) * 8, -1, []
    for number in range(kept):
        zeros = bits.index("1", at) - at
        at += zeros + 1
        low = int("0" + bits[number * low_bits : (number + 1) * low_bits], 2)
        place += (zeros << low_bits) + low + 1
        places.append(place)
    return places, math.ceil(at / 8) * 8


def theta0(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    key = hashlib.sha256(f"{seed}\x1finitial weights\x1f{name}".encode()).digest()[:16]
    draws = np.random.RandomState(np.random.Philox(key=int.from_bytes(key, "little")))
    field = math.prod(shape[2:])
    deviation = math.sqrt(2 / ((shape[0] + shape[1]) * field))
    return (draws.standard_normal(shape) * deviation).astype(np.float32)


def rebuild(fields: dict[str, Any], tensors: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]):
    """All parameters; `shapes` is what the model says."""
    contents, seed = fields["contents"], fields["header"]["seed"]
    bits = "".join(f"{byte:08b}" for byte in tensors["mask"])
    masked, others = (list(tensors.get(name, ())) for name in ("masked", "others"))
    parameters = {}
    for (name, shape), coding in zip(shapes.items(), contents["masks"], strict=True):
        size = math.prod(shape)
        if coding is None:
            flat, others = np.array(others[:size]), others[size:]
        else:
            kind, low_bits, kept = coding
            places, used = read_mask(kind, low_bits, kept, bits, size)
            bits = bits[used:]
            scale = np.dtype(contents["dtype"]).type(contents["scale"])
            flat = theta0(name, shape, seed).astype(contents["dtype"]).reshape(-1) * scale
            flat = flat if scale else np.zeros(size, contents["dtype"])
            flat[places], masked = masked[:kept], masked[kept:]
        parameters[name] = flat.reshape(shape)
    assert (masked, others, bits) == ([], [], "")
    return parameters


@pytest.mark.parametrize("arm", ["prune", "freeze", "scale", "freeze_wd"])
@pytest.mark.parametrize("prunable", ["weights", "weights and biases", "weights but the last layer's"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_another_program_reads_it(make, arm, prunable, dtype):
    network, header = make(arm=arm, prunable=prunable, dtype=dtype, density=0.15)
    fields, tensors = open_file(pack(network, header))
    shapes = {name: tuple(p.shape) for name, p in plain_parameters(network.model).items()}
    parameters = rebuild(fields, tensors, shapes)
    digest = hashlib.sha256()
    buffers = {name: buffer.numpy() for name, buffer in network.model.named_buffers()}
    for name, values in {**parameters, **buffers}.items():
        digest.update(f"{name}:{values.dtype.name}:{values.shape}:".encode() + values.tobytes())
    assert fields["contents"]["weights_sha256"] == digest.hexdigest()
    for name, parameter in plain_parameters(network.model).items():
        assert parameter.detach().numpy().tobytes() == parameters[name].tobytes(), name
    assert tensors["float_buffers"].tolist() == [
        *network.model.norm.running_mean.tolist(),
        *network.model.norm.running_var.tolist(),
    ]
    assert tensors["integer_buffers"].tolist() == [2]


def test_an_artefact_of_version_1_stays_what_it_is(make):
    """Files of users must be read for ever: a change here is a new format."""
    fields, _ = open_file(pack(*make("lenet_300_100", density=0.01, steps=0)))
    assert fields["sha256"] == "e575c01051114f6ff3cc31aaf625115439c4999b1c96e026e20f8087ee02c54a"


def test_every_key_and_tensor_stands_in_the_page(make):
    network, header = make()
    fields, arrays = unseal(pack(network, header))
    words = set(re.findall("`([a-z0-9_]+)`", PAGE.read_text()))
    assert {*fields, *fields["header"], *fields["contents"], *arrays} <= words
