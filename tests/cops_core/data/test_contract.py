"""What holds for every registered data set; a new one inherits these tests."""

import inspect
import pkgutil
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest
import torch

import cops_core.data
from cops_core.data import DATASETS, ImageData, load_data, load_split

AT_HAND_ONLY_WITH = {"fashion_mnist": pytest.mark.fashion}


@pytest.fixture(params=[pytest.param(name, marks=AT_HAND_ONLY_WITH.get(name, ())) for name in DATASETS])
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def data(name, mnist_root) -> ImageData:
    return load_data(name, mnist_root)


def test_images_are_bytes_with_an_integer_label_each(name, data):
    assert data.name == name
    for images, labels in (
        (data.train_images, data.train_labels),
        (data.test_images, data.test_labels),
    ):
        assert images.dtype == torch.uint8
        assert images.shape == (len(labels), *data.shape)
        assert labels.dtype == torch.int64
        assert labels.unique().tolist() == list(range(data.classes))


def test_a_second_look_finds_the_same_data(name, data, mnist_root):
    again = DATASETS[name](mnist_root)
    assert again is not data
    assert again.sha256 == data.sha256
    assert load_data(name, mnist_root) is data


def test_hash_sees_every_part(data):
    for field in ("train_images", "train_labels", "test_images", "test_labels"):
        part = getattr(data, field).clone()
        part[-1] += 1
        changed = {**vars(data), field: part}
        changed.pop("sha256", None)
        assert ImageData(**changed).sha256 != data.sha256


def test_split_is_made_once_per_process(name, mnist_root):
    first = load_split(name, mnist_root, 3, Decimal("0.1"))
    assert load_split(name, mnist_root, 3, Decimal("0.1")) is first
    assert len(first.train) + len(first.validation) == len(first.data.train_labels)


def unregistered(registry: dict) -> list[str]:
    """Loaders `(root) -> ImageData` that the modules of the package define but the registry lacks."""
    missing = []
    for info in pkgutil.iter_modules(cops_core.data.__path__, "cops_core.data."):
        for name, member in inspect.getmembers(import_module(info.name), inspect.isfunction):
            loads = inspect.get_annotations(member) == {"root": Path, "return": ImageData}
            if loads and member.__module__ == info.name and member not in registry.values():
                missing.append(name)
    return missing


def test_every_loader_in_the_package_is_registered(name):
    assert unregistered(DATASETS) == []
    assert unregistered({other: DATASETS[other] for other in DATASETS if other != name}) == [name]


def test_digits_never_change():
    data = load_data("digits", Path())
    assert data.sha256 == "fa11263d26a2a2cfbc9eaf9fedabb473ff7951f9b5dd0cd62a1445903d22602d"
    assert (len(data.train_labels), len(data.test_labels), data.shape) == (1_437, 360, (1, 8, 8))


@pytest.mark.fashion
def test_fashion_mnist_never_changes():
    data = load_data("fashion_mnist", Path())
    assert data.sha256 == "ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619"
    assert (len(data.train_labels), len(data.test_labels), data.shape) == (60_000, 10_000, (1, 28, 28))


def test_unknown_data_set(refused, tmp_path):
    with refused("unknown data set 'mnits': did you mean 'mnist'"):
        load_data("mnits", tmp_path)
