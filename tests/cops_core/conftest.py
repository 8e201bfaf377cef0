"""What several of these tests need: refusals in one line, and data sets in files of the test's own."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from cops_core.data import ImageData
from cops_core.errors import InputError

Refused = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def refused() -> Refused:
    """`with refused("words"):` the block raises an InputError of one line that holds the words."""

    @contextmanager
    def expectation(words: str) -> Iterator[None]:
        with pytest.raises(InputError, match=words) as caught:
            yield
        assert len(str(caught.value).splitlines()) == 1

    return expectation


def idx_bytes(array: np.ndarray) -> bytes:
    """The format of MNIST's files, written independently of the reader."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture(scope="session")
def write_idx() -> Callable[..., None]:
    """`write_idx(path, array, packed=False)`: an IDX file, plain or as `path` + `.gz`."""

    def write(path: Path, array: np.ndarray, packed: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if packed:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx_bytes(array), 1))
        else:
            path.write_bytes(idx_bytes(array))

    return write


@pytest.fixture(scope="session")
def write_mnist(write_idx) -> Callable[..., None]:
    """`write_mnist(folder, packed=False)`: 300 + 50 random images of 28 x 28 in ten classes."""

    def write(folder: Path, packed: bool = False) -> None:
        draws = np.random.default_rng(0)
        for part, count in (("train", 300), ("t10k", 50)):
            images = draws.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            write_idx(folder / f"{part}-images-idx3-ubyte", images, packed)
            write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10, packed)

    return write


def cifar_records(labels: np.ndarray, images: np.ndarray) -> bytes:
    """The format of CIFAR's binary files, written independently of the reader.

    labels: the label bytes of each record, shape (N, 1 or 2). images: shape (N, 3, 32, 32).
    """
    return b"".join(bytes(row.tolist()) + image.tobytes() for row, image in zip(labels, images, strict=True))


@pytest.fixture(scope="session")
def write_cifar() -> Callable[[Path], None]:
    """`write_cifar(root)`: the folders of CIFAR-10 and of CIFAR-100, small, with random images.

    CIFAR-10 has 5 x 40 + 50 images, CIFAR-100 has 300 + 100; classes in turn, superclass = class // 5.
    """
    batches = {f"data_batch_{number}.bin": 40 for number in range(1, 6)}
    files = {
        "cifar-10-batches-bin": (10, {**batches, "test_batch.bin": 50}),
        "cifar-100-binary": (100, {"train.bin": 300, "test.bin": 100}),
    }

    def write(root: Path) -> None:
        draws = np.random.default_rng(0)
        for folder, (classes, counts) in files.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for file, count in counts.items():
                images = draws.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
                label = np.arange(count)[:, None] % classes
                labels = label if classes == 10 else np.hstack([label // 5, label])
                (root / folder / file).write_bytes(cifar_records(labels, images))

    return write


@pytest.fixture(scope="session")
def prepared_root(tmp_path_factory, write_mnist, write_cifar) -> Path:
    """A root for downloads in which small files of MNIST and CIFAR already lie."""
    root = tmp_path_factory.mktemp("prepared")
    write_mnist(root / "MNIST" / "raw")
    write_cifar(root)
    return root


@pytest.fixture(scope="session")
def make_data() -> Callable[..., ImageData]:
    """`make_data(train=60, test=20, classes=3, shape=(2, 4, 5))`: random images, classes in turn."""

    def make(
        train: int = 60, test: int = 20, classes: int = 3, shape: tuple[int, int, int] = (2, 4, 5)
    ) -> ImageData:
        generator = torch.Generator().manual_seed(1)
        images = torch.randint(0, 256, (train + test, *shape), generator=generator, dtype=torch.uint8)
        labels = torch.arange(train + test) % classes
        return ImageData(
            name="random",
            classes=classes,
            train_images=images[:train],
            train_labels=labels[:train],
            test_images=images[train:],
            test_labels=labels[train:],
        )

    return make
