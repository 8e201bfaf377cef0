"""The artefact: a trained network in one small file; all other weights follow from its 32-bit seed."""

from cops_core.artifact.header import ArtifactError, ArtifactHeader, header_of
from cops_core.artifact.load import Artifact, load_artifact
from cops_core.artifact.save import pack, save_artifact

__all__ = [
    "Artifact",
    "ArtifactError",
    "ArtifactHeader",
    "header_of",
    "load_artifact",
    "pack",
    "save_artifact",
]
