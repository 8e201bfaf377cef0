"""Tiny ImageNet in the folders of its archive, written by the test, and what happens without them."""

import hashlib
import zipfile
from importlib import import_module

import pytest
import torch
from PIL import Image

from cops_core.config import Selection, Training, TrialConfig
from cops_core.data import load_data
from cops_core.data.tiny_imagenet import tiny_imagenet
from cops_core.trial import run_trial

module = import_module("cops_core.data.tiny_imagenet")  # its function has the same name in the package


def test_classes_are_those_of_wnids_and_val_is_the_test_part(tmp_path, write_tiny_imagenet):
    write_tiny_imagenet(tmp_path)
    data = tiny_imagenet(tmp_path)
    assert (data.name, data.classes, data.shape) == ("tiny_imagenet", 3, (3, 64, 64))
    assert data.train_labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert data.test_labels.tolist() == [0, 1, 2] * 4
    place, number = torch.arange(30) // 10, torch.arange(30) % 10
    colours = torch.stack([40 * (place + 1), 20 * number, 10 * number], dim=1)
    assert (data.train_images.int() - colours[:, :, None, None]).abs().max() <= 3
    number = torch.arange(12)
    colours = torch.stack([40 * (number % 3 + 1), torch.full((12,), 100), 10 * number], dim=1)
    assert (data.test_images.int() - colours[:, :, None, None]).abs().max() <= 3


def test_rows_and_columns_lie_as_in_the_image(tmp_path, write_tiny_imagenet):
    folder = write_tiny_imagenet(tmp_path)
    image = Image.new("RGB", (64, 64))
    image.paste((200, 200, 200), (0, 0, 64, 16))  # the uppermost quarter
    image.save(folder / "train/n03/images/n03_0.JPEG")
    first = tiny_imagenet(tmp_path).train_images[0]
    assert (first[:, :16] > 190).all()
    assert (first[:, 16:] < 10).all()


def test_grey_images_get_three_equal_channels(tmp_path, write_tiny_imagenet):
    folder = write_tiny_imagenet(tmp_path)
    Image.linear_gradient("L").resize((64, 64)).save(folder / "train/n01/images/n01_4.JPEG")
    image = tiny_imagenet(tmp_path).train_images[14]
    assert len(image.unique()) > 50
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])


def drop(path):
    return lambda folder: (folder / path).unlink()


def write(path, text):
    return lambda folder: (folder / path).write_text(text)


def cut(path):
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes()[:-200])


def larger(path):
    return lambda folder: Image.new("RGB", (65, 64)).save(folder / path)


