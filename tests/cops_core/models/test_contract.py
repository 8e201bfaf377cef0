"""Every registered model keeps the contract, and each check fails on a model that breaks it."""

import inspect
import pkgutil
from collections import OrderedDict
from importlib import import_module
from itertools import count

import pytest
import torch
from torch import nn

import cops_core.models
from cops_core.contracts.base import failures
from cops_core.contracts.models import MODEL_CHECKS, SHAPES
from cops_core.errors import InputError
from cops_core.models import MODELS, build_model


@pytest.fixture(params=MODELS)
def name(request) -> str:
    return str(request.param)


# To draw the weights of a large network takes a quarter of a second, to train it some seconds.
LARGE = ("resnet18", "vgg16")
# They have the layers of resnet18, resnet20 or vgg16, which are checked, more of them or in another order.
ALIKE = ("resnet32", "resnet34", "resnet56", "vgg19", "wrn_16_8")


def slow(name, check, case):
    """Small networks are trained, which have the same layers; large ones see images of one shape."""
    return name in ALIKE or (name in LARGE and (check.name.startswith("trains_") or case != check.cases[0]))


@pytest.mark.parametrize(
    ("name", "check", "case"),
    [
        pytest.param(
            *(name, check, case),
            id="-".join([name, check.name, *map(str, case)]),
            marks=[pytest.mark.slow] * slow(name, check, case),
        )
        for name in MODELS
        for check in MODEL_CHECKS
        for case in check.cases
    ],
)
def test_contract(name, check, case):
    check.run(name, case)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_fits(name, shape):
    build_model(name, shape, 10)


def test_every_check_says_what_must_hold():
    for check in MODEL_CHECKS:
        assert check.condition.endswith(".")
        assert "\n" not in check.condition


def linear(shape, classes, **more: nn.Module) -> nn.Sequential:
    channels, height, width = shape
    head = nn.Linear(channels * height * width, classes)
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), head=head, **more))


class Works(nn.Module):
    """A layer that does what it is told to."""

    def __init__(self, how, **parts) -> None:
        super().__init__()
        self.how = how
        self.calls = 0
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, images):
        return self.how(self, images)


def refuses(shape, classes):
    raise InputError("no image fits: write smaller ones")


def one_class_more(shape, classes):
    return linear(shape, classes + 1)


def returns_a_pair(shape, classes):
    return linear(shape, classes, pair=Works(lambda layer, logits: (logits, logits)))


def divides_by_zero(shape, classes):
    return linear(shape, classes, nan=Works(lambda layer, logits: logits / 0))


def blind(shape, classes):
    return linear(shape, classes, zero=Works(lambda layer, logits: logits * 0))


def unused_layer(shape, classes):
    return linear(shape, classes, unused=Works(lambda layer, logits: logits, extra=nn.Linear(3, 3)))


def centred(shape, classes):
    return linear(shape, classes, centre=Works(lambda layer, logits: logits - logits.mean(0)))


def always_dropping(shape, classes):
    return linear(
        shape, classes, drop=Works(lambda layer, logits: nn.functional.dropout(logits, training=True))
    )


def numbered(shape, classes):
    return nn.Sequential(*linear(shape, classes))


def no_layer(shape, classes):
    return Works(
        lambda layer, images: images.mean((1, 2, 3))[:, None] * layer.bias,
        bias=nn.Parameter(torch.ones(classes)),
    )


SHARED = nn.Linear(10, 10)


def shared_layer(shape, classes):
    return linear(shape, 10, last=SHARED)


class Buffered(nn.Module):
    def __init__(self, buffer) -> None:
        super().__init__()
        self.register_buffer("scale", buffer)

    def forward(self, logits):
        return logits * self.scale


SCALE = torch.ones(())


def shared_buffer(shape, classes):
    return linear(shape, classes, scale=Buffered(SCALE))


COUNT = count(1.0)


def counted_buffer(shape, classes):
    return linear(shape, classes, scale=Buffered(torch.tensor(next(COUNT))))


def counts_its_calls(shape, classes):
    def scaled(layer, logits):
        layer.calls += 1
        return logits * layer.calls

    return linear(shape, classes, count=Works(scaled))


