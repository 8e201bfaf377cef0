"""Folders of images in real formats, written by the test: sizes, colours, order, and what is refused."""

import io
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cops_core.contracts.base import failures
from cops_core.contracts.data import DATA_CHECKS, DataSet
from cops_core.data import DATASETS, load_data
from cops_core.data.folder import image_folder
from cops_core.data.images import centre, read_images
from cops_core.errors import InputError
from cops_core.plugins import CORE_REGISTRIES, find_plugins, load_plugin

birds = image_folder("birds", 8)


@pytest.fixture
def folder(tmp_path, write_image_folder):
    write_image_folder(tmp_path / "birds")
    return tmp_path / "birds"


def one(tmp_path, image, name="image.png", size=8, **options):
    """What is read of a file of this image, shape (3, size, size)."""
    image.save(tmp_path / name, **options)
    return read_images([tmp_path / name], centre(size))[0]


def test_classes_and_images_are_in_the_order_of_names(folder):
    data = birds(folder.parent)
    assert (data.name, data.classes, data.shape) == ("birds", 3, (3, 8, 8))
    assert data.train_labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert data.test_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (data.train_images.dtype, data.train_labels.dtype) == (torch.uint8, torch.int64)
    red, green, blue = data.train_images.int().unbind(dim=1)
    assert (red - 40 * (data.train_labels + 1)[:, None, None]).abs().max() <= 3
    assert green.max() <= 3
    assert (blue - (10 * torch.arange(30) % 100)[:, None, None]).abs().max() <= 3


def test_the_folders_name_may_be_another(folder):
    other = image_folder("eagles", 8, folder="birds")(folder.parent)
    assert other.name == "eagles"
    assert other.sha256 == birds(folder.parent).sha256


def test_the_docs_plugin_of_three_lines_keeps_the_contract(folder, tmp_path, monkeypatch):
    page = Path(__file__).resolve().parents[3] / "docs" / "extending.md"
    (text,) = re.findall(r"```python\n(# birds.py\n.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "birds.py").write_text(text)
    (plugin,) = find_plugins([str(tmp_path / "plugins" / "birds.py")], announced=False)
    registered: dict = {}
    registries = {"DATASETS": replace(CORE_REGISTRIES["DATASETS"], components=registered)}
    assert load_plugin(plugin, registries) == {"DATASETS": ("birds",)}
    monkeypatch.setitem(DATASETS, "birds", registered["birds"])
    assert list(failures(DATA_CHECKS, DataSet("birds", tmp_path))) == []
    assert load_data("birds", tmp_path).shape == (3, 96, 96)


def test_hidden_files_and_what_lies_beside_the_classes_is_passed_over(folder):
    before = birds(folder.parent).sha256
    (folder / "train" / "ant.tar").write_bytes(b"ant")
    (folder / "val" / "labels.csv").write_text("ant")
    (folder / "train" / "ant" / ".DS_Store").write_bytes(b"\0")
    (folder / "train" / ".cache").mkdir()
    assert birds(folder.parent).sha256 == before


noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.ppm", "x.tif", "X.PNG", "x.TIFF"])
def test_an_image_of_the_size_is_read_bit_for_bit(tmp_path, name):
    assert np.array_equal(one(tmp_path, Image.fromarray(noise), name), noise.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(16, 16), (40, 16), (16, 40), (17, 16), (16, 19)])