IMAGE, BOXES, NOTES = "train/n01/images/n01_3.JPEG", "train/n01/n01_boxes.txt", "val/val_annotations.txt"
WRONG = {
    "training image missing": (drop(IMAGE), "n01_3.JPEG is missing: put the data set's files there again"),
    "test image missing": (drop("val/images/val_3.JPEG"), "val_3.JPEG is missing: put the data set's"),
    "list of a class missing": (drop(BOXES), "n01_boxes.txt is missing: unpack the archive again"),
    "list of a class empty": (write(BOXES, "\n"), "n01_boxes.txt is empty or has a name twice: unpack"),
    "image cut short": (cut(IMAGE), r"n01_3.JPEG cannot be read as an image \(.+\): replace or remove it"),
    "image of another size": (larger(IMAGE), r"n01_3.JPEG cannot .* \(it is 65 x 64, not 64 x 64\): replace"),
    "web page": (write(IMAGE, "<html>not found</html>"), r"n01_3.JPEG cannot be read as an image \(.*\)"),
    "class twice": (write("wnids.txt", "n01\nn03\nn01\n"), "wnids.txt is empty or has a name twice"),
    "class unknown": (
        write(NOTES, "val_0.JPEG\tn99\t0\t0\t1\t1\n"),
        "has no class of wnids.txt for val_0.JPEG",
    ),
    "no class": (write(NOTES, "val_0.JPEG\n"), "annotations.txt has no class of wnids.txt for val_0.JPEG"),
    "class without test images": (
        write(NOTES, "val_0.JPEG\tn03\nval_2.JPEG\tn02\n"),
        "val_annotations.txt has no image of class n01: unpack the archive again",
    ),
    "not text": (
        lambda folder: (folder / "wnids.txt").write_bytes(b"\xff\xfe\x00"),
        r"wnids.txt cannot be read \(.*\): unpack the archive again",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_whole_is_refused_by_name(tmp_path, write_tiny_imagenet, refused, what):
    change, words = WRONG[what]
    change(write_tiny_imagenet(tmp_path))
    with refused(words):
        tiny_imagenet(tmp_path)


def test_prepared_files_need_neither_network_nor_torchvision(tmp_path, write_tiny_imagenet, monkeypatch):
    monkeypatch.setattr(module, "torchvision_datasets", lambda: pytest.fail("asked for torchvision"))
    write_tiny_imagenet(tmp_path)
    tiny_imagenet(tmp_path)
    assert not list(tmp_path.glob("*.lock"))


@pytest.mark.parametrize("path", ["wnids.txt", "val/val_annotations.txt"])
def test_half_a_folder_is_neither_used_nor_removed(tmp_path, write_tiny_imagenet, refused, path):
    folder = write_tiny_imagenet(tmp_path)
    (folder / path).unlink()
    with refused(r"tiny-imagenet-200 is incomplete: remove it, or unpack https://"):
        tiny_imagenet(tmp_path)
    assert (folder / "words.txt").exists()


def test_the_archives_checksum_and_address():
    # As dozens of public code bases that download the archive have it.
    assert f"{module.HOME}/{module.FOLDER}.zip" == "https://cs231n.stanford.edu/tiny-imagenet-200.zip"
    assert module.MD5 == "90528d7ca1a48142e341f4ef8d21d0de"


def test_an_archive_is_fetched_once_and_unpacked(tmp_path, served, write_tiny_imagenet, monkeypatch):
    home, url = served
    folder = write_tiny_imagenet(tmp_path / "prepared")
    archive = home / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, path.relative_to(folder.parent))
    monkeypatch.setattr(module, "HOME", url)
    monkeypatch.setattr(module, "MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    data = tiny_imagenet(tmp_path / "root")
    assert data.sha256 == tiny_imagenet(tmp_path / "prepared").sha256
    archive.unlink()
    assert tiny_imagenet(tmp_path / "root").sha256 == data.sha256
    assert {path.name for path in (tmp_path / "root").iterdir()} - {"TinyImageNet.lock"} == {
        folder.name,
        "decoded",
    }


@pytest.mark.parametrize("content", [None, b"<html>moved</html>"], ids=["none", "a web page"])
def test_another_archive_is_refused_and_leaves_nothing(tmp_path, served, refused, monkeypatch, content):
    home, url = served
    monkeypatch.setattr(module, "HOME", url)
    if content is not None:
        (home / "tiny-imagenet-200.zip").write_bytes(content)
    with refused(
        r"TinyImageNet is not in .* could not be downloaded \(.*\): unpack .*/tiny-imagenet-200.zip in .*"
        r", or put its files into .*tiny-imagenet-200"
    ):
        tiny_imagenet(tmp_path / "root")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("dataset", ["tiny_imagenet", "imagenet64"])
def test_a_whole_trial_tells_the_classes_apart(prepared_root, dataset):
    """A network that is frozen but for a tenth separates three shades of red by its test images."""
    selection = Selection(target="snip", samples_per_class=4)
    training = Training(epochs=20, batch_size=9, learning_rate=0.01)
    config = TrialConfig(
        dataset=dataset, arm="freeze", selection=selection, density="0.1", training=training, test=True
    )
    result = run_trial(config, lambda metrics: None, data_root=prepared_root)
    assert result.status == "finished"
    assert result.facts["data_sha256"] == load_data(dataset, prepared_root).sha256
    assert result.facts["test_accuracy"] > 0.6
