"""From a network to its artefact: only values that do not follow from the seed are written."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cops_core.artifact.envelope import Arrays, canonical, seal
from cops_core.artifact.fingerprint import fingerprint, mask_fingerprint
from cops_core.artifact.header import ArtifactError, ArtifactHeader, Contents
from cops_core.freeze_net import FreezeNet
from cops_core.mask_code import Coding, encode
from cops_core.whole_file import write_whole


def save_artifact(path: Path, network: FreezeNet, header: ArtifactHeader) -> int:
    """Write a network's artefact, completely or not at all.

    Args:
        path: The file.
        network: The network.
        header: Its header.

    Returns:
        The size of the file in bytes.

    Raises:
        ArtifactError: The header belongs to another network.
        OSError: The file cannot be written.
    """
    data = pack(network, header)
    write_whole(path, data)
    return len(data)


def pack(network: FreezeNet, header: ArtifactHeader) -> bytes:
    """The bytes of a network's artefact.

    Args:
        network: The network.
        header: Its header.

    Returns:
        The content of the file.

    Raises:
        ArtifactError: The header belongs to another network.
    """
    model = network.model
    if mask_fingerprint(model, network.places) != header.mask_sha256:
        raise ArtifactError("the header's mask_sha256 belongs to another mask: pass this network's header")
    masks, mask = encode_masks(network)
    trained = [(name in network.places, values.detach()) for name, values in network.trained.items()]
    buffers = list(model.buffers())
    exact = [buffer.is_floating_point() or buffer.is_complex() for buffer in buffers]
    contents = Contents(
        dtype="float64" if any(p.dtype == torch.float64 for p in network.trained.values()) else "float32",
        scale=network.scale,
        masks=masks,
        weights_sha256=fingerprint(model),
    )
    arrays = {
        "mask": np.frombuffer(mask, dtype=np.uint8),
        "masked": _joined(values for masked, values in trained if masked),
        "initial": _joined(_initial(network)),
        "others": _joined(values for masked, values in trained if not masked),
        "float_buffers": _joined(buffer for buffer, is_exact in zip(buffers, exact, strict=True) if is_exact),
        "integer_buffers": _joined(
            buffer.long() for buffer, is_exact in zip(buffers, exact, strict=True) if not is_exact
        ),
    }
    # Through JSON text, in which numbers that are not finite have names.
    fields = {
        "header": json.loads(header.model_dump_json()),
        "contents": json.loads(contents.model_dump_json()),
    }
    filled: Arrays = {name: array for name, array in arrays.items() if array.size}
    return seal(fields, filled)


def encode_masks(network: FreezeNet) -> tuple[tuple[Coding | None, ...], bytes]:
    """The coding of each parameter's mask (None without a mask), and the bytes of all masks."""
    codings: list[Coding | None] = []
    parts = []
    for name in network.trained:
        if name in network.places:
            size = network.masked[name].kept.shape.numel()
            coding, part = encode(network.places[name].cpu().numpy(), size)
            codings.append(coding)
            parts.append(part)
        else:
            codings.append(None)
    return tuple(codings), b"".join(parts)


def mask_bytes(network: FreezeNet) -> int:
    """The size of the mask in an artefact, in bytes: the coded positions and the coding of each layer."""
    codings, coded = encode_masks(network)
    return len(coded) + len(canonical(codings)) if network.places else 0


def _initial(network: FreezeNet) -> list[Tensor]:
    """Masked initial values that the project does not draw, if values outside the mask depend on them."""
    values = list(network.own_initial.values())
    return values if network.scale != 0 and any(bool(value.any()) for value in values) else []


def _joined(tensors: Iterable[Tensor]) -> np.ndarray:
    """All tensors flattened and concatenated, in the widest of their types, at least float32 if not integers.

    A complex number is two: its real part and its imaginary part.
    """
    flat = []
    for tensor in tensors:
        values = tensor.detach().resolve_conj().cpu().reshape(-1)
        values = torch.view_as_real(values).reshape(-1) if values.is_complex() else values
        narrow = values.is_floating_point() and values.element_size() < torch.float32.itemsize
        flat.append(values.float() if narrow else values)
    joined: np.ndarray = torch.cat(flat).numpy() if flat else np.empty(0, dtype=np.float32)
    return joined
