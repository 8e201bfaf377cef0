"""Rebuild the network: theta = scale theta0 (1 - m) + scatter(m, v), theta0 drawn from the seed again."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from cops_core.artifact.envelope import Arrays
from cops_core.artifact.fingerprint import fingerprint, mask_fingerprint
from cops_core.artifact.header import ArtifactError, ArtifactHeader, Contents
from cops_core.initialization import initialize, own_values
from cops_core.mask_code import decode
from cops_core.models import build_model
from cops_core.prunable import maskable

DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}


def rebuild(header: ArtifactHeader, contents: Contents, arrays: Arrays) -> nn.Module:
    """Rebuild a network, and compare it with all hashes in the artefact.

    theta0 is drawn only if some weight depends on it; pruned and dense networks do not need it.

    Args:
        header: The origin of the network.
        contents: How its tensors are stored.
        arrays: The stored arrays.

    Returns:
        The network in eval mode, on the CPU.

    Raises:
        ArtifactError: The network differs from the stored one, or cannot be built.
    """
    model = build_model(header.model, header.shape, header.classes, header.seed, DTYPES[contents.dtype])
    another = ArtifactError(
        f"has another version of the model {header.model!r}: install that version, or load it as a plugin"
    )
    if len(list(model.parameters())) != len(contents.masks):
        raise another
    places = _places(model, contents, arrays)
    if mask_fingerprint(model, places) != header.mask_sha256:
        raise another
    depends = contents.scale != 0 and bool(places)
    theta0 = initialize(model, header.seed, header.initialization) if depends else header.theta0_sha256
    # Values that the author's code draws may come out differently here. All that matter are in the file.
    if theta0 != header.theta0_sha256 and not own_values(model):
        raise ArtifactError(
            f"cannot be rebuilt: seed {header.seed} gives another theta0 than where it was trained:"
            f" use the same version of numpy and of the model {header.model!r}"
        )
    try:
        _fill(model, contents.scale if depends else 0.0, arrays, places)
    except (RuntimeError, ValueError) as error:
        raise another from error
    if fingerprint(model) != contents.weights_sha256:
        raise another
    return model.eval()


def _places(model: nn.Module, contents: Contents, arrays: Arrays) -> dict[str, Tensor]:
    """The positions of the kept weights of each parameter with a mask."""
    coded = arrays.get("mask", np.empty(0, dtype=np.uint8))
    places = {}
    for (name, parameter), coding in zip(model.named_parameters(), contents.masks, strict=True):
        if coding is not None:
            found, used = decode(coding, coded, parameter.numel())
            coded = coded[used:]
            places[name] = torch.from_numpy(found)
    if len(coded):
        raise ArtifactError(f"has {len(coded)} more bytes than its mask needs: use another file")
    return places


def _fill(model: nn.Module, scale: float, arrays: Arrays, places: Mapping[str, Tensor]) -> None:
    """Write the stored values into `model`; its weights outside the mask are scaled, +0.0 for scale 0.

    Raises RuntimeError or ValueError if there are too many or too few values.
    """
    masked, initial, others, floats, integers = stored = [
        _Values(arrays.get(name))
        for name in ("masked", "initial", "others", "float_buffers", "integer_buffers")
    ]
    drawn = maskable(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in places:
                start = initial.take(parameter) if name not in drawn and initial.left else parameter
                weight = (start * scale if scale else torch.zeros_like(parameter)).contiguous()
                weight.view(-1)[places[name]] = masked.take(weight.view(-1)[places[name]])
            else:
                weight = others.take(parameter)
            parameter.copy_(weight)
        for buffer in model.buffers():
            exact = buffer.is_floating_point() or buffer.is_complex()
            buffer.copy_((floats if exact else integers).take(buffer))
    if any(values.left for values in stored):
        raise ValueError("values are left over")


class _Values:
    """Reads tensors from a flat array, one after the other."""

    def __init__(self, array: np.ndarray | None) -> None:
        self._values = torch.empty(0) if array is None else torch.from_numpy(array)
        self._start = 0

    @property
    def left(self) -> int:
        """The number of values that have not been read."""
        return len(self._values) - self._start

    def take(self, like: Tensor) -> Tensor:
        """The next values in a tensor's shape and type; RuntimeError if there are too few."""
        numbers = like.numel() * (2 if like.is_complex() else 1)
        start, self._start = self._start, self._start + numbers
        values = self._values[start : self._start]
        if like.is_complex():
            values = torch.view_as_complex(values.view(-1, 2))
        return values.view(like.shape).to(like.dtype)
