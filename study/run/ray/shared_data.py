"""Data sets in Ray's object store: each travels once to a node, whose workers read the same memory."""

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import ray
import torch

from cops_core.data import ImageData


class DataShare:
    """Puts each data set into the store when it is first asked for. load: a data set, by name."""

    def __init__(self, load: Callable[[str], ImageData]) -> None:
        self._load = load
        self._references: dict[str, Any] = {}

    def sha256(self, name: str) -> str:
        """The data set's hash."""
        return self._load(name).sha256

    def reference(self, name: str) -> Any:
        """The object in the store, for `received`. InputError if there is no such data set."""
        if name not in self._references:
            self._references[name] = ray.put(_packed(self._load(name)))
        return self._references[name]


@lru_cache(maxsize=2)
def received(reference: Any) -> ImageData:
    """The data set, once per process. Its tensors lie in the node's shared memory: they cannot be written."""
    content: dict[str, Any] = ray.get(reference)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        arrays = {name: torch.from_numpy(array) for name, array in content["arrays"].items()}
    return ImageData(name=content["name"], classes=content["classes"], **arrays)


def _packed(data: ImageData) -> dict[str, Any]:
    """Arrays, which Ray keeps as they lie in memory; tensors it would copy into a pickle."""
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = {name: getattr(data, name).contiguous().numpy() for name in parts}
    return {"name": data.name, "classes": data.classes, "arrays": arrays}