class Clipped(nn.Linear):
    """Its forward pass changes the weight itself, of which a trial keeps its own trained values."""

    def forward(self, inputs):
        with torch.no_grad():
            self.weight.clamp_(-0.1, 0.1)
        return super().forward(inputs)


def clips_its_weights(shape, classes):
    return linear(shape, classes, last=Clipped(classes, classes))


WRONG = {
    refuses: ("some_images_fit", "refuses images of each of the shapes (1, 28, 28), "),
    one_class_more: ("every_image_has_logits", "logits of shape (5, 38), not (5, 37)"),
    returns_a_pair: ("every_image_has_logits", "returns tuple"),
    divides_by_zero: ("every_image_has_logits", "not finite"),
    blind: ("every_image_has_logits", "the same logits"),
    unused_layer: ("every_parameter_has_a_gradient", "unused.extra.weight has no gradient"),
    centred: ("logits_depend_on_their_image_alone", "depend on the other images"),
    always_dropping: ("logits_depend_on_their_image_alone", "or on a random draw"),
    numbered: ("weights_are_maskable", "1.weight has a number as its name"),
    no_layer: ("weights_are_maskable", "has no convolution or linear layer"),
    shared_layer: ("networks_share_no_tensors", "shares last.weight"),
    shared_buffer: ("networks_share_no_tensors", "shares scale.scale"),
    counted_buffer: ("the_seed_decides_all_values", "scale.scale differs"),
    clips_its_weights: ("trains_as_a_dense_network", "changed in place"),
    counts_its_calls: (
        "trains_and_resumes_with_frozen_weights",
        "trains differently",
    ),
}


@pytest.mark.parametrize("build", WRONG, ids=lambda build: build.__name__)
def test_a_model_that_breaks_a_promise_fails_its_check(build, monkeypatch):
    monkeypatch.setitem(MODELS, "wrong", build)
    check, words = WRONG[build]
    (named,) = (each for each in MODEL_CHECKS if each.name == check)
    (line,) = failures([named], "wrong")
    assert words in line
    assert "\n" not in line


def test_no_promise_goes_unbroken():
    assert {check for check, _ in WRONG.values()} == {check.name for check in MODEL_CHECKS}


def test_a_model_for_one_shape_of_images_keeps_the_contract(monkeypatch):
    def picky(shape, classes):
        if shape != (3, 32, 32):
            raise InputError(f"picky needs images of (3, 32, 32), not {shape}")
        return linear(shape, classes)

    monkeypatch.setitem(MODELS, "picky", picky)
    assert list(failures(MODEL_CHECKS, "picky")) == []


@pytest.mark.parametrize("no_pixels", [(0, 28, 28), (1, 0, 28), (1, 28, -1)])
def test_images_without_pixels_are_refused(name, no_pixels, refused):
    with refused("has no pixels: write sizes of at least 1"):
        build_model(name, no_pixels, 10)


@pytest.mark.parametrize("classes", [0, 1])
def test_one_class_is_refused(name, classes, refused):
    with refused(f"{classes} classes are not enough"):
        build_model(name, (1, 28, 28), classes)


def test_unknown_network(refused):
    with refused("unknown model 'lenet_5_cafe': did you mean 'lenet_5_caffe'"):
        build_model("lenet_5_cafe", (1, 28, 28), 10)


def unregistered(registry: dict) -> list[str]:
    """Builders `(shape, classes) -> nn.Module` of the package's modules that the registry lacks."""
    missing = []
    for info in pkgutil.iter_modules(cops_core.models.__path__, "cops_core.models."):
        for name, member in inspect.getmembers(import_module(info.name), inspect.isfunction):
            builds = list(inspect.signature(member).parameters) == ["shape", "classes"]
            if (
                builds
                and inspect.get_annotations(member)["return"] is nn.Module
                and member not in registry.values()
            ):
                missing.append(name)
    return missing


def test_every_builder_in_the_package_is_registered(name):
    assert unregistered(MODELS) == []
    assert unregistered({other: MODELS[other] for other in MODELS if other != name}) == [name]
