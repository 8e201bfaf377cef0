"""The contract of data sets (see `cops_core.data.base`)."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from cops_core.contracts.base import Check, require
from cops_core.data import DATASETS, load_data, load_split

BATCH = 1000  # images that are checked together, since a large data set does not fit into memory as floats


@dataclass(frozen=True)
class DataSet:
    """A data set to check.

    Attributes:
        name: A key of `DATASETS`.
        root: The folder for downloads.
    """

    name: str
    root: Path


def images_are_bytes_with_one_label_each(data: DataSet) -> None:
    """Images are uint8 of shape (N, channels, height, width), labels int64 of shape (N,), from 0."""
    load_data(data.name, data.root)  # refuses anything else


def every_class_is_in_both_parts(data: DataSet) -> None:
    """The labels of the training part and of the test part are 0, 1, ..., classes - 1, without gaps."""
    loaded = load_data(data.name, data.root)
    expected = list(range(loaded.classes))
    for part, labels in (("training", loaded.train_labels), ("test", loaded.test_labels)):
        found = sorted(set(labels.tolist()))
        require(found == expected, f"{part} labels are {_short(found)}, not {_short(expected)}")


def name_is_the_registered_one(data: DataSet) -> None:
    """The data set's name is its key in the registry."""
    name = load_data(data.name, data.root).name
    require(name == data.name, f"has the name {name!r}, not {data.name!r}")


def loading_again_gives_the_same(data: DataSet) -> None:
    """Loaded again, the data are equal: they depend on no seed and no random draw."""
    first, second = load_data(data.name, data.root), DATASETS[data.name](data.root)
    require(first.sha256 == second.sha256, "loaded again, the data are different")


def splits_into_training_and_validation(data: DataSet) -> None:
    """A tenth can be held out, each image is in one part, and the normalised images are finite."""
    parts = load_split(data.name, data.root, 3, Decimal("0.1"))
    total, ours = len(parts.data.train_labels), (len(parts.train), len(parts.validation))
    require(sum(ours) == total and all(ours), f"{total} images are split into {ours}")
    for part in (parts.train, parts.validation):
        finite = all(bool(images.isfinite().all()) for images, _ in part.batches(BATCH))
        require(finite, "normalised images are not finite")


DATA_CHECKS: tuple[Check, ...] = (
    Check(images_are_bytes_with_one_label_each),
    Check(every_class_is_in_both_parts),
    Check(name_is_the_registered_one),
    Check(loading_again_gives_the_same),
    Check(splits_into_training_and_validation),
)


def _short(labels: list[int]) -> str:
    """A list of labels, shortened to fit a line."""
    return str(labels) if len(labels) <= 12 else f"[{labels[0]}, {labels[1]}, ..., {labels[-1]}]"
