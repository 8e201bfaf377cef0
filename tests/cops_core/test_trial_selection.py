import json
from collections import OrderedDict
from decimal import Decimal

import numpy as np
import pytest
import torch
from torch import nn

from cops_core.config import Control, Selection
from cops_core.cops import solve_cops
from cops_core.data import Split, split
from cops_core.densities import PROPORTIONS, layer_budgets
from cops_core.initialization import initialize, weights_hash
from cops_core.mask import flatten, kept_weights, top_kappa
from cops_core.prunable import maskable
from cops_core.scores import SCORES, compute_scores
from cops_core.scoring import Scorer, tensor_hash
from cops_core.trial_selection import select_weights

SEED = 4
SHAPE, CLASSES = (1, 6, 6), 3


@pytest.fixture(scope="module")
def parts(make_data) -> Split:
    return split(make_data(train=90, shape=SHAPE, classes=CLASSES), SEED, Decimal("0.2"))


@pytest.fixture
def model() -> nn.Module:
    layers = {"flatten": nn.Flatten(), "fc1": nn.Linear(36, 60), "relu": nn.ReLU(), "fc2": nn.Linear(60, 3)}
    network = nn.Sequential(OrderedDict(layers))
    initialize(network, SEED)
    return network


def scorer(model: nn.Module, seed: int = SEED, convention: str = "paper") -> Scorer:
    return Scorer(model, seed, weights_hash(maskable(model)), convention)


def scored(model: nn.Module, parts: Split, *names: str, per_class: int = 10) -> list[np.ndarray]:
    batch, _ = parts.scoring_batch(SEED, per_class)
    scores = compute_scores(names, model, batch, seed=SEED)
    return [flatten(scores[name]) for name in names]


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("density", ["0.5", "0.013", "0.00001", "1"])
def test_one_score_keeps_its_highest(model, parts, name, density):
    selected = select_weights(scorer(model), parts, Selection(target=name), Decimal(density))
    (scores,) = scored(model, parts, name)
    kappa = kept_weights(Decimal(density), scores.size)
    assert selected.mask.kappa == kappa
    assert (flatten(selected.mask).astype(bool) == top_kappa(scores, kappa)).all()
    shapes = {layer: weight.shape for layer, weight in maskable(model).items()}
    assert {layer: keep.shape for layer, keep in selected.mask.items()} == shapes
    assert list(selected.mask) == list(shapes)


@pytest.mark.parametrize(("kind", "levels"), [("relative", [0.4, 0.2]), ("absolute", [0.97, 0.6])])
def test_controls_are_held_at_their_levels(model, parts, kind, levels):
    names = ["synflow", "magnitude"]
    controls = tuple(Control(score=name, level=level) for name, level in zip(names, levels, strict=True))
    selection = Selection(target="snip", controls=controls, level_kind=kind)
    selected = select_weights(scorer(model), parts, selection, Decimal("0.05"))
    target, *others = scored(model, parts, "snip", *names)
    kappa = kept_weights(Decimal("0.05"), target.size)
    expected = solve_cops(target, others, kappa, levels, kind=kind, shrink=True)
    keep = flatten(selected.mask).astype(bool)
    assert (keep == expected.mask).all()
    assert not (keep == top_kappa(target, kappa)).all()
    certificate = selected.manifest["solutions"]["global"]
    assert certificate["controls"] == pytest.approx([score[keep].sum() for score in others])
    assert certificate["levels"] == pytest.approx(expected.levels)
    assert certificate["gap"] == pytest.approx(certificate["dual_bound"] - target[keep].sum(), abs=1e-9)


@pytest.mark.parametrize("scope", PROPORTIONS)
def test_per_layer_every_layer_has_its_budget(model, parts, scope):
    controls = (Control(score="magnitude", level=0.5),)
    selection = Selection(target="snip", controls=controls, scope=scope)
    selected = select_weights(scorer(model), parts, selection, Decimal("0.05"))
    shapes = {layer: weight.shape for layer, weight in maskable(model).items()}
    assert selected.mask.kept == layer_budgets(Decimal("0.05"), shapes, PROPORTIONS[scope])
    assert set(selected.manifest["solutions"]) == set(shapes)
    assert selected.manifest["scope"] == scope
    batch, _ = parts.scoring_batch(SEED, 10)
    scores = compute_scores(["snip", "magnitude"], model, batch, seed=SEED)
    for layer, keep in selected.mask.items():
        snip, magnitude = (scores[name][layer].double().numpy().ravel() for name in ("snip", "magnitude"))
        expected = solve_cops(snip, [magnitude], selected.mask.kept[layer], [0.5])
        assert (keep.numpy().ravel() == expected.mask).all()


def test_the_manifest_says_how_as_json(model, parts):
    selection = Selection(target="snip", controls=(Control(score="grasp", level=0.1),), samples_per_class=2)
    selected = select_weights(scorer(model), parts, selection, Decimal("0.01"))
    manifest = json.loads(json.dumps(selected.manifest, allow_nan=False))
    assert manifest == selected.manifest
    assert list(manifest["scores"]) == ["snip", "grasp"]
    assert manifest["scores"]["grasp"] == {
        "needs_data": True,
        "needs_second_derivative": True,
        "normalisation": "train",
        "precision": "model",
        "signed": True,
    }
    assert manifest["model_dtype"] == "torch.float32"
    batch, places = parts.scoring_batch(SEED, 2)
    assert manifest["sample_indices"] == [places]
    assert len(places) == 2 * CLASSES
    assert manifest["batch_sha256"] == [tensor_hash(*batch)]
    assert (manifest["class_balanced"], manifest["augmentation"]) == (True, "none")
    assert manifest["theta0_sha256"] == weights_hash(maskable(model))
    assert manifest["data_sha256"] == parts.data.sha256


@pytest.mark.parametrize("density", ["0.00001", "1"])
def test_nothing_or_everything_kept_is_still_json(model, parts, density):
    selection = Selection(target="snip", controls=(Control(score="magnitude", level=0.5),), scope="layer")
    selected = select_weights(scorer(model), parts, selection, Decimal(density))
    json.dumps(selected.manifest, allow_nan=False)
    assert selected.mask.kappa == kept_weights(Decimal(density), selected.mask.size)


def test_levels_that_cannot_be_met_together_are_shrunk(model, parts):
    controls = tuple(Control(score=name, level=1.0) for name in ("synflow", "random"))
    selection = Selection(target="snip", controls=controls)
    selected = select_weights(scorer(model), parts, selection, Decimal("0.01"))
    certificate = selected.manifest["solutions"]["global"]
    assert 0 <= certificate["shrunk"] < 1
    assert selected.mask.kappa == kept_weights(Decimal("0.01"), selected.mask.size)


def test_the_scoring_batch_is_the_seeds_and_the_model_stays(model, parts):
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    selection = Selection(target="snip", samples_per_class=1)
    first, again, other = (
        select_weights(scorer(model, seed), parts, selection, Decimal("0.05"))
        for seed in (SEED, SEED, SEED + 1)
    )
    assert first.mask.sha256() == again.mask.sha256() != other.mask.sha256()
    assert first.manifest == again.manifest
    assert first.manifest["sample_indices"] != other.manifest["sample_indices"]
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_more_samples_than_images_are_refused(model, parts, refused):
    with refused("samples_per_class 1000 is more than the"):
        select_weights(scorer(model), parts, Selection(target="snip", samples_per_class=1000), Decimal("0.1"))
