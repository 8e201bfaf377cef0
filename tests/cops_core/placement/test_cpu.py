"""However a network lies on its device, it is the same network: what differs is the order of additions."""

import io

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from cops_core.arms import SCALES
from cops_core.artifact import load_artifact
from cops_core.config import Training, TrialConfig
from cops_core.contracts.networks import NETWORKS, batch, build
from cops_core.errors import DriftError
from cops_core.masked.view import plain_parameters, plain_state
from cops_core.models import build_model
from cops_core.optimizers import build_optimizer, set_fused
from cops_core.placement import Placement, placement_of, release, use_device
from cops_core.scores import SCORES, compute_scores
from cops_core.train import EpochMetrics, Trainer
from cops_core.trial import Trial, run_trial

from .trained import AS_THEY_ARE, CPU, METHOD, SEED, assert_alike, config, losses, trainer

CHANNELS_LAST = Placement(CPU, torch.channels_last)
FUSED = Placement(CPU, fused=True)


@pytest.mark.parametrize(
    ("device", "model", "precision", "channels_last"),
    [
        ("cuda:1", "convolutional", "bfloat16", True),
        ("cuda:1", "convolutional", "float32", False),
        ("cuda:1", "convolutional", "float64", False),
        ("cuda:1", "lenet_300_100", "bfloat16", False),
        ("cpu", "convolutional", "bfloat16", True),
        ("cpu", "convolutional", "float32", True),
        ("cpu", "convolutional", "float64", False),
        ("cpu", "lenet_300_100", "float32", False),
    ],
)
def test_channels_last_is_for_convolutions_where_there_are_kernels_for_it(
    device, model, precision, channels_last
):
    found = placement_of(torch.device(device), build_model(model, (3, 8, 8), 3), precision)
    memory_format = torch.channels_last if channels_last else torch.preserve_format
    assert found == Placement(torch.device(device), memory_format, fused=True)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_trial_is_placed_so_and_images_of_one_channel_too(precision):
    trial = Trial(TrialConfig(model="convolutional", training=Training(precision=precision)))
    assert trial.trainer.placement == placement_of(CPU, trial.trainer.network.model, precision)
    assert trial.trainer.optimizer.defaults["fused"]
    seen: set[bool] = set()  # torch takes a single channel for either order: the strides decide
    convolution = trial.trainer.network.model.get_submodule("conv1")
    convolution.register_forward_hook(lambda _, images, output: seen.add(output.stride(1) == 1))
    trial.step()
    assert seen == {precision == "float32"}


@pytest.mark.parametrize("augmentation", ["none", "crop_flip"])
def test_every_image_arrives_in_channels_last_and_no_weight_does(parts, augmentation):
    ours = trainer(parts, "freeze", CHANNELS_LAST)
    ours.training = ours.training.model_copy(update={"augmentation": augmentation})
    seen: list[tuple[bool, bool]] = []
    ours.network.model.register_forward_pre_hook(
        lambda model, images: seen.append((model.training, images[0].stride(1) == 1))
    )
    ours.run_epoch()
    assert set(seen) == {(True, True), (False, True)}
    assert all(weight.is_contiguous() for weight in ours.network.model.parameters())


@pytest.mark.parametrize("arm", SCALES)
def test_training_in_channels_last_gives_the_same_network(parts, arm):
    ours, expected = trainer(parts, arm, CHANNELS_LAST), trainer(parts, arm, AS_THEY_ARE)
    rows, others = ([t.run_epoch() for _ in range(3)] for t in (ours, expected))
    assert losses(rows) == pytest.approx(losses(others), rel=1e-10)
    assert_alike(ours, expected, 1e-10)
    ours.network.audit(SEED, METHOD)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 3e-2)])
def test_lower_precisions_differ_by_their_rounding(parts, precision, tolerance):
    ours, expected = (trainer(parts, "freeze", p, precision) for p in (CHANNELS_LAST, AS_THEY_ARE))
    assert losses([ours.run_epoch()]) == pytest.approx(losses([expected.run_epoch()]), rel=tolerance)
    ours.network.audit(SEED, METHOD)


def test_a_weight_that_moves_is_found_after_training_in_channels_last(parts):
    ours = trainer(parts, "freeze", CHANNELS_LAST)
    ours.run_epoch()
    weight = plain_parameters(ours.network.model)["conv3.weight"]
    kept = set(ours.network.places["conv3.weight"].tolist())
    outside = next(place for place in range(weight.numel()) if place not in kept)
    with torch.no_grad():
        weight.view(-1)[outside] += 1e-6  # the same memory
    with pytest.raises(DriftError, match=r"conv3\.weight"):
        ours.network.audit(SEED, METHOD)


def gradient_by_hand(model: nn.Module, places: Tensor, name: str, inputs: tuple[Tensor, Tensor]) -> Tensor:
    """dL/dv of the named weight, of images and weights in torch's own order, place by place."""
    images, labels = inputs
    weight = plain_parameters(model)[name].clone().requires_grad_()
    layer = model.get_submodule(name.removesuffix(".weight"))
    with parametrize.cached():
        parametrize._cache[id(layer), "weight"] = weight
        (whole,) = torch.autograd.grad(functional.cross_entropy(model(images), labels), weight)
    flat = whole.contiguous()
    shape = list(flat.shape)
    values = []
    for place in places.tolist():
        index = []
        for size in reversed(shape):
            place, rest = divmod(place, size)
            index.append(rest)
        values.append(flat[tuple(reversed(index))])
    return torch.stack(values)


