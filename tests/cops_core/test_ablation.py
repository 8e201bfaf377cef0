"""Each ablation does what it says: a test fails if it does nothing, or too much."""

from decimal import Decimal

import numpy as np
import pytest
import torch

from cops_core.ablation import MASK_ABLATIONS, at_random, inverted, reinitialized, shuffled
from cops_core.config import Ablation, Control, Floor, Selection, TrialConfig
from cops_core.data import load_split
from cops_core.initialization import initial_weight, initialize, xavier_normal
from cops_core.mask import Mask
from cops_core.models import build_model
from cops_core.scores import compute_scores
from cops_core.scoring import Scorer
from cops_core.trial import Trial
from cops_core.trial_selection import select_weights

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
    other = change(mask, 1, None)
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
    counts = sum(change(mask, seed, None)["fc1.weight"].int() for seed in range(3000))
    assert (counts.float() / 3000 - 2 / 6).abs().max() < 0.04


def test_the_seed_decides(mask, change):
    assert change(mask, 1, None).sha256() == change(mask, 1, None).sha256() != change(mask, 2, None).sha256()


def test_the_two_are_draws_of_their_own(mask):
    assert shuffled(mask, 1, None).sha256() != at_random(mask, 1, None).sha256()


def test_all_or_nothing_kept(change):
    mask = Mask({"a": torch.ones(3, 4, dtype=torch.bool), "b": torch.zeros(5, 2, dtype=torch.bool)})
    assert change(mask, 1, None).sha256() == mask.sha256()


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


def test_inverted_keeps_the_lowest_of_each_layer_by_hand():
    mask = Mask({"a": torch.tensor([[True, True], [False, False]]), "b": torch.tensor([False, True, False])})
    lowest = inverted(mask, 1, np.array([4.0, 3.0, -2.0, 1.0, 5.0, 6.0, 5.0]))
    assert lowest["a"].tolist() == [[False, False], [True, True]]
    assert lowest["b"].tolist() == [True, False, False]
    with pytest.raises(ValueError, match="select with ablation='invert'"):
        inverted(mask, 1, None)


def trial(ablation: Ablation, arm: str = "prune", **selection) -> Trial:
    chosen = Selection(target="snip", ablation=ablation, **selection)
    return Trial(TrialConfig(seed=5, arm=arm, selection=chosen, density="0.05", training={"epochs": 1}))


@pytest.mark.parametrize("arm", ["prune", "freeze"])
def test_in_a_trial(arm):
    trials = {ablation: trial(ablation, arm) for ablation in MASK_ABLATIONS}
    facts = {ablation: trial.facts for ablation, trial in trials.items()}
    masks = {ablation: fact["mask_sha256"] for ablation, fact in facts.items()}
    assert masks["none"] == masks["reinitialize"]
    assert len(set(masks.values())) == 4
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


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_split("digits", tmp_path_factory.mktemp("data"), 5, Decimal("0.2"))


Layers = dict[str, np.ndarray]


def target_alone(snip: Layers, magnitude: Layers, solutions) -> Layers:
    return snip


def controlled(snip: Layers, magnitude: Layers, solutions) -> Layers:
    return {
        name: snip[name] + solutions.get(name, solutions.get("global"))["multipliers"][0] * magnitude[name]
        for name in snip
    }


def weighted(snip: Layers, magnitude: Layers, solutions) -> Layers:
    sizes = [sum(layer.sum() for layer in score.values()) for score in (snip, magnitude)]
    return {name: 0.6 * snip[name] / sizes[0] + 0.4 * magnitude[name] / sizes[1] for name in snip}


def union(snip: Layers, magnitude: Layers, solutions) -> Layers:
    """What the control chose comes last: its highest 1004 of 2510 kept weights."""
    least = np.sort(np.concatenate(list(magnitude.values())))[-1004]
    return {name: np.where(magnitude[name] >= least, np.inf, snip[name]) for name in snip}


CONTROLS = {"controls": (Control(score="magnitude", level=0.4),)}
INVERTED = {
    "alone": ({}, target_alone),
    "per layer": ({"scope": "layer"}, target_alone),
    "rounds": ({"rounds": 3}, target_alone),
    "floors": ({"floor": Floor(count=1, per="unit")}, target_alone),
    "controlled": (CONTROLS, controlled),
    "controlled per layer": ({**CONTROLS, "scope": "erk"}, controlled),
    "weighted": ({**CONTROLS, "combine": "weighted"}, weighted),
    "union": ({**CONTROLS, "combine": "union"}, union),
}


@pytest.mark.parametrize("case", INVERTED)
def test_inverted_against_a_slow_loop(parts, case):
    """The lowest in each layer, by the score of the dense network whose highest the first round keeps."""
    how, ranking = INVERTED[case]
    model = build_model("lenet_300_100", parts.data.shape, 10)
    initialize(model, 5)
    plain, lowest = (
        select_weights(
            Scorer(model, 5, "theta0"),
            parts,
            Selection(target="snip", ablation=ablation, **how),
            Decimal("0.05"),
        )
        for ablation in ("none", "invert")
    )
    assert lowest.mask.kept == plain.mask.kept
    assert plain.mask.kappa == 2510
    batch, _ = parts.scoring_batch(5, 10)
    scores = compute_scores(["snip", "magnitude"], model, batch, seed=5)
    flat = [{name: v.double().numpy().ravel() for name, v in score.items()} for score in scores.values()]
    ranked = ranking(*flat, plain.manifest["solutions"])
    for name, keep in lowest.mask.items():
        order = sorted(range(keep.numel()), key=lambda place: (ranked[name][place], place))
        expected = sorted(order[: plain.mask.kept[name]])
        assert np.flatnonzero(keep.numpy()).tolist() == expected


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
            {"ablation": "invert"},
        )
    }
    assert len(names) == 18
    assert "snip, 5 linear rounds" in names
    assert "snip, shuffled" in names
    assert "snip, inverted" in names
    assert "snip, ERK" in names
    assert "union(snip; random)" in names
    assert "snip, floor 1 per unit" in names
