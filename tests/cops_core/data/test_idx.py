"""MNIST's file format, read from files that the test wrote, and what happens without them."""

import gzip
from http.client import IncompleteRead
from urllib.error import URLError

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cops_core.data import idx
from cops_core.data.idx import fashion_mnist, mnist, read_idx, read_idx_folder

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=st.integers(1, 3).flatmap(lambda n: arrays(np.uint8, (3, 2, 4)[:n])), packed=st.booleans())
def test_what_was_written_is_read(tmp_path_factory, write_idx, array, packed):
    path = tmp_path_factory.mktemp("idx") / "file"
    write_idx(path, array, packed)
    assert np.array_equal(read_idx(path, array.ndim).numpy(), array)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_a_folder_is_a_data_set(tmp_path, write_mnist, packed):
    write_mnist(tmp_path, packed)
    data = read_idx_folder("some", tmp_path)
    assert (data.name, data.classes, data.shape) == ("some", 10, (1, 28, 28))
    draws = np.random.default_rng(0)
    assert np.array_equal(data.train_images[:, 0], draws.integers(0, 256, (300, 28, 28), dtype=np.uint8))
    assert np.array_equal(data.test_images[:, 0], draws.integers(0, 256, (50, 28, 28), dtype=np.uint8))
    assert data.train_labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def shorten(content: bytes) -> bytes:
    return content[:-1]


DAMAGE = {
    "one byte short": shorten,
    "one byte long": lambda content: content + b"\0",
    "header only": lambda content: content[:16],
    "half a header": lambda content: content[:10],
    "three bytes": lambda content: content[:3],
    "nothing": lambda content: b"",
    "a web page": lambda content: b"<html>not found</html>",
    "labels for images": lambda content: bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 5]),
    "shorts for bytes": lambda content: content[:2] + b"\x0b" + content[3:],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_a_damaged_file_is_refused(tmp_path, write_mnist, refused, damage, packed):
    write_mnist(tmp_path, packed)
    path = tmp_path / (IMAGES + ".gz" if packed else IMAGES)
    content = path.read_bytes()
    if packed:
        path.write_bytes(gzip.compress(DAMAGE[damage](gzip.decompress(content))))
    else:
        path.write_bytes(DAMAGE[damage](content))
    with refused(f"{path.name} is not a complete 3-dimensional IDX file of bytes: download"):
        read_idx_folder("some", tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        shorten,
        lambda content: content[: len(content) // 2],
        lambda content: b"<html>",
        lambda content: b"\x1f\x8b" + b"x" * 50,
        lambda content: content[:10] + b"\xff" * 50,
    ],
    ids=["one byte short", "cut", "a web page", "noise", "noise below the header"],
)
def test_a_damaged_package_is_refused(tmp_path, write_mnist, refused, damage):
    write_mnist(tmp_path, packed=True)
    path = tmp_path / (LABELS + ".gz")
    path.write_bytes(damage(path.read_bytes()))
    with refused(rf"{path.name} cannot be read \(.+\): download it again"):
        read_idx_folder("some", tmp_path)


def test_a_missing_file_is_named(tmp_path, write_mnist, refused):
    write_mnist(tmp_path)
    (tmp_path / LABELS).unlink()
    with refused(f"{LABELS} is missing: put the data set's four files into "):
        read_idx_folder("some", tmp_path)


@pytest.mark.parametrize("count", [0, 299])
def test_images_and_labels_of_different_data_sets_are_refused(
    tmp_path, write_mnist, write_idx, refused, count
):
    write_mnist(tmp_path)
    write_idx(tmp_path / LABELS, np.zeros(count, dtype=np.uint8))
    with refused(rf"300 \+ 50 images and {count} \+ 50 labels: download its four files again"):
        read_idx_folder("some", tmp_path)


@pytest.fixture
def no_debian_package(monkeypatch, tmp_path):
    monkeypatch.setattr(idx, "DEBIAN_FASHION_MNIST", tmp_path / "not installed")


LOADERS = {"MNIST": mnist, "FashionMNIST": fashion_mnist}


@pytest.fixture(params=LOADERS)
def folder_name(request, no_debian_package) -> str:
    """torchvision's name of each data set that it can download."""
    return str(request.param)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_prepared_files_need_neither_network_nor_torchvision(
    tmp_path, write_mnist, monkeypatch, folder_name, packed
):
    monkeypatch.setattr(idx, "torchvision_datasets", lambda: pytest.fail("asked for torchvision"))
    write_mnist(tmp_path / folder_name / "raw", packed)
    data = LOADERS[folder_name](tmp_path)
    assert (len(data.train_labels), len(data.test_labels)) == (300, 50)


class Torchvision:
    """In place of torchvision's module: its two loaders do what the test says."""

    def __init__(self, download) -> None:
        self.MNIST = self.FashionMNIST = download


@pytest.mark.parametrize("present", [[], [IMAGES, LABELS, "t10k-labels-idx1-ubyte"]], ids=["none", "three"])
def test_absent_files_are_downloaded_once(tmp_path, write_mnist, monkeypatch, folder_name, present):
    calls = []

    def download(root, download):
        assert download
        calls.append(root)
        write_mnist(root / folder_name / "raw")

    monkeypatch.setattr(idx, "torchvision_datasets", lambda: Torchvision(download))
    for file in present:
        (tmp_path / folder_name / "raw").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder_name / "raw" / file).touch()
    for _ in range(2):
        assert len(LOADERS[folder_name](tmp_path).train_labels) == 300
    assert calls == [tmp_path]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("no route"), "<urlopen error no route>"),
        (
            RuntimeError("Error downloading a.gz:\nTried b, got:\nnot found\n"),
            "a.gz: Tried b, got: not found",
        ),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (TimeoutError(), "TimeoutError"),
        (IncompleteRead(b"abc"), "IncompleteRead"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failed_download_is_one_line_that_names_the_way_out(
    tmp_path, monkeypatch, refused, folder_name, error, reason
):
    def download(root, download):
        raise error

    monkeypatch.setattr(idx, "torchvision_datasets", lambda: Torchvision(download))
    hint = {"MNIST": "use fashion_mnist or digits", "FashionMNIST": "dataset-fashion-mnist"}[folder_name]
    with refused(
        rf"{folder_name} is not in .* could not be downloaded \(.*{reason}.*\): .*{hint}.*put its files"
    ):
        LOADERS[folder_name](tmp_path)


def test_debians_package_comes_first(tmp_path, write_mnist, monkeypatch):
    write_mnist(tmp_path / "debian", packed=True)
    monkeypatch.setattr(idx, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    monkeypatch.setattr(idx, "torchvision_datasets", lambda: pytest.fail("asked for torchvision"))
    assert len(fashion_mnist(tmp_path / "nothing").train_labels) == 300
