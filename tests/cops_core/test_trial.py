"""A trial from its configuration to its result."""

import json
import math
from pathlib import Path

import pytest
import torch

from cops_core.cache import ScoreCache
from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.errors import DriftError
from cops_core.initialization import initial_weight
from cops_core.train import DTYPES, EpochMetrics, Trainer
from cops_core.trial import Trial, TrialResult, reproducible, run_trial

ARMS = ["dense", "prune", "freeze"]


def config(arm: str = "freeze", **changes) -> TrialConfig:
    training = {name: changes.pop(name) for name in Training.model_fields if name in changes}
    selection = {} if arm == "dense" else {"selection": Selection(target="snip"), "density": "0.05"}
    settings = Training(**{"epochs": 3, "batch_size": 200} | training)
    return TrialConfig(**{"arm": arm, "training": settings} | selection | changes)


def run(settings: TrialConfig) -> tuple[TrialResult, list[EpochMetrics]]:
    rows: list[EpochMetrics] = []
    return run_trial(settings, rows.append), rows


def numbers(rows: list[EpochMetrics]) -> list[dict[str, float]]:
    return [{n: value for n, value in row.row().items() if n != "train_seconds"} for row in rows]


@pytest.mark.parametrize("arm", ARMS)
def test_each_epoch_is_reported_once(arm):
    result, rows = run(config(arm))
    assert result.status == "finished"
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert result.metrics is rows[-1]
    assert rows[-1].train_loss < rows[0].train_loss
    assert all(0 <= row.validation_accuracy <= 1 for row in rows)
    assert rows[-1].validation_accuracy > 0.3  # chance is 0.1


@pytest.mark.parametrize("arm", ARMS)
def test_the_same_configuration_gives_the_same_result(arm):
    first, rows = run(config(arm))
    torch.manual_seed(1)
    run(config("prune", seed=9))
    second, again = run(config(arm))
    assert numbers(rows) == numbers(again)
    assert {n: f for n, f in first.facts.items() if n != "seconds"} == {
        n: f for n, f in second.facts.items() if n != "seconds"
    }
    other, others = run(config(arm, seed=1))
    assert numbers(rows) != numbers(others)
    assert first.facts["theta0_sha256"] != other.facts["theta0_sha256"]


def test_the_number_of_threads_hardly_matters():
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(run(config(precision="float64")))
    finally:
        torch.set_num_threads(threads)
    (first, rows), (second, again) = results
    assert first.facts["mask_sha256"] == second.facts["mask_sha256"]
    for one, two in zip(numbers(rows), numbers(again), strict=True):
        assert one == pytest.approx(two, rel=1e-5)


def test_facts_say_what_was_built():
    facts = {arm: Trial(config(arm)).facts for arm in ARMS}
    size, others = 64 * 300 + 300 * 100 + 100 * 10, 300 + 100 + 10
    for arm, fact in facts.items():
        assert json.loads(json.dumps(fact, allow_nan=False)) == fact
        assert fact["parameters"] == size + others
        assert fact["compression"] == fact["parameters"] / fact["trained_parameters"]
        assert set(fact["seconds"]) == {"data", "model", "scoring"}
        assert all(seconds >= 0 for seconds in fact["seconds"].values())
        if arm == "dense":
            assert (fact["density"], fact["trained_parameters"], fact["compression"]) == (1, size + others, 1)
            assert fact["kept_weights"] is fact["layer_densities"] is fact["mask_sha256"] is None
        else:
            kappa = size // 20
            assert (fact["density"], fact["kept_weights"]) == (0.05, kappa)
            assert fact["trained_parameters"] == kappa + others
            sizes = {"fc1.weight": 19_200, "fc2.weight": 30_000, "fc3.weight": 1_000}
            kept = {layer: density * sizes[layer] for layer, density in fact["layer_densities"].items()}
            assert sum(kept.values()) == pytest.approx(kappa)
            assert fact["manifest"]["theta0_sha256"] == fact["theta0_sha256"]
            assert fact["manifest"]["data_sha256"] == fact["data_sha256"]
    assert len({fact["theta0_sha256"] for fact in facts.values()}) == 1
    assert facts["prune"]["mask_sha256"] == facts["freeze"]["mask_sha256"]


def test_lenet_5_caffe_at_the_published_rate_trains_157_times_fewer(prepared_root):
    settings = config(dataset="mnist", model="lenet_5_caffe", density="0.005", epochs=1)
    trial = Trial(settings, data_root=prepared_root)
    assert trial.facts["parameters"] == 431_080
    assert trial.facts["kept_weights"] == 2_153
    assert trial.facts["trained_parameters"] == 2_733
    assert round(trial.facts["compression"], 1) == 157.7
    optimised = [p.numel() for group in trial.trainer.optimizer.param_groups for p in group["params"]]
    assert sum(optimised) == 2_733
    trial.step()
    assert trial.status == "finished"


