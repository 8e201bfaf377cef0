"""A cache of scores: a folder of safetensors files, shared by the trials of a node.

A study of hundreds of one-shot combinations on one initialisation computes each score only once. The name
of an entry is the hash of everything that its values depend on. So an entry is never out of date, at worst
no longer needed.
"""

import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cops_core.folders import user_cache
from cops_core.whole_file import whole_file

Layers = dict[str, Tensor]
# What the caller calls its scores.
Name = TypeVar("Name", bound=Hashable)

DEFAULT_CACHE = user_cache("scores")
DEFAULT_MAX_BYTES = 8 * 2**30
LOCKS = 64  # keys with the same one wait for each other
ABANDONED_S = 3600.0


class ScoreCache:
    """Layers of scores by key, on disk, as CPU tensors.

    Invariants, for any number of processes: an entry is complete or missing, since it is written to a
    temporary file and renamed; a damaged entry counts as missing. If several processes miss the same key at
    the same time, one computes it and the others wait. All entries together take at most `max_bytes`: the
    least recently read ones are removed first. If an entry is removed while another process reads it, the
    reader keeps its data.

    Args:
        folder: Created with the first entry.
        max_bytes: The largest size of all entries together. An entry larger than this is not kept.
        locks: How many different locks keys have. With few, other keys' computations may be waited for.
    """

    def __init__(
        self, folder: Path = DEFAULT_CACHE, max_bytes: int = DEFAULT_MAX_BYTES, locks: int = LOCKS
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.locks = locks

    def get(self, key: str) -> Layers | None:
        """The entry with this key, memory-mapped, its layers in their order; None if there is none."""
        file = self._file(key)
        try:
            numbered: Layers = load_file(file)
            os.utime(file)
        except FileNotFoundError:
            return None
        except SafetensorError:
            file.unlink(missing_ok=True)
            return None
        return {name.partition(".")[2]: layer for name, layer in sorted(numbered.items())}

    def put(self, key: str, layers: Mapping[str, Tensor]) -> None:
        """Keep an entry, then remove the least recently read ones that no longer fit.

        If the disk is full nothing is kept, and no error is raised: the computed values matter, not the copy.

        Args:
            key: The hash of all that the values depend on.
            layers: Scores by parameter name, in order.
        """
        # safetensors sorts its names. The numbers keep the order, and the names apart from its own.
        numbered = {f"{number:06d}.{name}": layer for number, (name, layer) in enumerate(layers.items())}
        try:
            self._make()
            with whole_file(self._file(key)) as temporary:
                save_file({name: layer.cpu().contiguous() for name, layer in numbered.items()}, temporary)
        except (OSError, SafetensorError):
            return
        with FileLock(self.folder / "locks" / "size"):
            self._shrink()

    def fetch(
        self,
        keys: Mapping[Name, str],
        compute: Callable[[Sequence[Name]], Mapping[Name, Mapping[str, Tensor]]],
    ) -> tuple[dict[Name, Layers], list[Name]]:
        """Entries from the cache; missing ones are computed and kept.

        Args:
            keys: The key of each wanted name.
            compute: Called at most once, with the missing names. Other processes that need these wait.

        Returns:
            Scores by name, and the names that were computed.
        """
        found = {name: self.get(key) for name, key in keys.items()}
        missing = [name for name, layers in found.items() if layers is None]
        computed: list[Name] = []
        if missing:
            with self._claim([keys[name] for name in missing]):
                found |= {name: self.get(keys[name]) for name in missing}
                computed = [name for name in missing if found[name] is None]
                if computed:
                    for name, layers in compute(computed).items():
                        self.put(keys[name], layers)
                        found[name] = dict(layers)
        return {name: layers for name, layers in found.items() if layers is not None}, computed

    @contextmanager
    def _claim(self, keys: Sequence[str]) -> Iterator[None]:
        """Exclusive right to compute `keys`. Locks are taken in one order, so that there is no deadlock."""
        self._make()
        slots = sorted({int(key[:8], 16) % self.locks for key in keys})
        with ExitStack() as stack:
            for slot in slots:
                stack.enter_context(FileLock(self.folder / "locks" / f"{slot:02d}"))
            yield

    def _make(self) -> None:
        (self.folder / "locks").mkdir(parents=True, exist_ok=True)

    def _shrink(self) -> None:
        """Remove the least recently read entries, and partial files of killed processes."""
        entries = []
        for file in self.folder.iterdir():
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            if file.suffix == ".tmp" and time.time() - stat.st_mtime > ABANDONED_S:
                file.unlink(missing_ok=True)
            elif file.suffix == ".safetensors":
                entries.append((stat.st_mtime, stat.st_size, file))
        excess = sum(size for _, size, _ in entries) - self.max_bytes
        for _, size, file in sorted(entries):
            if excess <= 0:
                break
            file.unlink(missing_ok=True)
            excess -= size

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"
