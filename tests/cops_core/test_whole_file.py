"""A file appears whole or not at all, also where many write it at once."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cops_core.whole_file import whole_file, write_whole

# Long enough that a write takes more than one call; each one's bytes are all the same.
LENGTH = 300_000
WRITER = f"""
import sys
from pathlib import Path
from cops_core.whole_file import write_whole
print("ready", flush=True)
while True:
    write_whole(Path(sys.argv[1]), sys.argv[2].encode() * {LENGTH})
"""


def is_whole(content):
    return len(content) == LENGTH and len(set(content)) == 1


def test_it_is_there_and_nothing_else(tmp_path):
    for content in (b"first", b"", b"second"):
        write_whole(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_threads_that_race_leave_one_whole_file(tmp_path):
    path = tmp_path / "file"
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(write_whole, path, bytes([number]) * LENGTH) for number in range(64)]
        seen = []
        while not all(write.done() for write in writes):
            seen.append(path.read_bytes() if path.exists() else None)
    for write in writes:
        write.result()
    assert all(is_whole(content) for content in [*filter(None, seen), path.read_bytes()])
    assert list(tmp_path.iterdir()) == [path]


def test_processes_that_race_and_are_killed_leave_a_whole_file(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"0" * LENGTH)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, letter], stdout=subprocess.PIPE, text=True)
        for letter in "abc"
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            assert is_whole(path.read_bytes())
        assert writer.poll() is None  # none of them met another's temporary file
        writer.kill()
        writer.communicate()
        assert is_whole(path.read_bytes())


def interrupted(path, error):
    with whole_file(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


def test_after_an_error_the_old_file_stays_and_nothing_half_is_left(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"old")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            interrupted(path, error)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


def interrupted_folder(path):
    with whole_file(path) as temporary:
        temporary.mkdir()
        (temporary / "half").write_bytes(b"1")
        raise OSError("full")


def test_a_folder_appears_whole_too(tmp_path):
    path = tmp_path / "folder"
    with pytest.raises(OSError, match="full"):
        interrupted_folder(path)
    assert list(tmp_path.iterdir()) == []
    with whole_file(path) as temporary:
        temporary.mkdir()
        (temporary / "file").write_bytes(b"1")
        assert not path.exists()
    assert [file.name for file in path.iterdir()] == ["file"]


def test_where_nothing_can_be_written_the_error_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "file", b"1")
