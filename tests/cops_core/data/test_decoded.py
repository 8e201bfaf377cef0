"""Images are decoded once; a change of their files, a damaged copy and a full disk are noticed."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from cops_core.data import decoded
from cops_core.data.decoded import decoded_images
from cops_core.data.images import centre, exactly, read_images


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    """Three images of 8 x 8."""
    made = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(made):
        Image.new("RGB", (8, 8), (number, 10, 200)).save(path)
    return made


@pytest.fixture
def decoding(monkeypatch) -> list[list[Path]]:
    """What has been decoded."""
    done: list[list[Path]] = []

    def read(paths, shape):
        done.append(list(paths))
        return read_images(paths, shape)

    monkeypatch.setattr(decoded, "read_images", read)
    return done


def kept(root: Path) -> list[Path]:
    return sorted((root / "decoded").iterdir())


def mapped(images: torch.Tensor) -> bool:
    """Whether they lie in a file's pages."""
    address = images.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if begin <= address < end:
            return line.endswith(".npy")
    return False


def test_images_are_decoded_once_and_mapped(tmp_path, paths, decoding):
    first, second = (decoded_images(tmp_path, "birds-train", paths, exactly(8)) for _ in range(2))
    assert torch.equal(first, read_images(paths, exactly(8)))
    assert torch.equal(first, second)
    assert decoding == [paths]
    assert mapped(first)
    assert mapped(second)
    (file,) = kept(tmp_path)
    assert file.name.startswith("birds-train-")


def test_who_writes_into_them_changes_no_file(tmp_path, paths, decoding):
    images = decoded_images(tmp_path, "birds-train", paths, exactly(8))
    before = images.clone()
    images[0] = 99
    assert torch.equal(decoded_images(tmp_path, "birds-train", paths, exactly(8)), before)
    assert len(decoding) == 1


def another_image(paths):
    Image.new("RGB", (8, 8), (77, 10, 200)).save(paths[1])


def another_time(paths):
    os.utime(paths[1], ns=(0, 1))


def one_less(paths):
    paths.pop()


def another_order(paths):
    paths.reverse()


@pytest.mark.parametrize("change", [another_image, another_time, one_less, another_order])
def test_other_files_are_decoded_again_and_take_the_old_ones_place(tmp_path, paths, decoding, change):
    decoded_images(tmp_path, "birds-train", paths, exactly(8))
    decoded_images(tmp_path, "birds-val", paths[:1], exactly(8))
    old = kept(tmp_path)
    change(paths)
    again = decoded_images(tmp_path, "birds-train", paths, exactly(8))
    assert torch.equal(again, read_images(paths, exactly(8)))
    assert len(decoding) == 3
    assert len(kept(tmp_path)) == 2
    assert len(set(kept(tmp_path)) & set(old)) == 1


def test_another_shape_or_decoder_is_another_key(tmp_path, paths, decoding, monkeypatch):
    for shape in (exactly(8), centre(8), centre(4)):
        assert torch.equal(decoded_images(tmp_path, "birds-train", paths, shape), read_images(paths, shape))
    monkeypatch.setattr(decoded, "DECODER", "another")
    decoded_images(tmp_path, "birds-train", paths, centre(4))
    assert len(decoding) == 4


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"<html>", None], ids=["none", "head", "page", "cut"])
def test_a_damaged_copy_counts_as_none(tmp_path, paths, decoding, content):
    whole = decoded_images(tmp_path, "birds-train", paths, exactly(8)).clone()
    (file,) = kept(tmp_path)
    damaged = file.read_bytes()[:-1] if content is None else content
    file.unlink()
    file.write_bytes(damaged)
    assert torch.equal(decoded_images(tmp_path, "birds-train", paths, exactly(8)), whole)
    assert len(decoding) == 2
    assert kept(tmp_path) == [file]
    assert torch.equal(decoded_images(tmp_path, "birds-train", paths, exactly(8)), whole)
    assert len(decoding) == 2


def test_where_nothing_can_be_written_images_are_decoded_each_time(tmp_path, paths, decoding):
    (tmp_path / "decoded").write_text("in the way of the folder")
    for _ in range(2):
        images = decoded_images(tmp_path, "birds-train", paths, exactly(8))
        assert torch.equal(images, read_images(paths, exactly(8)))
    assert len(decoding) == 2


def test_a_full_disk_leaves_nothing_behind(tmp_path, paths, monkeypatch):
    def full(file, array):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded.np, "save", full)
    images = decoded_images(tmp_path, "birds-train", paths, exactly(8))
    assert torch.equal(images, read_images(paths, exactly(8)))
    assert kept(tmp_path) == []


def test_a_missing_file_is_named_before_anything_is_kept(tmp_path, paths, refused):
    paths[1].unlink()
    with refused("1.png is missing"):
        decoded_images(tmp_path, "birds-train", paths, exactly(8))
    assert not (tmp_path / "decoded").exists()
