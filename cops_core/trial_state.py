"""The state of a trial as bytes: written, read without running any code from it, and told from another's."""

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.whole_file import write_whole


class Resumable(ABC):
    """What resumes from its own state as if never interrupted."""

    @abstractmethod
    def state(self) -> bytes:
        """All that it needs to resume on another machine."""

    @abstractmethod
    def load_state(self, content: bytes) -> None:
        """Resume.

        Args:
            content: What `state` returned.

        Raises:
            InputError: The bytes are not a state, or that of another configuration or network.
        """

    def save(self, path: Path) -> None:
        """Write a checkpoint, completely or not at all."""
        write_whole(path, self.state())

    def load(self, path: Path) -> None:
        """Resume from a checkpoint of the same configuration.

        Args:
            path: The file that `save` wrote.

        Raises:
            InputError: The file is not a checkpoint, or belongs to another configuration.
        """
        try:
            self.load_state(path.read_bytes())
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def written_state(content: Mapping[str, Any]) -> bytes:
    """A state as bytes, which are read without running any code from them."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def read_state(content: bytes, device: torch.device) -> dict[str, Any]:
    """What `written_state` wrote: tensors and plain values, nothing else."""
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return state


def not_a_state(error: Exception) -> InputError:
    """The error for bytes that are not a checkpoint."""
    return InputError(
        f"this is not a checkpoint of a trial ({type(error).__name__}): remove it or use another"
    )


def check_origin(*, belongs: bool, fits: bool) -> None:
    """Raise InputError unless a checkpoint is of this configuration, and of this network."""
    if not belongs:
        raise InputError("this checkpoint belongs to another configuration: resume it with its own")
    if not fits:
        raise InputError(
            "this checkpoint belongs to a network with other initial weights, another mask or other"
            " layers: remove it"
        )


def config_hash(config: TrialConfig) -> str:
    """SHA-256 of the configuration's fields that differ from their defaults."""
    return hashlib.sha256(config.model_dump_json(exclude_defaults=True).encode()).hexdigest()
