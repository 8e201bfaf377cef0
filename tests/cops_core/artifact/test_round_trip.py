"""What is loaded is what was saved, bit for bit, in this process or another, in few bytes."""

import hashlib
import subprocess
import sys
from decimal import Decimal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cops_core.artifact import ArtifactError, header_of, load_artifact, pack, save_artifact
from cops_core.artifact.save import mask_bytes
from cops_core.config import Selection, TrialConfig
from cops_core.initialization import initialize
from cops_core.mask import flatten, kept_weights, top_kappa, unflatten
from cops_core.mask_code import entropy_bytes
from cops_core.masked.view import plain_state
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.trial import Trial

ARMS = ("dense", "prune", "freeze", "scale", "freeze_wd")


def bits(model: nn.Module) -> dict[str, tuple[torch.dtype, bytes]]:
    return {name: (t.dtype, t.cpu().numpy().tobytes()) for name, t in plain_state(model).items()}


def outputs(network, shape, dtype=torch.float32) -> Tensor:
    images = torch.randn((5, *shape), generator=torch.Generator().manual_seed(9)).to(dtype)
    with torch.no_grad():
        logits: Tensor = network(images)
    return logits


def assert_comes_back(path, network, header, dtype=torch.float32):
    size = save_artifact(path, network, header)
    assert path.stat().st_size == size
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    loaded = load_artifact(path)
    assert loaded.header == header
    assert loaded.contents.scale == network.scale
    assert bits(loaded.model) == bits(network.model)
    assert not any(module.training for module in loaded.model.modules())
    network.model.eval()
    assert torch.equal(outputs(loaded.model, header.shape, dtype), outputs(network, header.shape, dtype))


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("model", ["lenet_300_100", "normalised"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_arm_comes_back(make, tmp_path, model, arm, dtype):
    network, header = make(model, arm=arm, dtype=dtype)
    assert_comes_back(tmp_path / "network.safetensors", network, header, dtype)


@pytest.mark.parametrize("arm", ["freeze", "prune", "freeze_wd"])
def test_lenet_5_caffe_comes_back(make, tmp_path, arm):
    assert_comes_back(tmp_path / "a", *make("lenet_5_caffe", arm=arm, density=0.005, steps=1))


@pytest.mark.parametrize("prunable", ["weights and biases", "weights but the last layer's"])
@pytest.mark.parametrize("arm", ["prune", "freeze", "freeze_wd"])
@pytest.mark.parametrize("density", [0.05, 0.6])
def test_masks_of_biases_and_without_the_last_layer_come_back(make, tmp_path, prunable, arm, density):
    network, header = make(arm=arm, prunable=prunable, density=density)
    assert ("fc.bias" in network.places) == (prunable == "weights and biases")
    assert_comes_back(tmp_path / "a", network, header)


@pytest.mark.parametrize("density", [0.0, 1.0])
def test_empty_and_full_masks_come_back(make, tmp_path, density):
    assert_comes_back(tmp_path / "a", *make(density=density))


def test_values_that_a_float_cannot_tell_apart_come_back(make, tmp_path):
    """-0.0, infinities, subnormal numbers and nan with a payload are bits like any other."""
    network, header = make()
    values = network.trained["fc.weight"]
    odd = torch.tensor([0x80000000, 0x7F800000, 1, 0x7FC01234], dtype=torch.int64).to(torch.int32)
    with torch.no_grad():
        values.view(-1)[:4] = odd.view(torch.float32)
    save_artifact(tmp_path / "a", network, header)
    assert bits(load_artifact(tmp_path / "a").model) == bits(network.model)


@pytest.mark.parametrize("scale", [1e-45, -0.25, float("inf"), float("nan")])
def test_any_scale_comes_back(make, tmp_path, scale):
    """A scale that decays overshoots, or overflows, if rate and weight decay are large."""
    network, header = make(arm="freeze_wd")
    with torch.no_grad():
        network.parameters()[-1].fill_(scale)
    save_artifact(tmp_path / "a", network, header)
    loaded = load_artifact(tmp_path / "a")
    assert str(loaded.contents.scale) == str(network.scale)
    assert bits(loaded.model) == bits(network.model)


def test_saving_and_loading_leave_everything_as_it_was(make, tmp_path):
    network, header = make()
    before, state = bits(network.model), torch.get_rng_state()
    modes = [module.training for module in network.model.modules()]
    save_artifact(tmp_path / "a", network, header)
    load_artifact(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), state)
    assert bits(network.model) == before
    assert [module.training for module in network.model.modules()] == modes


def test_what_a_step_has_changed_is_saved_without_a_forward_pass(make, tmp_path):
    network, header = make(arm="freeze_wd")
    with torch.no_grad():
        network.trained["fc.weight"] += 1
    save_artifact(tmp_path / "a", network, header)
    loaded = load_artifact(tmp_path / "a").model.get_parameter("fc.weight").reshape(-1)
    assert torch.equal(loaded[network.places["fc.weight"]], network.trained["fc.weight"].view(-1))


def test_the_header_must_be_of_this_mask(make, refused):
    network, header = make()
    for wrong in (None, "0" * 64):
        with refused("another mask"):
            pack(network, header.model_copy(update={"mask_sha256": wrong}))


LOAD_ELSEWHERE = """
import hashlib, sys
from pathlib import Path
import torch
from cops_core.artifact import load_artifact
from cops_core.artifact.fingerprint import fingerprint

threads, *files = sys.argv[1:]
torch.set_num_threads(int(threads))
for file in files:
    model = load_artifact(Path(file)).model
    images = torch.randn((5, 1, 28, 28), generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        logits = model(images)
    weights = b"".join(t.numpy().tobytes() for t in model.state_dict().values())
    for data in (weights, logits.numpy().tobytes()):
        sys.stdout.write(hashlib.sha256(data).hexdigest() + " ")
"""


def test_another_process_with_other_threads_loads_the_same(make, tmp_path):
    """Outputs are those of the trained network under as many threads: products add up in their order."""
    made = {model: make(model, density=0.01, steps=1) for model in ("lenet_300_100", "lenet_5_caffe")}
    for model, (network, header) in made.items():
        save_artifact(tmp_path / model, network, header)
    command = [sys.executable, "-c", LOAD_ELSEWHERE, "3", *(str(tmp_path / model) for model in made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = []
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for network, header in made.values():
            expected += [
                b"".join(t.numpy().tobytes() for t in plain_state(network.model).values()),
                outputs(network, header.shape).numpy().tobytes(),
            ]
    finally:
        torch.set_num_threads(before)
    assert done.stdout.split() == [hashlib.sha256(data).hexdigest() for data in expected]


@pytest.fixture(scope="session")
def snip_mask():
    """SNIP's mask of LeNet-5-Caffe that keeps 0.5 %, scored on random images."""
    model = build_model("lenet_5_caffe", (1, 28, 28), 10)
    initialize(model, 0)
    images = torch.randn((20, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    functional.cross_entropy(model(images), torch.arange(20) % 10).backward()
    scores = {name: (w.grad * w).abs() for name, w in maskable(model).items() if w.grad is not None}
    kappa = kept_weights(Decimal("0.005"), 430_500)
    return unflatten(top_kappa(flatten(scores), kappa), {name: s.shape for name, s in scores.items()})


def test_lenet_5_caffe_takes_a_few_kilobytes(make, snip_mask):
    assert (snip_mask.size, snip_mask.kappa) == (430_500, 2153)
    network, header = make("lenet_5_caffe", mask=snip_mask, density=0.005, steps=1)
    assert 431_080 / network.trained_parameters > 157
    assert 4 * 431_080 / len(pack(network, header)) >= 115
    assert mask_bytes(network) <= 1.15 * entropy_bytes(430_500, 2153)


def test_a_random_mask_of_lenet_5_caffe_is_small_too(make):
    keep = torch.zeros(430_500, dtype=torch.bool)
    keep[torch.randperm(430_500, generator=torch.Generator().manual_seed(0))[:2153]] = True
    weights = maskable(build_model("lenet_5_caffe", (1, 28, 28), 10))
    mask = unflatten(keep.numpy(), {name: weight.shape for name, weight in weights.items()})
    network, header = make("lenet_5_caffe", mask=mask, density=0.005, steps=0)
    assert 4 * 431_080 / len(pack(network, header)) >= 115
    assert mask_bytes(network) <= 1.15 * entropy_bytes(430_500, 2153)


def test_a_dense_network_has_no_mask(make):
    network, _ = make(arm="dense")
    assert mask_bytes(network) == 0


def test_a_trials_network_comes_back(tmp_path):
    config = TrialConfig(arm="freeze_wd", selection=Selection(target="snip"), density="0.05", seed=5)
    trial = Trial(config)
    trial.step()
    network, split = trial.trainer.network, trial.trainer.split
    header = header_of(
        config, split, trial.facts["theta0_sha256"], trial.facts["mask_sha256"], {"mine": "1" * 64}
    )
    assert_comes_back(tmp_path / "a", network, header)
    assert header.mean == tuple(split.mean.flatten().tolist())
    with pytest.raises(ArtifactError, match="another version of the plugin 'mine'"):
        load_artifact(tmp_path / "a", {"mine": "2" * 64})
    assert load_artifact(tmp_path / "a", {"mine": "1" * 64, "other": "2" * 64}).header == header


@pytest.mark.gpu
@pytest.mark.parametrize("arm", ARMS)
def test_on_the_gpu_the_outputs_are_those_of_the_cpu(make, tmp_path, arm):
    """Saved from either device the file is the same network; its outputs agree to 1e-5."""
    network, header = make("normalised", arm=arm)
    save_artifact(tmp_path / "a", network, header)
    loaded = load_artifact(tmp_path / "a")
    expected = outputs(loaded.model, header.shape)
    images = torch.randn((5, *header.shape), generator=torch.Generator().manual_seed(9)).cuda()
    with torch.no_grad():
        ours = loaded.model.cuda()(images).cpu()
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
