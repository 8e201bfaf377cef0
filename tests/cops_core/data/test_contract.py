"""Every registered data set keeps the contract, and each check fails on one that breaks it."""

import inspect
import pkgutil
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest
import torch

import cops_core.data
from cops_core.contracts.base import failures
from cops_core.contracts.data import DATA_CHECKS, DataSet
from cops_core.data import DATASETS, ImageData, is_available, load_data, load_split

AVAILABLE_ONLY_WITH = {"fashion_mnist": pytest.mark.fashion}


@pytest.fixture(params=[pytest.param(name, marks=AVAILABLE_ONLY_WITH.get(name, ())) for name in DATASETS])
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def data(name, prepared_root) -> ImageData:
    return load_data(name, prepared_root)


@pytest.mark.parametrize("check", DATA_CHECKS, ids=lambda check: check.name)
def test_contract(name, check, prepared_root):
    check.run(DataSet(name, prepared_root))


def test_every_check_says_what_must_hold():
    for check in DATA_CHECKS:
        assert check.condition.endswith(".")
        assert "\n" not in check.condition


def floats(data):
    return replace(data, train_images=data.train_images.float())


def flat(data):
    return replace(data, train_images=data.train_images.flatten(1))


def short_labels(data):
    return replace(data, test_labels=data.test_labels.to(torch.int32))


def one_label_less(data):
    return replace(data, train_labels=data.train_labels[1:])


def one_hot(data):
    return replace(data, train_labels=torch.nn.functional.one_hot(data.train_labels))


def smaller_test_images(data):
    return replace(data, test_images=data.test_images[:, :, 1:])


def a_pair(data):
    return (data.train_images, data.train_labels)


def from_one(data):
    return replace(data, train_labels=data.train_labels + 1)


def unseen_class(data):
    return replace(data, test_labels=data.test_labels.clamp(max=1))


def too_many_classes(data):
    return replace(data, classes=1000)


def another_name(data):
    return replace(data, name="random")


def drawn_again(data):
    return replace(data, train_images=torch.randint_like(data.train_images, 256))


def too_few(data):
    return replace(data, train_images=data.train_images[:4], train_labels=data.train_labels[:4])


WRONG = {
    floats: ("images_are_bytes_with_one_label_each", "training images are torch.float32, not torch.uint8"),
    flat: ("images_are_bytes_with_one_label_each", "training images are 2-dimensional"),
    short_labels: ("images_are_bytes_with_one_label_each", "test labels are torch.int32, not torch.int64"),
    one_label_less: ("images_are_bytes_with_one_label_each", "60 training images have labels of shape (59,)"),
    one_hot: ("images_are_bytes_with_one_label_each", "60 training images have labels of shape (60, 3)"),
    smaller_test_images: ("images_are_bytes_with_one_label_each", "test images have the shape (2, 3, 5)"),
    a_pair: ("images_are_bytes_with_one_label_each", "is an object of type tuple"),
    from_one: ("images_are_bytes_with_one_label_each", "training labels are in [1, 3], the classes of 3"),
    unseen_class: ("every_class_is_in_both_parts", "test labels are [0, 1], not [0, 1, 2]"),
    too_many_classes: ("every_class_is_in_both_parts", "not [0, 1, ..., 999]"),
    another_name: ("name_is_the_registered_one", "has the name 'random'"),
    drawn_again: ("loading_again_gives_the_same", "the data are different"),
    too_few: (
        "splits_into_training_and_validation",
        "InputError: validation_fraction 0.1 of 4 images leaves a part empty",
    ),
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_data_set_that_breaks_a_promise_fails_its_check(change, make_data, monkeypatch, tmp_path):
    right = replace(make_data(), name="wrong")
    monkeypatch.setitem(DATASETS, "wrong", lambda root: right)
    assert list(failures(DATA_CHECKS, DataSet("wrong", tmp_path / "right"))) == []
    monkeypatch.setitem(DATASETS, "wrong", lambda root: change(right))
    check, words = WRONG[change]
    (named,) = (each for each in DATA_CHECKS if each.name == check)
    (line,) = failures([named], DataSet("wrong", tmp_path))
    assert words in line
    assert "\n" not in line


def test_no_promise_goes_unbroken():
    assert {check for check, _ in WRONG.values()} == {check.name for check in DATA_CHECKS}


def test_what_is_loaded_is_kept(name, data, prepared_root):
    assert DATASETS[name](prepared_root) is not data
    assert load_data(name, prepared_root) is data


def test_hash_sees_every_part(data):
    for field in ("train_images", "train_labels", "test_images", "test_labels"):
        part = getattr(data, field).clone()
        part[-1] += 1
        changed = {**vars(data), field: part}
        changed.pop("sha256", None)
        assert ImageData(**changed).sha256 != data.sha256


def test_split_is_made_once_per_process(name, prepared_root):
    first = load_split(name, prepared_root, 3, Decimal("0.1"))
    assert load_split(name, prepared_root, 3, Decimal("0.1")) is first
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


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100", "imagenet64", "tiny_imagenet"])
def test_data_sets_are_available_where_their_files_are(name, tmp_path, prepared_root):
    assert not is_available(name, tmp_path)
    assert is_available(name, prepared_root)
    assert is_available("digits", tmp_path)
    assert not is_available("imagenet", tmp_path)
