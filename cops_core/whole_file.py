"""Files that appear whole or not at all, whatever dies meanwhile and whoever else writes them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what was written there takes `path`'s place at the end.

    After an error nothing of it is left, and what was at `path` stays. The name is this writer's own, so
    that others may write the same file: the last one to end wins. A killed writer leaves a `.tmp` file.
    It may be a folder, too, if there is none at `path`.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:16]}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to hear of
            if temporary.is_dir():
                shutil.rmtree(temporary)
            temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    It is on the disk itself before it takes its name: a machine may lose its power.
    Raises OSError if it cannot be written.
    """
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
