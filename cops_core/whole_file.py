"""Files that are written completely or not at all, also if a process dies or several write the same file."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder; at the end it is renamed to `path`.

    After an error the temporary file is removed and `path` does not change. The name is unique, so several
    processes may write the same file: the last one to finish wins. A killed process leaves a `.tmp` file.
    A folder can be written, too, if there is none at `path`.

    Args:
        path: The file or folder to write.

    Yields:
        The temporary path.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:16]}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to report
            if temporary.is_dir():
                shutil.rmtree(temporary)
            temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, completely or not at all.

    The content is on the disk before the file is renamed, in case of a power failure.

    Args:
        path: The file.
        content: Its content.

    Raises:
        OSError: The file cannot be written.
    """
    with whole_file(path) as temporary, temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
