"""On a GPU a network is the same one as on the CPU, but for rounding."""

import pytest
import torch
from torch import Tensor

from cops_core.arms import SCALES
from cops_core.contracts.networks import batch, build
from cops_core.placement import Placement, release, use_device
from cops_core.scores import SCORES, compute_scores
from cops_core.train import EpochMetrics
from cops_core.trial import Trial, run_trial

from .trained import METHOD, SEED, assert_alike, config, losses, trainer

GPU = torch.device("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("arm", ["dense", "prune", "freeze", "freeze_wd"])
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float64", 1e-6), ("float32", 1e-2), ("bfloat16", 1e-1)]
)
def test_a_trial_on_the_gpu_gives_the_cpus_numbers(arm, precision, tolerance):
    """A few weights in float32 and bfloat16 may be others: scores that are almost equal change places."""
    dense = {"arm": arm, "selection": None, "density": None}
    settings = config(precision=precision, **(dense if arm == "dense" else {"arm": arm}))
    ours: list[EpochMetrics] = []
    expected: list[EpochMetrics] = []
    result = run_trial(settings, ours.append, device="cuda")
    other = run_trial(settings, expected.append)
    assert losses(ours) == pytest.approx(losses(expected), rel=tolerance)
    if precision == "float64":
        assert result.facts["mask_sha256"] == other.facts["mask_sha256"]


@pytest.mark.gpu
def test_the_gpu_gives_the_same_numbers_every_time():
    runs: list[list[EpochMetrics]] = [[], []]
    for rows in runs:
        run_trial(config(precision="bfloat16"), rows.append, device="cuda")
    assert losses(runs[0]) == losses(runs[1])


@pytest.mark.gpu
@pytest.mark.parametrize("arm", SCALES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_in_channels_last_on_the_gpu_no_weight_outside_the_mask_moves(parts, arm, precision):
    ours = trainer(parts, arm, Placement(GPU, torch.channels_last, fused=True), precision)
    seen: list[bool] = []
    ours.network.model.register_forward_pre_hook(lambda _, images: seen.append(images[0].stride(1) == 1))
    rows = [ours.run_epoch() for _ in range(3)]
    assert all(seen)
    assert rows[-1].train_loss < rows[0].train_loss
    ours.network.audit(SEED, METHOD)
    assert all(weight.is_contiguous() for weight in ours.network.model.parameters())


@pytest.mark.gpu
@pytest.mark.parametrize("arm", SCALES)
def test_fused_sgd_on_the_gpu_is_sgd(parts, arm):
    ours = trainer(parts, arm, Placement(GPU, fused=True))
    expected = trainer(parts, arm, Placement(GPU))
    for each in (ours, expected):
        each.run_epoch()
    assert_alike(ours, expected, 1e-6)
    ours.network.audit(SEED, METHOD)


@pytest.mark.gpu
def test_a_checkpoint_of_the_cpu_goes_on_on_the_gpu_and_back():
    rows: list[EpochMetrics] = []
    run_trial(config(), rows.append)
    for first, second in (("cpu", "cuda"), ("cuda", "cpu")):
        begun = Trial(config(), device=first)
        begun.step()
        resumed = Trial(config(), device=second)
        resumed.load_state(begun.state())
        resumed.step()
        assert losses(resumed.history) == pytest.approx(losses(rows), rel=1e-6)


def fill(device: torch.device, held: list[Tensor]) -> None:
    """Take 8 MB at a time, up to 800 MB."""
    for _ in range(100):
        held.append(torch.empty(8_000_000, dtype=torch.uint8, device=device))


@pytest.mark.gpu
def test_after_an_out_of_memory_error_the_gpu_has_its_memory_back():
    device = use_device("cuda")
    release()
    before = torch.cuda.memory_reserved(device)
    _, total = torch.cuda.mem_get_info(device)
    torch.cuda.set_per_process_memory_fraction((before + 64_000_000) / total, device)
    held: list[Tensor] = []
    try:
        with pytest.raises(torch.OutOfMemoryError):
            fill(device, held)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    assert torch.cuda.memory_reserved(device) > before
    held.append(held)  # type: ignore[arg-type]  # a circle, which only the garbage collector undoes
    del held
    release()
    assert torch.cuda.memory_reserved(device) <= before
    assert torch.cuda.max_memory_reserved(device) <= before
    run_trial(config(), lambda metrics: None, device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU")
def test_a_trial_on_the_second_gpu_leaves_the_first_alone():
    was, before = torch.cuda.current_device(), torch.cuda.memory_allocated(0)
    try:
        trial = Trial(config(precision="bfloat16"), device="cuda:1")
        assert (trial.device, torch.cuda.current_device()) == (torch.device("cuda", 1), 1)
        assert trial.step().epoch == 1
        assert {p.device for p in trial.trainer.network.model.parameters()} == {trial.device}
        assert torch.empty(0, device="cuda").device == trial.device
        assert torch.cuda.memory_allocated(0) == before
    finally:
        torch.cuda.set_device(was)


@pytest.mark.gpu
@pytest.mark.parametrize("score", SCORES)
def test_scores_on_the_gpu_are_the_same_in_channels_last(score):
    images, labels = batch()
    model = build("residual", torch.float64).to(GPU)
    expected = compute_scores([score], model, (images, labels), seed=0)[score]
    other = images.to(memory_format=torch.channels_last)
    for name, layer in compute_scores([score], model, (other, labels), seed=0)[score].items():
        torch.testing.assert_close(layer, expected[name], rtol=1e-8, atol=1e-12)
