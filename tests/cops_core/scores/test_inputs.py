"""What `compute_scores` refuses, and with which words."""

import pytest
import torch
from torch import nn

from cops_core.errors import InputError
from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.scores import compute_scores


def test_unknown_score(build, batch):
    with pytest.raises(InputError, match="unknown score 'snipp': did you mean 'snip'"):
        compute_scores(["snipp"], build("plain"), batch, seed=1)


def test_wrong_batches_and_models(build, batch):
    images, labels = batch
    for wrong in [(images[:0], labels[:0]), (images, labels[:-1]), (images, labels[:, None])]:
        with pytest.raises(InputError, match="images of shape"):
            compute_scores(["snip"], build("plain"), wrong, seed=1)
    with pytest.raises(InputError, match="no weights to score: add a convolution or linear layer"):
        compute_scores(["snip"], nn.Flatten(), batch, seed=1)


def test_mask_of_another_model(build, batch):
    mask = Mask({name: torch.ones(w.shape) > 0 for name, w in maskable(build("plain")).items()})
    with pytest.raises(InputError, match="the mask has"):
        compute_scores(["snip"], build("rectified"), batch, seed=1, mask=mask)


def test_a_score_that_is_not_finite(build, batch):
    model = build("plain")
    with torch.no_grad():
        model[3].weight[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"score 'magnitude' is not finite in 3\.weight"):
        compute_scores(["magnitude"], model, batch, seed=1)
