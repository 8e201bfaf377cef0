"""From a network to its artefact: only what the seed does not give back is written."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cops_core.artifact.envelope import Arrays, canonical, seal
from cops_core.artifact.fingerprint import fingerprint, mask_fingerprint
from cops_core.artifact.header import ArtifactError, ArtifactHeader, Contents
from cops_core.artifact.mask_code import Coding, encode
from cops_core.freeze import FreezeNet
from cops_core.whole_file import write_whole


def save_artifact(path: Path, network: FreezeNet, header: ArtifactHeader) -> int:
    """Write the network's artefact, whole or not at all; returns its bytes.

    Raises ArtifactError if the header is another network's.
    """
    data = pack(network, header)
    write_whole(path, data)
    return len(data)


def pack(network: FreezeNet, header: ArtifactHeader) -> bytes:
    """The bytes of the network's artefact.

    Raises ArtifactError if the header is another network's.
    """
    network.write()
    model = network.model
    if mask_fingerprint(model, network.places) != header.mask_sha256:
        raise ArtifactError("the header's mask_sha256 is of another mask than the network's")
    masks, mask = encode_masks(network)
    trained = [
        (name in network.places, network.trained[name].detach()) for name, _ in model.named_parameters()
    ]
    buffers = list(model.buffers())
    contents = Contents(
        dtype=str(next(model.parameters()).dtype).removeprefix("torch."),
        scale=network.scale,
        masks=masks,
        weights_sha256=fingerprint(model),
    )
    arrays = {
        "mask": np.frombuffer(mask, dtype=np.uint8),
        "masked": _joined(values for masked, values in trained if masked),
        "others": _joined(values for masked, values in trained if not masked),
        "float_buffers": _joined(buffer for buffer in buffers if buffer.is_floating_point()),
        "integer_buffers": _joined(buffer.long() for buffer in buffers if not buffer.is_floating_point()),
    }
    # By way of JSON text, where numbers that are not finite have names.
    fields = {
        "header": json.loads(header.model_dump_json()),
        "contents": json.loads(contents.model_dump_json()),
    }
    filled: Arrays = {name: array for name, array in arrays.items() if array.size}
    return seal(fields, filled)


def encode_masks(network: FreezeNet) -> tuple[tuple[Coding | None, ...], bytes]:
    """How the mask of each parameter is coded, None where there is none, and the bytes of all masks."""
    codings: list[Coding | None] = []
    parts = []
    for name, weight in network.model.named_parameters():
        if name in network.places:
            coding, part = encode(network.places[name].cpu().numpy(), weight.numel())
            codings.append(coding)
            parts.append(part)
        else:
            codings.append(None)
    return tuple(codings), b"".join(parts)


def mask_bytes(network: FreezeNet) -> int:
    """The bytes that the mask takes in an artefact: the coded places, and how each layer is coded."""
    codings, coded = encode_masks(network)
    return len(coded) + len(canonical(codings)) if network.places else 0


def _joined(tensors: Iterable[Tensor]) -> np.ndarray:
    """All tensors flattened, one behind the other, in the widest of their types."""
    flat = [tensor.detach().reshape(-1).cpu() for tensor in tensors]
    joined: np.ndarray = torch.cat(flat).numpy() if flat else np.empty(0, dtype=np.float32)
    return joined
