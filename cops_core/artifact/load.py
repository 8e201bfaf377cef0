"""From an artefact to the network: the same one, bit for bit, or an error with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from torch import nn

from cops_core.artifact.envelope import unseal
from cops_core.artifact.header import ArtifactError, ArtifactHeader, Contents
from cops_core.artifact.rebuild import rebuild
from cops_core.errors import InputError, one_line
from cops_core.models import MODELS


@dataclass(frozen=True)
class Artifact:
    """A loaded network.

    Attributes:
        header: The origin of the network.
        contents: How its tensors were stored.
        model: The network in eval mode, on the CPU, with all its weights dense.
    """

    header: ArtifactHeader
    contents: Contents
    model: nn.Module


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
    """Raise ArtifactError if a plugin has changed, or the model's plugin is not loaded."""
    for name, sha256 in header.extensions.items():
        if extensions.get(name, sha256) != sha256:
            raise ArtifactError(f"was made with another version of the plugin {name!r}: load that one")
    if header.model not in MODELS:
        plugins = ", ".join(f"{name} (SHA-256 {sha[:12]}...)" for name, sha in header.extensions.items())
        hint = f"load the plugin that has it: {plugins}" if plugins else "install the version that wrote it"
        raise ArtifactError(f"needs the model {header.model!r}, which is not installed: {hint}")
