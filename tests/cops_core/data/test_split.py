from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from cops_core.data import Split, load_data, load_split, split

TENTH = Decimal("0.1")
seeds = st.integers(0, 2**32 - 1)


def held_out(parts: Split) -> np.ndarray:
    """The validation images' places: the training images' complement."""
    return np.setdiff1d(np.arange(len(parts.data.train_labels)), parts.train_index)


def normalised(parts: Split, places: np.ndarray) -> torch.Tensor:
    """Raw training images at `places`, normalised by hand in float64."""
    raw = parts.data.train_images.double().numpy()
    train = raw[parts.train_index]
    mean, deviation = train.mean(axis=(0, 2, 3)), train.std(axis=(0, 2, 3), ddof=1)
    return torch.from_numpy((raw[places] - mean[:, None, None]) / deviation[:, None, None])


@given(seed=seeds, fraction=st.decimals("0.05", "0.95", places=3))
def test_parts_are_disjoint_and_whole(make_data, seed, fraction):
    parts = split(make_data(), seed, fraction)
    size = int(60 * fraction + Decimal("0.5"))
    assert len(parts.validation) == size
    assert len(parts.train) == len(parts.train_index) == len(set(parts.train_index)) == 60 - size
    places = held_out(parts)
    assert len(places) == size
    for part, index in ((parts.train, parts.train_index), (parts.validation, places)):
        torch.testing.assert_close(part.images.double(), normalised(parts, index), rtol=1e-4, atol=1e-5)
        assert torch.equal(part.labels, parts.data.train_labels[torch.from_numpy(index)])


def test_the_seed_alone_decides(make_data):
    first = split(make_data(), 5, TENTH)
    np.random.seed(1)
    torch.manual_seed(1)
    again, other = split(make_data(), 5, TENTH), split(make_data(), 6, TENTH)
    assert torch.equal(first.train.images, again.train.images)
    assert (first.train_index == again.train_index).all()
    assert not np.array_equal(first.train_index, other.train_index)


def test_a_split_never_changes():
    parts = load_split("digits", Path(), 0, TENTH)
    assert len(parts.validation) == 144
    assert held_out(parts)[:10].tolist() == [7, 16, 48, 52, 70, 90, 98, 100, 112, 118]
    assert parts.scoring_batch(0, 1)[1] == [6, 363, 459, 466, 798, 931, 1013, 1275, 1314, 1337]


