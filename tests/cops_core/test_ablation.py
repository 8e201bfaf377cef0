"""Each ablation does what it says: a test fails if it does nothing, or too much."""

import numpy as np
import pytest
import torch

from cops_core.ablation import MASK_ABLATIONS, at_random, reinitialized, shuffled
from cops_core.config import Ablation, Selection, TrialConfig
from cops_core.initialization import initial_weight, xavier_normal
from cops_core.mask import Mask
from cops_core.trial import Trial

MASK_CHANGES = {"shuffle": shuffled, "random": at_random}


@pytest.fixture
def mask() -> Mask:
    """Three layers of very different densities, their kept weights all at the front."""
    shapes = {"conv1.weight": (8, 3, 3, 3), "fc1.weight": (50, 40), "fc1.bias": (50,)}
    kept = {"conv1.weight": 100, "fc1.weight": 60, "fc1.bias": 25}
    layers = {}
    for name, shape in shapes.items():
        keep = torch.zeros(int(np.prod(shape)), dtype=torch.bool)
        keep[: kept[name]] = True
        layers[name] = keep.reshape(shape)
    return Mask(layers)


@pytest.fixture(params=MASK_CHANGES)
def change(request):
    return MASK_CHANGES[request.param]


def test_every_layer_keeps_its_number_at_other_places(mask, change):
    other = change(mask, 1)
    assert other.kept == mask.kept
    assert list(other) == list(mask)
    for name, keep in mask.items():
        assert other[name].shape == keep.shape
        both = int((other[name] & keep).sum())
        expected = mask.kept[name] ** 2 / keep.numel()
        assert abs(both - expected) < 6 * np.sqrt(expected) + 3
        assert not torch.equal(other[name], keep)


def test_every_place_is_as_likely_as_any_other(change):
    mask = Mask({"fc1.weight": torch.tensor([True, True, False, False, False, False]).reshape(2, 3)})
    counts = sum(change(mask, seed)["fc1.weight"].int() for seed in range(3000))
    assert (counts.float() / 3000 - 2 / 6).abs().max() < 0.04


def test_the_seed_decides(mask, change):
    assert change(mask, 1).sha256() == change(mask, 1).sha256() != change(mask, 2).sha256()


def test_the_two_are_draws_of_their_own(mask):
    assert shuffled(mask, 1).sha256() != at_random(mask, 1).sha256()


def test_all_or_nothing_kept(change):
    mask = Mask({"a": torch.ones(3, 4, dtype=torch.bool), "b": torch.zeros(5, 2, dtype=torch.bool)})
    assert change(mask, 1).sha256() == mask.sha256()


def test_other_initial_values_are_of_the_same_distribution(mask):
    values = reinitialized(mask, 1, "xavier_normal")
    assert {name: value.numel() for name, value in values.items()} == {"conv1.weight": 100, "fc1.weight": 60}
    for name, value in values.items():
        theta0 = initial_weight(name, mask[name].shape, 1)[mask[name]]
        assert not (value == theta0).any()
        assert abs(np.corrcoef(value, theta0)[0, 1]) < 0.4
        assert float(value.std()) == pytest.approx(float(theta0.std()), rel=0.5)
    whole = Mask({"fc1.weight": torch.ones(200, 300, dtype=torch.bool)})
    (many,) = reinitialized(whole, 1, "xavier_normal").values()
    assert float(many.std()) == pytest.approx(xavier_normal(300, 200), rel=0.01)


def trial(ablation: Ablation, arm: str = "prune", **selection) -> Trial:
    chosen = Selection(target="snip", ablation=ablation, **selection)
    return Trial(TrialConfig(seed=5, arm=arm, selection=chosen, density="0.05", training={"epochs": 1}))


@pytest.mark.parametrize("arm", ["prune", "freeze"])
def test_in_a_trial(arm):
    trials = {ablation: trial(ablation, arm) for ablation in MASK_ABLATIONS}
    facts = {ablation: trial.facts for ablation, trial in trials.items()}
    masks = {ablation: fact["mask_sha256"] for ablation, fact in facts.items()}
    assert masks["none"] == masks["reinitialize"]
    assert len(set(masks.values())) == 3
    assert len({str(fact["layer_densities"]) for fact in facts.values()}) == 1
    assert len({fact["theta0_sha256"] for fact in facts.values()}) == 1
    networks = {ablation: trial.trainer.network for ablation, trial in trials.items()}
    for name in facts["none"]["layer_densities"]:
        plain, other = (networks[ablation].trained[name] for ablation in ("none", "reinitialize"))
        assert not (plain == other).any()
    for one in trials.values():
        assert one.facts["manifest"]["ablation"] == one.config.selection.ablation
        one.step()  # which audits the weights outside the mask at its end
        assert one.status == "finished"


@pytest.mark.parametrize(
    ("convention", "mask_size"), [("synaptic_flow_biases", 50_200 + 410), ("dense_last_layer", 49_200)]
)
@pytest.mark.parametrize("arm", ["prune", "freeze"])
def test_what_may_be_removed_is_the_conventions(convention, mask_size, arm):
    one = trial("reinitialize", arm, convention=convention)
    assert one.facts["connectivity"]["size"] == mask_size
    kept = one.facts["kept_weights"]
    assert kept == int(mask_size * 0.05 + 0.5)
    always = {"synaptic_flow_biases": 0, "dense_last_layer": 410 + 1000}[convention]
    assert one.facts["trained_parameters"] == kept + always
    one.step()
    assert one.status == "finished"
    masked = set(one.facts["layer_densities"])
    assert ("fc1.bias" in masked) is (convention == "synaptic_flow_biases")
    assert ("fc3.weight" in masked) is (convention != "dense_last_layer")


def test_methods_of_other_manner_have_other_names():
    names = {
        Selection(target="snip", **manner).method
        for manner in (
            {},
            {"scope": "layer"},
            {"scope": "erk"},
            {"scope": "balanced"},
            {"floor": {"count": 2}},
            {"controls": [{"score": "random", "level": 0.2}]},
            {"controls": [{"score": "random", "level": 0.2}], "combine": "weighted"},
            {"controls": [{"score": "random", "level": 0.2}], "combine": "union"},
            {"floor": {"count": 1, "per": "unit"}},
            {"rounds": 5},
            {"rounds": 5, "schedule": "linear"},
            {"rounds": 5, "revive": True},
            {"rounds": 5, "fresh_batches": True},
            {"convention": "grasp"},
            {"ablation": "shuffle"},
            {"ablation": "random"},
            {"ablation": "reinitialize"},
        )
    }
    assert len(names) == 17
    assert "snip, 5 linear rounds" in names
    assert "snip, shuffled" in names
    assert "snip, ERK" in names
    assert "union(snip; random)" in names
    assert "snip, floor 1 per unit" in names
