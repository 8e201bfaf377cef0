"""From an artefact to the network: the same one, bit for bit, or an error with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from cops_core.artifact.envelope import unseal
from cops_core.artifact.header import ArtifactError, ArtifactHeader, Contents
from cops_core.artifact.rebuild import DTYPES, rebuild
from cops_core.data.part import Normalisation
from cops_core.errors import InputError, one_line
from cops_core.models import MODELS
from cops_core.models.packages import package_extensions, package_version

BATCH = 1000  # images that are computed at a time


@dataclass(frozen=True)
class Artifact:
    """A loaded network.

    Attributes:
        header: The origin of the network.
        contents: How its tensors were stored.
        model: The network in eval mode, on the CPU, with all its weights dense. Its images must be normalised
            as in its training: `logits` and `predict` do that.
    """

    header: ArtifactHeader
    contents: Contents
    model: nn.Module

    def predict(self, images: Tensor) -> Tensor:
        """The classes of raw images, as their data set has them.

        Args:
            images: uint8 of shape (N, channels, height, width).

        Returns:
            The classes, int64 of shape (N,), on the device of `model`; -1 where logits are not finite.

        Raises:
            InputError: The images are not bytes, or have another shape than those of the training.
        """
        logits = self.logits(images)
        return logits.argmax(1).masked_fill(~logits.isfinite().all(1), -1)

    def logits(self, images: Tensor) -> Tensor:
        """The logits of raw images, as their data set has them.

        Args:
            images: uint8 of shape (N, channels, height, width).

        Returns:
            Shape (N, classes), on the device of `model`.

        Raises:
            InputError: The images are not bytes, or have another shape than those of the training.
        """
        shape = self.header.shape
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != shape:
            raise InputError(
                f"images of type {images.dtype} and shape {tuple(images.shape)} are not raw images for this"
                f" network: write torch.uint8 of shape (N, {', '.join(map(str, shape))}), with the pixels"
                " that the data set has"
            )
        first = next(self.model.parameters())
        statistics = (torch.tensor(v).reshape(1, -1, 1, 1) for v in (self.header.mean, self.header.deviation))
        normalised = Normalisation(*statistics).to(first.device)
        self.model.eval()
        with torch.no_grad():
            return torch.cat(
                [
                    self.model(normalised(batch.to(first.device)).to(DTYPES[self.contents.dtype]))
                    for batch in torch.split(images, BATCH)
                ]
            )


def load_artifact(
    source: Path | bytes, extensions: Mapping[str, str] | None = None, *, name: str = ""
) -> Artifact:
    """Load the network of an artefact.

    No global random generator is used, and no code from the file is run.

    Args:
        source: The file, or its content.
        extensions: Names and SHA-256 of the loaded plugins. A plugin that the artefact also names must have
            the same hash.
        name: The artefact's name in messages; by default the file's path.

    Returns:
        The network.

    Raises:
        ArtifactError: The file does not exist, is not a complete and unaltered artefact of a known format, or
            this installation cannot rebuild its network.
    """
    name = name or ("the artefact" if isinstance(source, bytes) else str(source))
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{name} cannot be read ({type(error).__name__}): write the path of an artefact"
        ) from error
    try:
        return _unpack(data, extensions or {})
    except InputError as error:
        raise ArtifactError(f"{name} {error}") from error


def _unpack(data: bytes, extensions: Mapping[str, str]) -> Artifact:
    fields, arrays = unseal(data)
    try:
        header = ArtifactHeader.model_validate(fields.get("header"))
        contents = Contents.model_validate(fields.get("contents"))
    except ValidationError as error:
        raise ArtifactError(f"has a header that is not valid: {one_line(error)}") from error
    _check_plugins(header, extensions)
    return Artifact(header, contents, rebuild(header, contents, arrays))


def _check_plugins(header: ArtifactHeader, extensions: Mapping[str, str]) -> None:
    """Raise ArtifactError if a plugin or a package has changed, or is missing."""
    package = header.model.partition("/")[0]
    own = package_extensions(header.model)
    for name, sha256 in header.extensions.items():
        if own.get(name, sha256) != sha256:
            raise ArtifactError(
                f"was made with another {package} than {package_version(package)}, which is installed:"
                " install the version that the trial's record names"
            )
        if extensions.get(name, sha256) != sha256:
            raise ArtifactError(f"was made with another version of the plugin {name!r}: load that one")
    if header.model not in MODELS and not own:
        plugins = ", ".join(f"{name} (SHA-256 {sha[:12]}...)" for name, sha in header.extensions.items())
        hint = f"load the plugin that has it: {plugins}" if plugins else "install the version that wrote it"
        raise ArtifactError(f"needs the model {header.model!r}, which is not installed: {hint}")
