"""From an artefact back to the network: the same one, bit for bit, or an error that says why not."""

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
    """A network that was loaded. model: in eval mode, on the CPU, all its weights dense."""

    header: ArtifactHeader
    contents: Contents
    model: nn.Module


def load_artifact(
    source: Path | bytes, extensions: Mapping[str, str] | None = None, *, name: str = ""
) -> Artifact:
    """The network of an artefact. Draws nothing from a global generator, runs no code from the file.

    source: a file, or its content. extensions: names and SHA-256 of the plugins that are loaded here. One
    that the artefact knows under the same name must be the same. name: what errors call the artefact;
    without it the file's path.

    Raises ArtifactError, in one line with the artefact's name, for a file that is not there, is no whole
    and unaltered artefact of a known format, or whose network this installation cannot build again.
    """
    name = name or ("the artefact" if isinstance(source, bytes) else str(source))
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{name} cannot be read ({type(error).__name__}): name an artefact") from error
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
        raise ArtifactError(f"says something else than expected: {one_line(error)}") from error
    _check_plugins(header, extensions)
    return Artifact(header, contents, rebuild(header, contents, arrays))


def _check_plugins(header: ArtifactHeader, extensions: Mapping[str, str]) -> None:
    """Raise ArtifactError if a plugin has changed, or the one that brings the model is not loaded."""
    for name, sha256 in header.extensions.items():
        if extensions.get(name, sha256) != sha256:
            raise ArtifactError(f"was made with another version of the plugin {name!r}: load that one")
    if header.model not in MODELS:
        plugins = ", ".join(f"{name} (SHA-256 {sha[:12]}...)" for name, sha in header.extensions.items())
        hint = f"load the plugin that brings it: {plugins}" if plugins else "install the version that made it"
        raise ArtifactError(f"needs the model {header.model!r}, which is not known here: {hint}")
