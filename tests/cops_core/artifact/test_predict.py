"""A loaded network takes raw images, and has the accuracy that its trial had."""

import pytest
import torch

from cops_core.artifact import load_artifact
from cops_core.config import Selection, Training, TrialConfig
from cops_core.data import load_data
from cops_core.errors import InputError
from cops_core.trial import Trial


@pytest.fixture(scope="module", params=["float32", "float64"])
def trained(request, tmp_path_factory):
    config = TrialConfig(
        arm="freeze",
        selection=Selection(target="snip"),
        density="0.1",
        training=Training(epochs=3, precision=request.param),
        test=True,
    )
    trial = Trial(config, data_root=tmp_path_factory.mktemp("data"))
    while not trial.done:
        trial.step()
    return trial, load_artifact(trial.artifact())


def test_raw_test_images_have_the_accuracy_of_the_trial(trained, tmp_path):
    trial, loaded = trained
    data = load_data("digits", tmp_path)
    right = loaded.predict(data.test_images) == data.test_labels
    assert int(right.sum()) / len(right) == trial.facts["test_accuracy"] > 0.8


def test_logits_are_those_of_the_training(trained, tmp_path):
    trial, loaded = trained
    part = trial.trainer.split.test()
    with torch.no_grad():
        own = trial.trainer.network.model.eval()(part.images.to(loaded.logits(part.stored[:1]).dtype))
    assert torch.allclose(loaded.logits(part.stored), own)


def test_a_class_without_finite_logits_is_none(trained):
    _, loaded = trained
    images = torch.zeros((2, 1, 8, 8), dtype=torch.uint8)
    head = list(loaded.model.parameters())[-1]
    kept = head.detach().clone()
    with torch.no_grad():
        head[0] = torch.nan
    assert loaded.predict(images).tolist() == [-1, -1]
    with torch.no_grad():
        head.copy_(kept)


@pytest.mark.parametrize(
    "images", [torch.rand(2, 1, 8, 8), torch.zeros((1, 8, 8), dtype=torch.uint8), torch.zeros(2, 3, 8, 8)]
)
def test_other_images_are_refused_in_a_line(trained, images):
    with pytest.raises(InputError, match=r"write torch.uint8 of shape \(N, 1, 8, 8\)") as error:
        trained[1].predict(images)
    assert "\n" not in str(error.value)
