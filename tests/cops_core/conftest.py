"""What several of these tests need: refusals in one line, and data sets in files of the test's own."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Image.Image:
    """An image of one colour: a JPEG keeps it but for rounding."""
    return Image.new("RGB", size, colour)


WNIDS = ("n03", "n01", "n02")  # not in alphabetical order


@pytest.fixture(scope="session")
def write_tiny_imagenet() -> Callable[[Path], Path]:
    """`write_tiny_imagenet(root)`: the archive's folder, with 3 classes of 10 + 4 images.

    The class in place c of wnids.txt has red 40 (c + 1), image i green 20 i (in `val` 100) and blue 10 i.
    """

    def write(root: Path) -> Path:
        folder = root / "tiny-imagenet-200"
        for part in ("train", "val/images", "test/images"):
            (folder / part).mkdir(parents=True)
        (folder / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS))
        (folder / "words.txt").write_text("".join(f"{wnid}\tthing, object\n" for wnid in sorted(WNIDS)))
        for place, wnid in enumerate(WNIDS):
            (folder / "train" / wnid / "images").mkdir(parents=True)
            names = [f"{wnid}_{number}.JPEG" for number in range(10)]
            boxes = "".join(f"{name}\t0\t0\t63\t63\n" for name in names)
            (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text(boxes)
            for number, name in enumerate(names):
                plain((40 * (place + 1), 20 * number, 10 * number)).save(
                    folder / "train" / wnid / "images" / name
                )
        lines = []
        for number in range(12):
            place, image = number % 3, plain((40 * (number % 3 + 1), 100, 10 * number))
            image.save(folder / "val" / "images" / f"val_{number}.JPEG")
            lines.append(f"val_{number}.JPEG\t{WNIDS[place]}\t0\t32\t44\t62\n")
        (folder / "val" / "val_annotations.txt").write_text("".join(lines))
        (folder / "test" / "images" / "test_0.JPEG").write_bytes(b"without a label, and not read")
        return folder

    return write


@pytest.fixture(scope="session")
def write_image_folder() -> Callable[..., None]:
    """`write_image_folder(folder)`: 3 classes of 10 + 4 images of several sizes, red as above, green 0."""

    def write(folder: Path) -> None:
        for part, count in (("train", 10), ("val", 4)):
            for place, name in enumerate(("ant", "bee", "cat")):
                (folder / part / name).mkdir(parents=True)
                for number in range(count):
                    kind = ("jpg", "PNG", "JPEG")[number % 3]
                    image = plain((40 * (place + 1), 0, 10 * number), (70 + number, 90 - number))
                    image.save(folder / part / name / f"{number}.{kind}")

    return write


@pytest.fixture(scope="session")
def prepared_root(
    tmp_path_factory, write_mnist, write_cifar, write_tiny_imagenet, write_image_folder
) -> Path:
    """A root for downloads in which small files of all that is not built in already lie."""
    root = tmp_path_factory.mktemp("prepared")
    write_mnist(root / "MNIST" / "raw")
    write_cifar(root)
    write_tiny_imagenet(root)
    write_image_folder(root / "imagenet")
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
