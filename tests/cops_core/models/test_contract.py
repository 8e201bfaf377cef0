"""What holds for every registered network; a new one inherits these tests."""

import inspect
import pkgutil
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn import functional

import cops_core.models
from cops_core.initialization import initialize, maskable
from cops_core.models import MODELS, build_model


@pytest.fixture(params=MODELS)
def name(request) -> str:
    return str(request.param)


@pytest.fixture(params=[(1, 28, 28), (3, 32, 32), (2, 17, 40)], ids=str)
def shape(request) -> tuple[int, int, int]:
    return request.param


@pytest.mark.parametrize("classes", [2, 10, 37])
def test_logits_of_every_image_and_a_gradient_of_every_parameter(name, shape, classes):
    network = build_model(name, shape, classes)
    initialize(network, 0)
    generator = torch.Generator().manual_seed(0)
    logits = network(torch.randn((5, *shape), generator=generator))
    assert logits.shape == (5, classes)
    assert logits.isfinite().all()
    assert len({tuple(row) for row in logits.tolist()}) == 5
    functional.cross_entropy(logits, torch.arange(5) % classes).backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()


def test_layers_have_names_and_all_their_weights_are_maskable(name, shape):
    network = build_model(name, shape, 10)
    weights = maskable(network)
    assert weights
    assert not any(part.isdigit() for path in weights for part in path.split("."))
    others = [parameter for path, parameter in network.named_parameters() if path not in weights]
    assert all(parameter.ndim == 1 for parameter in others)


def test_two_of_a_kind_share_nothing(name):
    first, second = (build_model(name, (1, 28, 28), 10) for _ in range(2))
    assert list(first.state_dict()) == list(second.state_dict())
    pointers = {parameter.data_ptr() for parameter in first.parameters()}
    assert not pointers & {parameter.data_ptr() for parameter in second.parameters()}


@pytest.mark.parametrize("no_pixels", [(0, 28, 28), (1, 0, 28), (1, 28, -1)])
def test_images_without_pixels_are_refused(name, no_pixels, refused):
    with refused("has no pixels: every size must be at least 1"):
        build_model(name, no_pixels, 10)


@pytest.mark.parametrize("classes", [0, 1])
def test_one_class_is_refused(name, classes, refused):
    with refused(f"{classes} classes: a classifier needs at least 2"):
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