def test_normalisation_looks_at_the_training_part_only(make_data):
    data = make_data()
    parts = split(data, 0, TENTH)
    pixels = data.train_images.clone()
    pixels[torch.from_numpy(held_out(parts))] = 255
    other = split(replace(data, train_images=pixels, test_images=data.test_images * 0), 0, TENTH)
    assert torch.equal(parts.train.images, other.train.images)
    assert not torch.equal(parts.validation.images, other.validation.images)
    torch.testing.assert_close(parts.train.images.mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(parts.train.images.std(dim=(0, 2, 3)), torch.ones(2))


def test_test_images_are_in_no_part(make_data):
    data = make_data()
    with_marked_test = replace(
        data, test_images=torch.full_like(data.test_images, 255), test_labels=data.test_labels + 100
    )
    parts = split(with_marked_test, 0, Decimal("0.5"))
    ours = split(data, 0, Decimal("0.5"))
    for marked, part in ((parts.train, ours.train), (parts.validation, ours.validation)):
        assert torch.equal(marked.images, part.images)
        assert torch.equal(marked.labels, part.labels)


def test_digits_are_split_into_training_and_test_without_loss():
    data = load_data("digits", Path())
    bunch = load_digits()
    everything = zip(bunch.images.astype(np.uint8), bunch.target, strict=True)
    ours = zip(
        torch.cat([data.train_images, data.test_images]).squeeze(1).numpy(),
        torch.cat([data.train_labels, data.test_labels]).tolist(),
        strict=True,
    )

    def counted(pairs):
        return Counter((image.tobytes(), int(label)) for image, label in pairs)

    assert counted(ours) == counted(everything)


def test_a_constant_channel_stays_finite(make_data):
    data = make_data()
    pixels = data.train_images.clone()
    pixels[:, 0] = 9
    parts = split(replace(data, train_images=pixels), 0, TENTH)
    assert not parts.train.images[:, 0].any()
    assert parts.validation.images.isfinite().all()


@pytest.mark.parametrize("fraction", ["0.001", "0.999"])
def test_an_empty_part_is_refused(make_data, fraction, refused):
    with refused(f"validation_fraction {fraction} of 60 images leaves a part empty: write a fraction"):
        split(make_data(), 0, Decimal(fraction))


@given(seed=seeds, per_class=st.integers(1, 10))
def test_scoring_batch_holds_as_many_of_each_class(make_data, seed, per_class):
    parts = split(make_data(), 0, TENTH)
    (images, labels), places = parts.scoring_batch(seed, per_class)
    assert torch.bincount(labels, minlength=3).tolist() == [per_class] * 3
    assert len(set(places)) == len(places) == 3 * per_class
    assert set(places) <= set(parts.train_index)
    assert torch.equal(labels, parts.data.train_labels[places])
    torch.testing.assert_close(images.double(), normalised(parts, np.array(places)), rtol=1e-4, atol=1e-5)


def test_scoring_batch_is_drawn_by_its_seed(make_data):
    parts = split(make_data(), 0, TENTH)
    (images, _), places = parts.scoring_batch(1, 4)
    np.random.seed(1)
    (again, _), same_places = parts.scoring_batch(1, 4)
    assert places == same_places
    assert torch.equal(images, again)
    assert parts.scoring_batch(2, 4)[1] != places


def test_scoring_batch_reaches_every_training_image(make_data):
    parts = split(make_data(), 0, TENTH)
    reached = {place for seed in range(60) for place in parts.scoring_batch(seed, 4)[1]}
    assert reached == set(parts.train_index)


def test_more_samples_than_images_are_refused(make_data, refused):
    parts = split(make_data(), 0, TENTH)
    fewest = int(torch.bincount(parts.train.labels).min())
    with refused(
        f"samples_per_class 21 is more than the .* of class 0 of random .seed 0.: write {fewest} or less"
    ):
        parts.scoring_batch(0, 21)


def test_a_rare_class_gives_what_it_has_where_no_score_reads_images(make_data, refused):
    data = make_data()
    rare = data.train_labels.clone()
    rare[rare == 2] = 1
    parts = split(replace(data, train_labels=rare), 0, TENTH)
    (_, labels), places = parts.scoring_batch(0, 21, needed=False)
    assert torch.bincount(labels, minlength=3).tolist()[2] == 0
    assert len(places) == len(labels) > 21
    with refused("class 2 of random has no image in the training part .seed 0.*: write a data set"):
        parts.scoring_batch(0, 21)
    (_, every), _ = parts.scoring_batch(0, 21, class_balanced=False, needed=False)
    assert len(every) == len(parts.train)


def test_images_that_are_enough_are_the_same_whether_or_not_they_are_read(make_data):
    parts = split(make_data(), 0, TENTH)
    assert parts.scoring_batch(1, 4, needed=False)[1] == parts.scoring_batch(1, 4)[1]


def test_batches_follow_the_order_and_the_last_may_be_smaller(make_data):
    part = split(make_data(), 0, TENTH).train
    order = np.random.RandomState(0).permutation(len(part))
    batches = list(part.batches(16, order))
    assert [len(labels) for _, labels in batches] == [16, 16, 16, 6]
    assert torch.equal(torch.cat([images for images, _ in batches]), part.images[order])
    assert torch.equal(torch.cat([labels for _, labels in batches]), part.labels[order])


def test_batches_without_an_order_are_as_the_images_lie(make_data):
    part = split(make_data(), 0, TENTH).train
    batches = list(part.batches(25))
    assert [len(labels) for _, labels in batches] == [25, 25, 4]
    assert torch.equal(torch.cat([images for images, _ in batches]), part.images)
    assert torch.equal(torch.cat([labels for _, labels in batches]), part.labels)
