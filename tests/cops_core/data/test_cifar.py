"""CIFAR's binary format, read from files that the test wrote, and what happens without them."""

import hashlib
import tarfile
from dataclasses import replace
from http.client import IncompleteRead
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch

from cops_core.data import cifar
from cops_core.data.cifar import cifar10, cifar100, read_records

LOADERS = {"CIFAR10": cifar10, "CIFAR100": cifar100}
FOLDERS = {"CIFAR10": "cifar-10-batches-bin", "CIFAR100": "cifar-100-binary"}
TRAIN = {"CIFAR10": "data_batch_1.bin", "CIFAR100": "train.bin"}
RECORD = {"CIFAR10": 3073, "CIFAR100": 3074}


@pytest.fixture(params=LOADERS)
def name(request) -> str:
    return str(request.param)


def test_ten_classes_from_five_batches(tmp_path, write_cifar):
    write_cifar(tmp_path)
    data = cifar10(tmp_path)
    assert (data.name, data.classes, data.shape) == ("cifar10", 10, (3, 32, 32))
    draws = np.random.default_rng(0)
    written = [draws.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8) for count in (40,) * 5 + (50,)]
    assert np.array_equal(data.train_images, np.concatenate(written[:5]))
    assert np.array_equal(data.test_images, written[5])
    assert data.train_labels.tolist() == list(range(10)) * 20
    assert data.test_labels.tolist() == list(range(10)) * 5


def test_a_hundred_classes_are_the_fine_ones(tmp_path, write_cifar):
    write_cifar(tmp_path)
    data = cifar100(tmp_path)
    assert (data.name, data.classes, data.shape) == ("cifar100", 100, (3, 32, 32))
    assert data.train_labels.tolist() == list(range(100)) * 3
    assert data.test_labels.tolist() == list(range(100))


def test_a_record_byte_by_byte(tmp_path):
    red, green, blue = (bytes([shade] * 1024) for shade in (1, 2, 3))
    path = tmp_path / "records"
    path.write_bytes(bytes([7]) + bytes([200]) + red[1:] + green + blue[1:] + bytes([100]))
    images, labels = read_records(path, (10,))
    assert labels.tolist() == [7]
    assert images.dtype == torch.uint8
    assert images[0, :, 0, 0].tolist() == [200, 2, 3]
    assert images[0, :, 31, 31].tolist() == [1, 2, 100]
    assert images.sum() == 6 * 1024 + 199 + 97


@pytest.mark.parametrize("count", [1, 39])
def test_any_number_of_whole_records_is_a_data_set(tmp_path, write_cifar, name, count):
    write_cifar(tmp_path)
    whole = LOADERS[name](tmp_path)
    path = tmp_path / FOLDERS[name] / TRAIN[name]
    removed = path.stat().st_size // RECORD[name] - count
    path.write_bytes(path.read_bytes()[: count * RECORD[name]])
    data = LOADERS[name](tmp_path)
    assert len(data.train_labels) == len(whole.train_labels) - removed
    assert torch.equal(data.train_images[:count], whole.train_images[:count])
    assert data.classes == whole.classes