@pytest.mark.parametrize("arm", ["prune", "freeze"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_weights_outside_the_mask_are_those_of_the_arm_in_every_step(arm, scope):
    selection = Selection(target="synflow", controls=(Control(score="random", level=0.2),), scope=scope)
    settings = config(arm, selection=selection, seed=6, weight_decay=0.1, learning_rate=0.2)
    trial = Trial(settings)
    masked = trial.trainer.network.masked
    theta0 = {
        name: initial_weight(name, w.kept.shape, 6) * (arm == "freeze") + 0.0 for name, w in masked.items()
    }
    moved: list[int] = []

    def look(*_: object) -> None:
        pairs = [
            (w.theta().detach().view(torch.int32), theta0[n].view(torch.int32)) for n, w in masked.items()
        ]
        moved.append(sum(int((ours != expected).sum()) for ours, expected in pairs))

    trial.trainer.network.model.register_forward_hook(look)
    while not trial.done:
        trial.step()
    # Seven steps an epoch and an evaluation: whatever differs from theta0 is one of the kept weights.
    assert len(moved) == 3 * 8
    kappa = trial.facts["kept_weights"]
    assert moved[0] == (0 if arm == "freeze" else kappa)
    assert 0.9 * kappa < moved[-1] <= kappa
    assert max(moved) <= kappa


@pytest.mark.parametrize("arm", ["prune", "freeze"])
def test_a_weight_that_moved_ends_the_trial_with_an_error(arm):
    trial = Trial(config(arm))
    trial.step()
    # Behind the back of torch's counters. Kept weights are written again whenever they are read.
    trial.trainer.network.model.fc2.weight.data += 1e-3
    trial.step()
    with pytest.raises(DriftError, match=r"weights of fc2\.weight outside the mask have changed"):
        trial.step()


@pytest.mark.parametrize("arm", ["prune", "freeze"])
def test_a_weight_that_is_changed_in_place_is_found_when_it_is_read(arm):
    trial = Trial(config(arm))
    trial.step()
    with torch.no_grad():
        trial.trainer.network.model.fc2.weight.mul_(2)
    with pytest.raises(DriftError, match="changed in place"):
        trial.step()


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("learning_rate", [1e4, 1e30])
def test_divergence_is_a_result(arm, learning_rate):
    result, rows = run(config(arm, learning_rate=learning_rate, weight_decay=0.1, epochs=30))
    assert result.status == "diverged"
    assert len(rows) < 30
    assert not any(row.diverged for row in rows[:-1])
    assert result.metrics.diverged
    assert 0 <= result.metrics.validation_accuracy <= 1


def test_divergence_in_the_very_last_step_is_no_finish():
    result, rows = run(config("dense", learning_rate=1e30, batch_size=2_000, epochs=1))
    assert math.isfinite(rows[-1].train_loss)
    assert result.status == "diverged"


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("precision", DTYPES)
def test_every_arm_in_every_precision(arm, precision):
    result, rows = run(config(arm, precision=precision, epochs=2))
    assert result.status == "finished"
    assert math.isfinite(rows[-1].validation_loss)
    assert rows[1].validation_loss < rows[0].validation_loss < 2.5


def test_a_density_is_needed_to_run(refused):
    with refused(r"density is missing: write the kept fraction, e\.g\. density='0\.01'"):
        Trial(config(density=None))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "lenet_5_caffe"}, "at least 16 x 16, not 8 x 8: use lenet_300_100"),
        (
            {"selection": Selection(target="snip", samples_per_class=500)},
            "samples_per_class 500 is more than",
        ),
        ({"validation_fraction": "0.0001"}, "leaves a part empty: write a fraction nearer to 0.1"),
    ],
)
def test_a_configuration_that_cannot_be_built(changes, words, refused):
    with refused(words):
        Trial(config(**changes))


def test_a_step_after_the_end_is_refused():
    trial = Trial(config("dense", epochs=1))
    assert not trial.done
    trial.step()
    assert trial.done
    with pytest.raises(RuntimeError, match="this trial has ended: finished"):
        trial.step()


def test_torchs_switches_are_set_in_a_trial_and_put_back(monkeypatch):
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "benchmark", True)
    monkeypatch.setattr(cudnn, "deterministic", False)
    with reproducible():
        assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (False, True, False)
    trial = Trial(config("dense", epochs=1))
    seen: list[tuple[bool, bool]] = []
    trial.trainer.network.model.register_forward_hook(
        lambda *_: seen.append((cudnn.benchmark, cudnn.deterministic))
    )
    trial.step()
    assert set(seen) == {(False, True)}
    assert (cudnn.benchmark, cudnn.deterministic) == (True, False)


