"""Data sets in Ray's object store: each is sent once to a node, whose workers share its memory."""

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import ray
import torch

from cops_core.config import TrialConfig
from cops_core.data import ImageData
from cops_core.trainers import IMAGES


class DataShare:
    """Puts a data set into the object store at its first use.

    Args:
        load: Loads the data set of a name.
    """

    def __init__(self, load: Callable[[str], ImageData]) -> None:
        self._load = load
        self._references: dict[str, Any] = {}

    def sha256(self, name: str) -> str:
        """The hash of a data set."""
        return self._load(name).sha256

    def reference(self, name: str) -> Any:
        """The data set's object in the store, for `received`.

        Raises:
            InputError: There is no such data set, or its files are missing.
        """
        if name not in self._references:
            self._references[name] = ray.put(_packed(self._load(name)))
        return self._references[name]

    def references(self, config: TrialConfig) -> list[Any]:
        """The objects of a trial's data set; none for a trainer of one's own, which loads its data itself."""
        return [self.reference(config.dataset)] if config.trainer == IMAGES else []


@lru_cache(maxsize=2)
def received(reference: Any) -> ImageData:
    """The data set of a reference, built once per process. Its tensors are in shared memory and read-only."""
    content: dict[str, Any] = ray.get(reference)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        arrays = {name: torch.from_numpy(array) for name, array in content["arrays"].items()}
    return ImageData(name=content["name"], classes=content["classes"], **arrays)


def _packed(data: ImageData) -> dict[str, Any]:
    """The data set as arrays, which Ray shares without a copy. It would copy tensors into a pickle."""
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = {name: getattr(data, name).contiguous().numpy() for name in parts}
    return {"name": data.name, "classes": data.classes, "arrays": arrays}
