"""Parts hold bytes, and give the batches of parts that are normalised beforehand, bit for bit."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cops_core.config import Training
from cops_core.data import Part, Split, load_data, split
from cops_core.data.channels import channel_counts, mean_and_deviation
from cops_core.data.part import Normalisation
from cops_core.freeze_net import FreezeNet
from cops_core.models import build_model
from cops_core.train import Trainer

TENTH = Decimal("0.1")
seeds = st.integers(0, 2**32 - 1)


def as_floats(parts: Split) -> Split:
    """The same split with all images normalised beforehand, by the same mean and deviation."""
    data, total = parts.data, len(parts.data.train_labels)
    unseen = np.setdiff1d(np.arange(total), parts.train_index)

    def part(places: np.ndarray) -> Part:
        pixels = data.train_images[torch.from_numpy(places)].to(torch.float32)
        return Part((pixels - parts.mean) / parts.deviation, data.train_labels[torch.from_numpy(places)])

    return replace(parts, train=part(parts.train_index), validation=part(unseen))


def judging_as_floats(parts: Split) -> Part:
    """The test part, normalised beforehand."""
    pixels = parts.data.test_images.to(torch.float32)
    return Part((pixels - parts.mean) / parts.deviation, parts.data.test_labels)


def equal(ours, theirs) -> None:
    pairs = list(zip(ours, theirs, strict=True))
    assert pairs
    for (images, labels), (other_images, other_labels) in pairs:
        assert images.dtype == other_images.dtype == torch.float32
        assert torch.equal(images, other_images)
        assert torch.equal(labels, other_labels)


@given(seed=seeds, size=st.integers(1, 60), order=st.randoms(use_true_random=False))
def test_batches_are_the_same_bit_for_bit(make_data, seed, size, order):
    ours = split(make_data(), seed, TENTH)
    theirs = as_floats(ours)
    for mine, other in (
        (ours.train, theirs.train),
        (ours.validation, theirs.validation),
        (ours.test(), judging_as_floats(ours)),
    ):
        assert mine.normalisation is not None
        assert other.normalisation is None
        assert len(mine) == len(other)
        places = np.array(order.sample(range(len(mine)), len(mine)))
        equal(mine.batches(size), other.batches(size))
        equal(mine.batches(size, places), other.batches(size, places))
        head = min(size, len(mine) - 1)
        equal(mine.batches([head, len(mine) - head]), other.batches([head, len(mine) - head]))
        equal(mine.first(size).batches(7), other.first(size).batches(7))
        assert torch.equal(mine.images, other.images)
        assert torch.equal(mine.at(torch.tensor([2, 0])), other.images[[2, 0]])
    for balanced in (True, False):
        (mine_images, mine_labels), mine_places = ours.scoring_batch(seed, 3, class_balanced=balanced)
        (images, labels), places = theirs.scoring_batch(seed, 3, class_balanced=balanced)
        assert torch.equal(mine_images, images)
        assert torch.equal(mine_labels, labels)
        assert mine_places == places
    assert torch.equal(ours.black, theirs.black)


def test_parts_are_no_copies(make_data):
    data = make_data()
    parts = split(data, 0, TENTH)
    for part in (parts.train, parts.validation):
        assert part.stored.data_ptr() == data.train_images.data_ptr()
        assert part.to(torch.device("cpu")) is part
    assert parts.test().stored.data_ptr() == data.test_images.data_ptr()


def test_elsewhere_a_part_has_its_own_images_only(make_data):
    part = split(make_data(), 0, TENTH).validation
    moved = part.to(torch.device("meta"))  # a device without memory
    assert (moved.stored.shape, moved.stored.dtype) == ((6, 2, 4, 5), torch.uint8)
    assert [batch.shape for batch, _ in moved.batches(4)] == [(4, 2, 4, 5), (2, 2, 4, 5)]
    assert moved.at(slice(None)).device.type == "meta"


@pytest.mark.gpu
def test_on_a_gpu_batches_are_those_of_the_cpu(make_data):
    parts = split(make_data(), 0, TENTH)
    moved = parts.to(torch.device("cuda"))
    order = np.random.default_rng(0).permutation(len(parts.train))
    for mine, theirs in ((parts.train, moved.train), (parts.test(), moved.test())):
        pairs = ((images.cpu(), labels.cpu()) for images, labels in theirs.batches(7))
        equal(mine.batches(7), pairs)
    equal(parts.train.batches(7, order), ((i.cpu(), n.cpu()) for i, n in moved.train.batches(7, order)))


@given(seed=seeds, shape=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)))
def test_statistics_are_those_of_the_training_part_in_float64(make_data, seed, shape):
    parts = split(make_data(shape=shape), seed, TENTH)
    pixels = parts.data.train_images.double().numpy()[parts.train_index]
    mean, deviation = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3), ddof=1)
    assert parts.mean.shape == parts.deviation.shape == (1, shape[0], 1, 1)
    np.testing.assert_allclose(parts.mean.flatten(), mean, rtol=1e-7)
    np.testing.assert_allclose(parts.deviation.flatten(), deviation, rtol=1e-7)


def test_statistics_by_hand():
    images = torch.tensor([[0, 255], [2, 255], [4, 255]], dtype=torch.uint8).reshape(3, 2, 1, 1)
    counts = channel_counts(images, torch.tensor([0, 1, 2]))
    assert counts.shape == (2, 256)
    assert counts.nonzero().tolist() == [[0, 0], [0, 2], [0, 4], [1, 255]]
    mean, deviation = mean_and_deviation(counts)
    assert (mean.flatten().tolist(), deviation.flatten().tolist()) == ([2, 255], [2, 0])


def test_sums_are_exact_where_float32_is_not():
    """Ten thousand million pixels of 254 and 255: float32 could not even count them."""
    counts = torch.zeros((1, 256), dtype=torch.int64)
    counts[0, 254:] = 5 * 10**9
    mean, deviation = mean_and_deviation(counts)
    assert (float(mean), float(deviation)) == (254.5, 0.5)


def test_a_constant_channel_stays_finite(make_data):
    pixels = make_data().train_images.clone()
    pixels[:, 0] = 9
    parts = split(replace(make_data(), train_images=pixels), 0, TENTH)
    assert not parts.train.images[:, 0].any()
    assert parts.train.images.isfinite().all()


@pytest.mark.parametrize("augmentation", ["none", "crop_flip"])
def test_training_is_the_same_bit_for_bit(augmentation):
    ours = split(load_data("digits", Path()), 0, TENTH)
    rows = []
    for parts in (ours, as_floats(ours)):
        torch.manual_seed(0)
        network = FreezeNet(build_model("lenet_300_100", (1, 8, 8), 10), None)
        trainer = Trainer(network, parts, Training(epochs=1, augmentation=augmentation, probes=True), 0)
        row = trainer.run_epoch().row()
        rows.append({name: value for name, value in row.items() if name != "train_seconds"})
    assert rows[0] == rows[1]


def test_a_normalisation_is_the_formula():
    normalised = Normalisation(torch.full((1, 1, 1, 1), 10.0), torch.full((1, 1, 1, 1), 4.0))
    pixels = torch.tensor([[[[0, 10, 255]]]], dtype=torch.uint8)
    assert normalised(pixels).tolist() == [[[[-2.5, 0.0, 61.25]]]]
