"""Networks of torchvision and timm by name: built for the data, refused in one line, identified."""

from importlib.metadata import PackageNotFoundError

import pytest
import torch
from torch import nn

from cops_core.artifact import load_artifact
from cops_core.config import Selection, Training, TrialConfig, parse_config
from cops_core.errors import InputError
from cops_core.identity import trial_identity
from cops_core.models import build_model, find_model, packages
from cops_core.models.packages import PACKAGES, Package, package_extensions
from cops_core.network_identity import network_sha256
from cops_core.trial import Trial
from cops_core.vision import torchvision_models

SMALL = "torchvision/shufflenet_v2_x0_5"
SNIP = Selection(target="snip")


def config(model, **changes) -> TrialConfig:
    fields = {"arm": "freeze", "selection": SNIP, "density": "0.1", "training": Training(epochs=1)}
    return TrialConfig(model=model, **{**fields, **changes})


@pytest.fixture
def versions(monkeypatch):
    """Sets the version of every package; None: it is not installed."""

    def be(number):
        def version(package):
            if number is None:
                raise PackageNotFoundError(package)
            return number

        monkeypatch.setattr(packages, "version", version)
        packages.package_version.cache_clear()
        packages.package_names.cache_clear()

    yield be
    monkeypatch.undo()
    packages.package_version.cache_clear()
    packages.package_names.cache_clear()


@pytest.fixture
def package(monkeypatch):
    """Registers a network as `torchvision/own`."""

    def register(build):
        monkeypatch.setitem(PACKAGES, "torchvision", Package(lambda: ["own"], build, ""))
        packages.package_names.cache_clear()

    monkeypatch.setattr(packages, "_FITTING", set())
    yield register
    monkeypatch.undo()
    packages.package_names.cache_clear()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (4, 17, 40)], ids=str)
def test_channels_size_and_classes_are_the_datas(shape):
    network = build_model(SMALL, shape, 7)
    assert network.eval()(torch.rand(2, *shape)).shape == (2, 7)
    assert network.conv1[0].in_channels == shape[0]


def test_with_colour_images_it_is_the_packages_own():
    own = torchvision_models().shufflenet_v2_x0_5(num_classes=10).state_dict()
    ours = build_model(SMALL, (3, 32, 32), 10).state_dict()
    assert {name: tensor.shape for name, tensor in own.items()} == {n: t.shape for n, t in ours.items()}


def test_only_the_first_convolution_is_replaced():
    three, one = (build_model(SMALL, (channels, 32, 32), 10).state_dict() for channels in (3, 1))
    assert [name for name in three if three[name].shape != one[name].shape] == ["conv1.0.weight"]


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [
        ("torchvision/squeezenet1_1", (1, 8, 8), "Output size is too small"),
        ("torchvision/vit_b_16", (3, 32, 48), "needs square images"),
        ("torchvision/maxvit_t", (3, 32, 32), "not divisible by partition size"),
    ],
)
def test_images_that_do_not_fit_are_refused_in_a_line(model, shape, words, refused):
    with refused(words):
        build_model(model, shape, 10)


class Patches(nn.Module):
    """Logits of the first eight rows and columns."""

    def __init__(self, classes) -> None:
        super().__init__()
        self.head = nn.Linear(64, classes)

    def forward(self, images):
        return self.head(images[:, 0, :8, :8].flatten(1))


def test_a_network_that_would_ignore_a_part_of_each_image_is_refused(package, refused):
    package(lambda name, shape, classes: Patches(classes))
    with refused("would ignore 4 rows and 0 columns"):
        build_model("torchvision/own", (1, 12, 8), 3)
    build_model("torchvision/own", (1, 8, 8), 3)
    build_model("torchvision/own", (1, 9, 9), 3)  # a convolution without padding does so, too