def test_gradients_are_gathered_at_the_right_places(parts):
    network = trainer(parts, "freeze", CHANNELS_LAST).network
    part = parts.train
    images, labels = part.images[:10].double(), part.labels[:10]
    functional.cross_entropy(network(images.to(memory_format=torch.channels_last)), labels).backward()
    for name, places in network.places.items():
        expected = gradient_by_hand(network.model, places, name, (images, labels))
        torch.testing.assert_close(network.trained[name].grad.view(-1), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("network", ["plain", "batch_norm", "residual"])
@pytest.mark.parametrize("score", SCORES)
def test_scores_of_images_in_channels_last_are_the_same(score, network):
    assert network in NETWORKS
    images, labels = batch()
    model = build(network, torch.float64)
    expected = compute_scores([score], model, (images, labels), seed=0)[score]
    other = images.to(memory_format=torch.channels_last)
    ours = compute_scores([score], model, (other, labels), seed=0)[score]
    for name, layer in expected.items():
        torch.testing.assert_close(ours[name], layer, rtol=1e-10, atol=1e-12)


def test_the_artefact_of_a_network_trained_in_channels_last_comes_back(tmp_path):
    trial, other = Trial(config(precision="float32")), Trial(config(precision="float32"))
    was = trial.trainer
    trial.trainer = Trainer(was.network, was.split, was.training, was.seed, CHANNELS_LAST)
    for each in (trial, other):
        while not each.done:
            each.step()
    (tmp_path / "ours").write_bytes(trial.artifact())
    loaded = load_artifact(tmp_path / "ours")
    (tmp_path / "other").write_bytes(other.artifact())
    expected = load_artifact(tmp_path / "other")
    assert loaded.header == expected.header
    assert loaded.contents.masks == expected.contents.masks
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(tensor, plain_state(was.network.model)[name])
        torch.testing.assert_close(tensor, expected.model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_model_that_was_built_in_channels_last_is_trained_and_comes_back(tmp_path):
    rows: dict[str, list[EpochMetrics]] = {"convolutional": [], "built_in_channels_last": []}
    masks = set()
    for model, reported in rows.items():
        result = run_trial(config(model), reported.append, artifact=tmp_path / model)
        masks.add(result.facts["mask_sha256"])
    assert len(masks) == 1
    ours, expected = rows["built_in_channels_last"], rows["convolutional"]
    assert losses(ours) == pytest.approx(losses(expected), rel=1e-10)
    networks = [load_artifact(tmp_path / model).model.state_dict() for model in rows]
    for name, tensor in networks[0].items():
        torch.testing.assert_close(networks[1][name], tensor, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize("arm", SCALES)
def test_fused_sgd_trains_the_same_network(parts, arm, momentum):
    ours, expected = (trainer(parts, arm, p, momentum=momentum) for p in (FUSED, AS_THEY_ARE))
    rows, others = ([t.run_epoch() for _ in range(3)] for t in (ours, expected))
    assert ours.optimizer.param_groups[0]["fused"]
    assert losses(rows) == pytest.approx(losses(others), rel=1e-10)
    assert_alike(ours, expected, 1e-10)
    assert ours.network.scale == pytest.approx(expected.network.scale, rel=1e-6)
    ours.network.audit(SEED, METHOD)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(("before", "after"), [(AS_THEY_ARE, FUSED), (FUSED, AS_THEY_ARE)])
def test_a_checkpoint_goes_on_with_the_other_kernels(parts, before, after, optimizer):
    first, expected = (trainer(parts, "freeze_wd", p, optimizer=optimizer) for p in (before, AS_THEY_ARE))
    first.run_epoch()
    stored = io.BytesIO()
    torch.save(first.state(), stored)
    stored.seek(0)
    resumed = trainer(parts, "freeze_wd", after, optimizer=optimizer)
    resumed.load_state(torch.load(stored, weights_only=True))
    assert bool(resumed.optimizer.param_groups[0]["fused"]) == after.fused
    resumed.run_epoch()
    for _ in range(2):
        expected.run_epoch()
    assert_alike(resumed, expected, 1e-10)


def test_a_parameter_may_get_its_first_gradient_after_the_others():
    results = []
    for fused in (True, False):
        early, late = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
        optimizer = build_optimizer([early, late], Training(learning_rate=0.1), fused=fused)
        for step in range(4):
            optimizer.zero_grad(set_to_none=True)
            early.grad = torch.full((3,), 0.5 + step)
            late.grad = torch.full((2,), 0.5) if step >= 2 else None
            optimizer.step()
        results.append(torch.cat([early.detach(), late.detach()]))
    torch.testing.assert_close(*results)


def test_a_momentum_that_is_there_stays():
    parameter = nn.Parameter(torch.ones(3))
    optimizer = build_optimizer([parameter], Training(learning_rate=0.1, weight_decay=0), fused=False)
    parameter.grad = torch.full((3,), 2.0)
    optimizer.step()
    set_fused(optimizer, True)
    assert optimizer.state[parameter]["momentum_buffer"].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpu", "unknown device 'gpu': did you mean 'cuda'"),
        ("", "unknown device '': write cpu, cuda or e.g. cuda:1"),
        ("meta", "device 'meta' is not supported: write cpu or cuda"),
    ],
)
def test_an_unknown_device_is_refused(name, words, refused):
    with refused(words):
        use_device(name)


def test_a_gpu_that_is_not_there_is_refused(refused):
    count = torch.cuda.device_count()
    with refused(f"device 'cuda:{count}' does not exist, torch sees {count} GPUs: write cpu"):
        Trial(config(), device=f"cuda:{count}")


def test_on_the_cpu_nothing_is_pinned_and_nothing_released():
    assert use_device("cpu") == CPU
    was = torch.cuda.is_initialized()
    release()
    assert torch.cuda.is_initialized() == was