DAMAGE = {
    "one byte short": lambda content: content[:-1],
    "one byte long": lambda content: content + b"\0",
    "half a record": lambda content: content[:1500],
    "nothing": lambda content: b"",
    "a web page": lambda content: b"<html>not found</html>",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(tmp_path, write_cifar, refused, name, damage):
    write_cifar(tmp_path)
    path = tmp_path / FOLDERS[name] / TRAIN[name]
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with refused(f"{path.name} does not consist of records of {RECORD[name]} bytes: download"):
        LOADERS[name](tmp_path)


@pytest.mark.parametrize(
    ("name", "place", "label"), [("CIFAR10", 0, 10), ("CIFAR100", 0, 20), ("CIFAR100", 1, 100)]
)
def test_labels_of_another_data_set_are_refused(tmp_path, write_cifar, refused, name, place, label):
    write_cifar(tmp_path)
    path = tmp_path / FOLDERS[name] / TRAIN[name]
    content = bytearray(path.read_bytes())
    content[-RECORD[name] + place] = label - 1
    path.write_bytes(content)
    LOADERS[name](tmp_path)
    content[-RECORD[name] + place] = label
    path.write_bytes(content)
    with refused(f"{path.name} has labels that do not exist: download"):
        LOADERS[name](tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path, write_cifar, refused, name):
    write_cifar(tmp_path)
    path = tmp_path / FOLDERS[name] / TRAIN[name]
    path.unlink()
    path.mkdir()
    with refused(rf"{path.name} cannot be read \(.*[Dd]irectory.*\): download it again"):
        LOADERS[name](tmp_path)


def test_prepared_files_need_neither_network_nor_torchvision(tmp_path, write_cifar, monkeypatch, name):
    monkeypatch.setattr(cifar, "torchvision_datasets", lambda: pytest.fail("asked for torchvision"))
    write_cifar(tmp_path)
    LOADERS[name](tmp_path)
    assert not list(tmp_path.glob("*.lock"))


class Torchvision:
    """In place of torchvision's module, and of its `utils`: a download does what the test says."""

    def __init__(self, download) -> None:
        self.utils = self
        self.download_and_extract_archive = download


@pytest.mark.parametrize("present", [False, True], ids=["none", "all but one"])
def test_absent_files_are_downloaded_once(tmp_path, write_cifar, monkeypatch, name, present):
    calls, root = [], tmp_path / "new" / "root"

    def download(url, folder, md5):
        calls.append((url, md5))
        write_cifar(Path(folder))

    monkeypatch.setattr(cifar, "torchvision_datasets", lambda: Torchvision(download))
    if present:
        write_cifar(root)
        (root / FOLDERS[name] / TRAIN[name]).unlink()
    for _ in range(2):
        assert len(LOADERS[name](root).test_labels) in (50, 100)
    archive, md5 = {
        "CIFAR10": ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
        "CIFAR100": ("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    }[name]
    assert calls == [(f"https://www.cs.toronto.edu/~kriz/{archive}", md5)]
    expected = set(FOLDERS.values()) if present else {FOLDERS[name]}
    assert {path.name for path in root.iterdir()} - {f"{name}.lock"} == expected


def test_a_download_that_another_process_finished_is_not_repeated(tmp_path, write_cifar, monkeypatch, name):
    class Waited:
        """A lock that was given free by somebody who has written the files."""

        def __init__(self, path) -> None:
            assert path == tmp_path / f"{name}.lock"

        def __enter__(self) -> None:
            write_cifar(tmp_path)

        def __exit__(self, *error) -> None:
            pass

    monkeypatch.setattr("cops_core.data.files.FileLock", Waited)
    download = lambda *_, **__: pytest.fail("downloaded again")  # noqa: E731
    monkeypatch.setattr(cifar, "torchvision_datasets", lambda: Torchvision(download))
    assert len(LOADERS[name](tmp_path).test_labels) in (50, 100)


@pytest.fixture
def home(served, monkeypatch) -> Path:
    """A folder that a server of this machine shows in place of the data sets' home page."""
    folder, url = served
    monkeypatch.setattr(cifar, "HOME", url)
    return folder


def test_an_archive_is_fetched_and_unpacked_by_torchvision(tmp_path, home, write_cifar, monkeypatch, name):
    write_cifar(tmp_path / "prepared")
    binary = getattr(cifar, name)
    with tarfile.open(home / binary.archive, "w:gz", compresslevel=1) as archive:
        archive.add(tmp_path / "prepared" / FOLDERS[name], FOLDERS[name])
    md5 = hashlib.md5((home / binary.archive).read_bytes()).hexdigest()
    monkeypatch.setattr(cifar, name, replace(binary, md5=md5))
    data = LOADERS[name](tmp_path / "root")
    assert data.sha256 == LOADERS[name](tmp_path / "prepared").sha256
    assert {path.name for path in (tmp_path / "root").iterdir()} - {f"{name}.lock"} == {FOLDERS[name]}


@pytest.mark.parametrize("content", [None, b"<html>moved</html>"], ids=["none", "a web page"])
def test_another_archive_is_refused_and_leaves_nothing(tmp_path, home, refused, name, content):
    if content is not None:
        (home / getattr(cifar, name).archive).write_bytes(content)
    with refused(rf"{name} is not in .* could not be downloaded \(.*\): unpack .*{FOLDERS[name]}"):
        LOADERS[name](tmp_path / "root")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("no route"), "<urlopen error no route>"),
        (RuntimeError("File not found\nor corrupted."), "File not found or corrupted."),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (TimeoutError(), "TimeoutError"),
        (IncompleteRead(b"abc"), "IncompleteRead"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failed_download_is_one_line_that_names_the_way_out(
    tmp_path, monkeypatch, refused, name, error, reason
):
    def download(*_, **__):
        raise error

    monkeypatch.setattr(cifar, "torchvision_datasets", lambda: Torchvision(download))
    with refused(
        rf"{name} is not in .* could not be downloaded \(.*{reason}.*\): unpack https://www.cs.toronto.edu/.*"
        rf"binary.tar.gz in .*, or put its files into .*{FOLDERS[name]}"
    ):
        LOADERS[name](tmp_path)
    assert list(tmp_path.iterdir()) == []