def test_a_network_without_logits_is_refused(package, refused):
    package(lambda name, shape, classes: nn.Flatten())
    with refused("does not return a logit per class"):
        build_model("torchvision/own", (1, 8, 8), 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torchvision/resnet5", "unknown model 'torchvision/resnet5': did you mean 'torchvision/resnet50'?"),
        ("torchvison/resnet50", "unknown package of models 'torchvison': did you mean 'torchvision'?"),
        ("resnet50", "unknown model 'resnet50': did you mean 'torchvision/resnet50'?"),
        ("torchvision/", "unknown model 'torchvision/'"),
    ],
)
def test_unknown_names_are_one_line_with_the_nearest(name, words, refused):
    with refused(words):
        parse_config({"model": name})


def test_without_timm_the_line_says_what_to_install(versions, refused):
    versions(None)
    with refused(r"timm is not installed: install cops-study\[timm\]"):
        parse_config({"model": "timm/vit_tiny_patch16_224"})


def test_the_version_belongs_to_the_identity_and_its_build_does_not(versions):
    identities, networks = [], []
    for number in ("1.0", "1.0+cpu", "1.1"):
        versions(number)
        identities.append(trial_identity(config(SMALL), "0" * 64))
        networks.append(network_sha256(SMALL, (1, 8, 8), 10))
    for first, build, other in (identities, networks):
        assert first == build != other


def test_networks_of_the_project_have_the_identity_that_they_had():
    assert package_extensions("resnet18") == {}
    ours = trial_identity(TrialConfig(), "0" * 64)
    assert ours == trial_identity(TrialConfig(), "0" * 64, {})


def test_names_are_networks_of_their_own():
    assert find_model(SMALL) is find_model(SMALL)
    names = (SMALL, "torchvision/mnasnet0_5")
    assert len({network_sha256(name, (1, 32, 32), 10) for name in names}) == 2


def test_a_trial_its_score_cache_and_its_artefact(versions, tmp_path):
    from cops_core.cache import ScoreCache

    cache = ScoreCache(tmp_path)
    trials = [Trial(config(SMALL), cache=cache) for _ in range(2)]
    assert [trial.facts["scores_computed"] for trial in trials] == [{"snip": 1}, {}]
    (trial, again) = trials
    assert trial.step().row()["train_loss"] == again.step().row()["train_loss"]
    assert trial.status == "finished"
    packed = trial.artifact()
    loaded = load_artifact(packed)
    assert loaded.header.model == SMALL
    assert loaded.header.extensions == package_extensions(SMALL)
    assert trial.facts["manifest"]["extensions"] == package_extensions(SMALL)
    part = trial.trainer.split.validation
    with torch.no_grad():
        assert torch.equal(loaded.model(part.images), trial.trainer.network.model.eval()(part.images))
    versions("0.1")
    with pytest.raises(InputError, match=r"made with another torchvision than 0\.1, which is installed"):
        load_artifact(packed)
    versions(None)
    with pytest.raises(InputError, match="torchvision is not installed"):
        load_artifact(packed)


def test_timm():
    """One test, since the import takes seconds: sizes, a trial, its artefact, names."""
    network = build_model("timm/test_vit", (1, 32, 48), 7)
    assert network.patch_embed.img_size == (32, 48)
    assert network.eval()(torch.rand(2, 1, 32, 48)).shape == (2, 7)
    trial = Trial(config("timm/test_resnet"))  # on digits of 8 x 8
    trial.step()
    loaded = load_artifact(trial.artifact())
    assert set(loaded.header.extensions) == {"package timm"}
    for name, words in {
        "timm/vit_tiny_patch16_22": "did you mean 'timm/vit_tiny_patch16_224'?",
        "timm/vit_tiny_patch16_224.augreg_in21k": "did you mean 'timm/vit_tiny_patch16_224'?",
        "timm/hf-hub:someone/something": "unknown model",
        "vit_tiny_patch16_224": "did you mean 'timm/vit_tiny_patch16_224'?",
    }.items():
        with pytest.raises(InputError) as error:
            find_model(name)
        assert words in str(error.value)
        assert "\n" not in str(error.value)