def test_the_middle_of_the_longer_side_is_kept(tmp_path, size):
    """A black square in the middle of white, as large as the shorter side."""
    width, height = size
    image = Image.new("RGB", size, "white")
    image.paste("black", ((width - 16) // 2, (height - 16) // 2, (width + 16) // 2, (height + 16) // 2))
    read = one(tmp_path, image)
    assert read[:, 1:-1, 1:-1].max() == 0
    assert read.float().mean() < 40


def test_smaller_ones_are_averages_of_all_that_a_pixel_covers(tmp_path):
    """Stripes of one pixel become grey; without antialiasing they would be black or white."""
    stripes = (255 * (np.arange(64) % 2)).astype(np.uint8)
    read = one(tmp_path, Image.fromarray(np.repeat(stripes[None], 64, axis=0)))
    assert (read.int() - 127).abs().max() <= 12


def test_the_crop_is_that_of_the_whole_image_scaled(tmp_path):
    draws = np.random.default_rng(1)
    image = Image.fromarray(draws.integers(0, 256, (6, 9, 3), dtype=np.uint8)).resize((96, 64))
    whole = np.asarray(image.resize((48, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(one(tmp_path, image, size=32), whole[:, :, 8:40])


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2000, 3)])
def test_sides_of_any_length_are_read(tmp_path, size):
    read = one(tmp_path, Image.new("RGB", size, (9, 8, 7)))
    assert read.flatten(1).unique(dim=1).tolist() == [[9], [8], [7]]


def with_palette():
    return Image.fromarray(noise).quantize(4)


def half_transparent():
    image = Image.new("RGBA", (8, 8), (200, 100, 50, 255))
    image.paste((200, 100, 50, 0), (0, 0, 4, 8))
    return image


def grey_with_alpha():
    return half_transparent().convert("LA")


COLOURS = {
    "grey": (Image.new("L", (8, 8), 77), "png", (77, 77, 77), (77, 77, 77)),
    "one bit": (Image.new("1", (8, 8), 1), "png", (255,) * 3, (255,) * 3),
    "transparent": (half_transparent(), "png", (0, 0, 0), (200, 100, 50)),
    "grey with alpha": (grey_with_alpha(), "png", (0, 0, 0), (124, 124, 124)),
    "grey JPEG": (Image.new("L", (8, 8), 77), "jpg", (77,) * 3, (77,) * 3),
    "CMYK JPEG": (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "jpg", (255, 0, 0), (255, 0, 0)),
    "CMYK TIFF": (Image.new("CMYK", (8, 8), (255, 0, 255, 0)), "tif", (0, 255, 0), (0, 255, 0)),
}


@pytest.mark.parametrize("what", COLOURS)
def test_every_kind_of_colour_becomes_red_green_and_blue(tmp_path, what):
    image, kind, left, right = COLOURS[what]
    read = one(tmp_path, image, f"x.{kind}").int()
    assert (read[:, 3, 0] - torch.tensor(left)).abs().max() <= 2
    assert (read[:, 3, 7] - torch.tensor(right)).abs().max() <= 2


def test_a_palette_becomes_its_colours(tmp_path):
    image = with_palette()
    assert np.array_equal(one(tmp_path, image), np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_a_transparent_colour_of_a_palette_lies_on_black(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([200, 100, 50, 1, 2, 3])
    image.paste(1, (0, 0, 8, 4))
    read = one(tmp_path, image, "x.gif", transparency=0)
    assert read[:, 0, 0].tolist() == [1, 2, 3]
    assert read[:, 7, 0].tolist() == [0, 0, 0]


def test_the_first_image_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    read = one(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])
    assert read[:, 0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_are_refused_rather_than_clipped(tmp_path, refused):
    with refused(r"x.png cannot be read as an image \(its pixels are of Pillow's mode I;16, not 8 bits per"):
        one(tmp_path, Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)), "x.png")


def remove(path, folder):
    for file in (folder / path).iterdir():
        file.unlink()
    (folder / path).rmdir()


def empty(path, folder):
    for file in (folder / path).iterdir():
        file.unlink()


def write(path, content, folder):
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(content)


def rename(path, new, folder):
    (folder / path).rename(folder / new)


WRONG = {
    "class missing in val": (partial(remove, "val/bee"), "val/bee is missing: add it with images of this cl"),
    "class missing in train": (
        partial(remove, "train/bee"),
        "val/bee is a class without training images: add .*train/bee, or remove it",
    ),
    "class empty": (partial(empty, "val/cat"), "val/cat has no images: add some, or remove the class"),
    "no val": (partial(rename, "val", "test"), "val is not a folder: put a folder of images per class there"),
    "no image": (
        partial(write, "train/ant/notes.txt", b"ant"),
        "notes.txt is not an image: remove it",
    ),
    "no image inside": (
        partial(write, "train/ant/0.jpg", b"<html>"),
        r"train/ant/0.jpg cannot be read as an image \(cannot identify image file.*\): replace or remove it",
    ),
    "an empty file": (partial(write, "val/ant/0.jpg", b""), r"val/ant/0.jpg cannot be read as an image \("),
    "a folder in a class": (
        partial(write, "val/ant/more/0.jpg", b""),
        "ant/more is not an image: remove it",
    ),
    "a folder like an image": (
        partial(write, "val/ant/more.jpg/0.jpg", b""),
        r"val/ant/more.jpg cannot be read as an image \(.*[Dd]irectory.*\): replace",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_right_is_refused_by_name(folder, refused, what):
    change, words = WRONG[what]
    change(folder)
    with refused(words):
        birds(folder.parent)


def test_no_classes_at_all_are_refused(tmp_path, refused):
    for part in ("train", "val"):
        (tmp_path / "birds" / part).mkdir(parents=True)
        (tmp_path / "birds" / part / "image.png").write_bytes(b"")
    with refused("train has no folders: add a folder of images for each class"):
        birds(tmp_path)


@pytest.mark.parametrize("size", [0, -1, 1025])
def test_sizes_that_make_no_sense_are_refused(refused, size):
    with refused(f"image size {size} of data set 'birds' is not in"):
        image_folder("birds", size)


def encoded(kind):
    file = io.BytesIO()
    image = Image.fromarray(np.repeat(np.repeat(noise, 4, axis=0), 4, axis=1))
    image.save(file, kind)
    return file.getvalue()


KINDS = {kind: encoded(kind) for kind in ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP")}


@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_a_damaged_file_is_an_image_or_one_line(tmp_path_factory, data, kind):
    """Cut short anywhere, and with some bytes changed: never another kind of error."""
    content = bytearray(KINDS[kind][: data.draw(st.integers(0, len(KINDS[kind])))])
    for place in data.draw(st.lists(st.integers(0, 400), max_size=4)):
        if place < len(content):
            content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind.lower()}"
    path.write_bytes(content)
    said = ""
    try:
        images = read_images([path], centre(8))
    except InputError as error:
        said = str(error)
    assert images.shape == (1, 3, 8, 8) if not said else path.name in said
    assert len(said.splitlines()) <= 1


def test_classes_are_the_same_however_their_accents_are_spelt(folder):
    before = birds(folder.parent)
    (folder / "train" / "bee").rename(folder / "train" / "be\u0301e")  # as macOS spells it
    (folder / "val" / "bee").rename(folder / "val" / "b\u00e9e")
    after = birds(folder.parent)
    assert torch.equal(after.train_labels, before.train_labels)
    assert torch.equal(after.test_images, before.test_images)


def test_folders_that_look_alike_are_refused(folder, refused):
    (folder / "train" / "bee").rename(folder / "train" / "be\u0301e")
    (folder / "train" / "cat").rename(folder / "train" / "b\u00e9e")
    with refused("train has two folders that look like 'b\u00e9e', spelt with other characters: rename one"):
        birds(folder.parent)


def test_only_the_named_formats_are_opened(folder, refused, monkeypatch):
    """Pillow would hand an EPS file to Ghostscript, which runs what the file says."""
    started = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *a, **k: started.append(a))
    Image.new("RGB", (8, 8)).save(folder / "train" / "ant" / "0.jpg", format="EPS")
    with refused("0.jpg cannot be read as an image .*: replace or remove it"):
        birds(folder.parent)
    assert not started


def test_a_format_under_another_ones_name_is_read(folder):
    Image.new("RGB", (8, 8), "white").save(folder / "train" / "ant" / "0.jpg", format="PNG")
    assert birds(folder.parent).train_images[0].min() == 255
