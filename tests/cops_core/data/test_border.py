"""A data set of a plugin is used as it is, or refused in one line that says what to write instead."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cops_core.data import DATASETS, load_data

CHANGES = {
    "images of floats": (lambda d: replace(d, train_images=d.train_images / 255), r"torch.float32.*\* 255"),
    "test images of floats": (lambda d: replace(d, test_images=d.test_images.double()), "test images are"),
    "arrays": (lambda d: replace(d, train_images=d.train_images.numpy()), "ndarray: write torch.from_numpy"),
    "labels as an array": (
        lambda d: replace(d, test_labels=d.test_labels.numpy()),
        "test labels are of type",
    ),
    "labels as a list": (lambda d: replace(d, test_labels=d.test_labels.tolist()), "torch.as_tensor"),
    "flat images": (lambda d: replace(d, train_images=d.train_images[:, 0]), r"images\[:, None\]"),
    "no images": (lambda d: replace(d, test_images=d.test_images[:0]), "have no pixels"),
    "channels last": (
        lambda d: replace(d, train_images=torch.zeros((60, 32, 32, 3), dtype=torch.uint8)),
        r"channels last: write images.permute",
    ),
    "labels of another type": (lambda d: replace(d, train_labels=d.train_labels.int()), "torch.int32"),
    "one label less": (lambda d: replace(d, train_labels=d.train_labels[1:]), "60 training images have"),
    "one-hot labels": (
        lambda d: replace(d, train_labels=torch.nn.functional.one_hot(d.train_labels)),
        "labels of shape",
    ),
    "labels from 1": (lambda d: replace(d, train_labels=d.train_labels + 1), "write class numbers from 0"),
    "negative labels": (lambda d: replace(d, test_labels=d.test_labels - 1), r"test labels are in \[-1, 1\]"),
    "test images of another size": (
        lambda d: replace(d, test_images=d.test_images[:, :, 1:]),
        "test images have the shape .2, 3, 5., training images .2, 4, 5.",
    ),
    "one class": (lambda d: replace(d, classes=1), "1 classes: write a whole number"),
    "classes as a fraction": (lambda d: replace(d, classes=3.0), "3.0 classes"),
    "a pair": (lambda d: (d.train_images, d.train_labels), "an object of type tuple"),
    "nothing": (lambda d: None, "an object of type NoneType"),
    "a class": (lambda d: type(d), "an object of type type"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_wrong_is_one_line(make_data, monkeypatch, tmp_path, refused, name):
    change, words = CHANGES[name]
    monkeypatch.setitem(DATASETS, "wrong", lambda root: change(make_data()))
    with refused(f"data set 'wrong'.*{words}.*"):
        load_data("wrong", tmp_path)


def raises(root):
    raise ValueError("no\nsuch thing")


def needs_more(root, split):
    return None


def reads(root):
    return np.load(root / "nothing.npy")


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (raises, "ValueError: no such thing"),
        (needs_more, "TypeError"),
        (reads, "FileNotFoundError.*nothing.npy"),
        (lambda root: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_loader_that_raises_is_one_line(monkeypatch, tmp_path, refused, load, words):
    monkeypatch.setitem(DATASETS, "wrong", load)
    with refused(f"data set 'wrong' cannot be loaded from .*{words}.*: write a function .root."):
        load_data("wrong", tmp_path)
