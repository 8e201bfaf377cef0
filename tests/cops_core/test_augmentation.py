"""Augmentation of whole batches, held against one image at a time."""

from decimal import Decimal
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from cops_core.augmentation import AUGMENTATIONS, crop_flip, none
from cops_core.config import Training
from cops_core.data import Split, split
from cops_core.streams import stream


@pytest.fixture(params=[(3, 8, 8), (1, 5, 9), (2, 1, 1)], ids=str)
def parts(request, make_data) -> Split:
    return split(make_data(train=400, shape=request.param), 0, Decimal("0.5"))


def one_by_one(parts: Split, draws: np.random.RandomState) -> Tensor:
    """Pad the raw bytes of each image with zeros, cut, mirror, and normalise afterwards."""
    height, width = parts.data.shape[1:]
    raw = parts.data.train_images[parts.train_index].numpy()
    offsets, sides = draws.randint(0, 9, (2, len(raw), 1)), draws.randint(0, 2, (len(raw), 1))
    crops = []
    for place, image in enumerate(raw):
        canvas = np.zeros((len(image), height + 8, width + 8), dtype=np.uint8)
        canvas[:, 4 : height + 4, 4 : width + 4] = image
        top, left = offsets[:, place, 0]
        crop = canvas[:, top : top + height, left : left + width]
        crops.append(np.flip(crop, axis=2) if sides[place, 0] else crop)
    return (torch.from_numpy(np.stack(crops)).to(torch.float32) - parts.mean) / parts.deviation


def test_crops_and_flips_are_those_of_the_raw_images(parts):
    ours = crop_flip(parts.train.images, parts.black, stream(3, "augmentation", 1))
    assert torch.equal(ours, one_by_one(parts, stream(3, "augmentation", 1)))


def test_the_images_stay_as_they_are(parts):
    images = parts.train.images
    before = images.clone()
    assert none(images, parts.black, stream(0, "augmentation", 1)) is images
    crop_flip(images, parts.black, stream(0, "augmentation", 1))
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_shape_and_type_are_kept_whatever_the_size_of_the_batch(parts, name, dtype):
    for size in (1, 7):
        images = parts.train.images[:size].to(dtype)
        ours = AUGMENTATIONS[name](images, parts.black.to(dtype), stream(0, "augmentation", 1))
        assert (ours.shape, ours.dtype) == (images.shape, dtype)


def test_every_crop_is_as_likely_as_every_other():
    """An image whose pixels are all different tells which of the 9 x 9 x 2 crops it became."""
    picture = torch.arange(1, 101, dtype=torch.float32).reshape(1, 1, 10, 10)
    count = 162 * 200
    ours = crop_flip(picture.expand(count, 1, 10, 10), torch.zeros(1, 1, 1, 1), stream(0, "augmentation", 1))
    _, counts = torch.unique(ours.reshape(count, 100), dim=0, return_counts=True)
    assert len(counts) == 162
    assert ((counts - 200).double().square() / 200).sum() < 162 + 5 * np.sqrt(2 * 162)  # chi-squared


def test_each_image_has_draws_of_its_own_and_each_epoch_others():
    images = torch.rand(1, 1, 8, 8).expand(50, 1, 8, 8)
    black = torch.zeros(1, 1, 1, 1)
    first, again, other = (
        crop_flip(images, black, stream(0, "augmentation", epoch)).flatten(1) for epoch in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len({tuple(image) for image in first.tolist()}) > 30


def test_the_configuration_knows_every_augmentation():
    assert set(get_args(Training.model_fields["augmentation"].annotation)) == set(AUGMENTATIONS)


@pytest.mark.gpu
def test_on_the_gpu_as_on_the_cpu(make_data):
    parts = split(make_data(shape=(3, 8, 8)), 0, Decimal("0.5"))
    on_gpu = parts.to(torch.device("cuda"))
    ours = crop_flip(on_gpu.train.images, on_gpu.black, stream(3, "augmentation", 1))
    assert ours.device.type == "cuda"
    assert torch.equal(ours.cpu(), crop_flip(parts.train.images, parts.black, stream(3, "augmentation", 1)))