def test_nothing_is_printed_and_nothing_is_left_behind(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    run_trial(config("dense", epochs=1), lambda metrics: None, data_root=Path("data"))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.gpu
@pytest.mark.parametrize("arm", ARMS)
def test_on_the_gpu_as_on_the_cpu(arm, tmp_path):
    settings = config(arm, precision="float64")
    rows: list[EpochMetrics] = []
    ours = run_trial(settings, rows.append, device="cuda", checkpoint=tmp_path / "checkpoint")
    expected, others = run(settings)
    assert ours.facts["theta0_sha256"] == expected.facts["theta0_sha256"]
    assert ours.facts["mask_sha256"] == expected.facts["mask_sha256"]
    for one, two in zip(numbers(rows), numbers(others), strict=True):
        assert one == pytest.approx(two, rel=1e-6)
    again: list[EpochMetrics] = []
    run_trial(settings, again.append, device="cuda")
    assert numbers(rows) == numbers(again)


def collapsing(arm: str, **changes) -> TrialConfig:
    """One-shot SynFlow at this density keeps not one weight of the first layers."""
    return config(arm, **{"selection": Selection(target="synflow"), "density": "0.005", **changes})


@pytest.mark.parametrize("dataset", ["digits", "cifar100"])
def test_a_collapsed_pruned_network_is_a_result_and_not_trained(dataset, prepared_root, monkeypatch):
    classes = {"digits": 10, "cifar100": 100}[dataset]
    rows: list[EpochMetrics] = []
    monkeypatch.setattr(Trainer, "run_epoch", None)
    selection = Selection(target="synflow", samples_per_class=1)
    settings = collapsing("prune", test=True, dataset=dataset, density="0.0001", selection=selection)
    result = run_trial(settings, rows.append, data_root=prepared_root)
    assert result.status == "collapsed"
    assert result.facts["connectivity"]["collapsed"]
    assert result.facts["connectivity"]["effective_density"] == 0
    (row,) = rows
    assert row.epoch == 0
    assert row.validation_accuracy == pytest.approx(1 / classes)
    assert row.train_loss == row.validation_loss == pytest.approx(math.log(classes))
    assert result.facts["test_accuracy"] == pytest.approx(1 / classes)
    json.dumps(result.facts, allow_nan=False)


def test_a_collapsed_network_does_no_better_than_guessing_if_it_is_trained():
    """The reason for not training it: its output is one for all images, whatever its biases are."""
    trial = Trial(collapsing("prune"))
    trial.disconnected = False
    while not trial.done:
        accuracy = trial.step().validation_accuracy
    assert trial.status == "finished"
    assert accuracy < 0.2
    images = trial.trainer.split.validation.images
    assert len(trial.trainer.network(images).unique(dim=0)) == 1


def test_a_collapsed_frozen_network_is_flagged_and_trains():
    result, rows = run(collapsing("freeze"))
    assert result.status == "finished"
    assert result.facts["connectivity"]["collapsed"]
    assert "fc1.weight" in result.facts["connectivity"]["empty_layers"]
    assert rows[-1].validation_accuracy > 0.2


def test_a_collapsed_trial_goes_on_from_its_checkpoint_as_ended(tmp_path):
    settings, path = collapsing("prune"), tmp_path / "trial.pt"
    result = run_trial(settings, lambda row: None, checkpoint=path)
    again = run_trial(settings, lambda row: pytest.fail("reported again"), checkpoint=path)
    assert again.status == "collapsed"
    assert again.metrics == result.metrics


def test_connected_networks_are_not_flagged():
    for arm in ("prune", "freeze"):
        connected = Trial(config(arm)).facts["connectivity"]
        assert not connected["collapsed"]
        assert 0 < connected["effective_density"] <= 0.05
    assert Trial(config("dense")).facts["connectivity"] is None


def test_scores_come_from_the_cache(tmp_path):
    cache = ScoreCache(tmp_path)
    first, second = (Trial(config(arm), cache=cache).facts for arm in ("prune", "freeze"))
    assert (first["scores_computed"], first["scores_cached"]) == ({"snip": 1}, {})
    assert (second["scores_computed"], second["scores_cached"]) == ({}, {"snip": 1})
    assert first["mask_sha256"] == second["mask_sha256"]
    assert first["manifest"] == second["manifest"]


@pytest.mark.parametrize("arm", [*ARMS, "freeze_wd"])
def test_the_account_before_training_is_that_of_the_trained_artefact(arm, tmp_path):
    before = Trial(config(arm)).facts["accounting"]
    result = run_trial(config(arm), report=lambda row: None, artifact=tmp_path / "network.safetensors")
    after = result.facts["accounting"]
    assert after["artifact_bytes"] == (tmp_path / "network.safetensors").stat().st_size
    # A decaying scale is written with more digits than 1.0.
    slack = 30 if arm == "freeze_wd" else 0
    assert abs(before["artifact_bytes"] - after["artifact_bytes"]) <= slack
    assert before["trained_parameters"] == result.facts["trained_parameters"]
