"""What a launch checks of its data before the first trial, for every seed and every kind of proposal."""

from decimal import Decimal

import numpy as np
import pytest
import torch
from torch import nn

from cops_core.config import Floor, Regrow, Selection, TrialConfig
from cops_core.data import DATASETS, ImageData
from cops_core.errors import InputError
from cops_core.models import MODELS
from study.run.preflight import check_data


@pytest.fixture
def rare(monkeypatch):
    """`rare(count)`: registers a data set whose class 2 has that many training images."""

    def make(count):
        labels = np.arange(220) % 4
        labels[np.flatnonzero(labels[:180] == 2)[count:]] = 3
        images = torch.zeros((220, 1, 8, 8), dtype=torch.uint8)
        data = ImageData(
            name="rare",
            classes=4,
            train_images=images[:180],
            train_labels=torch.from_numpy(labels[:180]),
            test_images=images[180:],
            test_labels=torch.from_numpy(labels[180:]),
        )
        monkeypatch.setitem(DATASETS, "rare", lambda root: data)

    return make


def trial(target, seed=0, **changes):
    return TrialConfig(
        dataset="rare", arm="freeze", selection=Selection(target=target), seed=seed, density="0.1", **changes
    )


def test_a_class_that_is_too_rare_for_one_of_the_seeds_is_one_line(rare, tmp_path):
    rare(10)
    with pytest.raises(InputError, match=r"class 2 of rare \(seed \d+\): write \d or less, or a data set"):
        check_data([trial("snip", seed) for seed in range(20)], tmp_path)


def test_a_class_without_images_is_one_line_with_advice_that_can_be_followed(rare, tmp_path):
    rare(0)
    with pytest.raises(InputError, match=r"class 2 of rare has no image .* or without the class") as error:
        check_data([trial("magnitude"), trial("snip")], tmp_path)
    assert "0 or less" not in str(error.value)


def test_a_mask_that_would_never_change_is_refused(rare, tmp_path):
    rare(10)
    fixed = TrialConfig(
        dataset="rare",
        arm="prune",
        selection=Selection(target="random"),
        density="0.1",
        training={"epochs": 1},
    )
    long, short = (
        fixed.changed(selection=Selection(target="random", regrow=Regrow(every=every, until=1)))
        for every in (3, 2)  # steps of 162 images in batches of 100
    )
    check_data([fixed, long.changed(training={"epochs": 4})], tmp_path)
    for refused in (long, short):
        with pytest.raises(InputError, match=r"never changes a mask in 2 steps: write a smaller `every`"):
            check_data([fixed, refused], tmp_path)


@pytest.mark.parametrize("count", [0, 5])
def test_scores_that_read_no_images_need_none(rare, tmp_path, count):
    rare(count)
    check_data([trial(target) for target in ("magnitude", "synflow", "random")], tmp_path)
    check_data([TrialConfig(dataset="rare")], tmp_path)


def test_each_network_of_the_space_is_built_once(rare, tmp_path, monkeypatch):
    built = []

    def picky(shape, classes):
        built.append(shape)
        assert shape[1] == 8, "I want 8 x 8"
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

    rare(20)
    monkeypatch.setitem(MODELS, "picky", picky)
    check_data([trial("snip", seed, model="picky") for seed in range(3)], tmp_path)
    assert built == [(1, 8, 8)]
    with pytest.raises(InputError, match=r"model 'picky' cannot be built .*I want 8 x 8"):
        check_data(
            [trial("snip"), TrialConfig(dataset="digits", model="picky"), *_wide(monkeypatch)], tmp_path
        )


def _wide(monkeypatch):
    images = torch.zeros((40, 1, 9, 9), dtype=torch.uint8)
    labels = torch.arange(40) % 2
    data = ImageData(
        name="wide",
        classes=2,
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
    )
    monkeypatch.setitem(DATASETS, "wide", lambda root: data)
    return [TrialConfig(dataset="wide", model="picky")]


def floored(count, density=None, **changes):
    selection = Selection(target="magnitude", floor=Floor(count=count, per="unit"))
    return TrialConfig(dataset="rare", arm="prune", selection=selection, density=density, **changes)


def test_floors_that_need_more_weights_than_are_kept_are_one_line(rare, tmp_path):
    """LeNet-300-100 has 404 output units here, and 49,600 weights."""
    rare(20)
    advice = 'per="layer", or a density of at least 0.0082'
    check_data([floored(1, "0.0082")], tmp_path)
    with pytest.raises(InputError, match="floor: 1 for each of 404 output units needs 404") as error:
        check_data([floored(1, "0.0081"), floored(1, "0.5")], tmp_path)
    assert str(error.value).endswith(advice)
    hardest = [Decimal("0.5"), Decimal("0.005"), Decimal("0.05")]
    check_data([floored(1)], tmp_path, [Decimal("0.01")])
    with pytest.raises(InputError, match=r"density 0\.005 keeps 248"):
        check_data([floored(1)], tmp_path, hardest)
    check_data([floored(1)], tmp_path)


def test_an_empty_part_is_one_line(rare, tmp_path):
    rare(20)
    with pytest.raises(InputError, match="leaves a part empty"):
        check_data([trial("magnitude", validation_fraction="0.001")], tmp_path)
