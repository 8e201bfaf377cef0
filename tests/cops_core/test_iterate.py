"""Iterated selection against a slow loop that says the same with sorts and dictionaries."""

import copy
import math
from decimal import Decimal
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cross_entropy

import cops_core.scoring
from cops_core.config import Control, Selection
from cops_core.data import load_split
from cops_core.errors import InfeasibleError
from cops_core.groups import groups_of
from cops_core.initialization import initialize
from cops_core.iterate import run_rounds
from cops_core.mask import Mask, kept_weights
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.scores import RoundScores, compute_scores
from cops_core.scoring import Scorer
from cops_core.trial_selection import select_weights

SEED = 3
DENSITY = Decimal("0.01")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_split("digits", tmp_path_factory.mktemp("data"), SEED, Decimal("0.2"))


@pytest.fixture
def model(parts):
    network = build_model("lenet_300_100", parts.data.shape, 10)
    initialize(network, SEED)
    return network


@pytest.fixture
def seen(monkeypatch):
    """The masks on which scores were computed, round by round."""
    masks = []
    compute = RoundScores.compute

    def compute_whole(*arguments, **options):
        masks.append(None)
        return compute_scores(*arguments, **options)

    def compute_masked(rounds, batch, mask, removed):
        masks.append(Mask({name: layer.clone() for name, layer in mask.items()}))
        return compute(rounds, batch, mask, removed)

    monkeypatch.setattr(cops_core.scoring, "compute_scores", compute_whole)
    monkeypatch.setattr(RoundScores, "compute", compute_masked)
    return masks


def choose(model, parts, density=DENSITY, **selection):
    return select_weights(Scorer(model, SEED, "theta0"), parts, Selection(**selection), density)


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def slow_rounds(model, parts, score, density, rounds):
    """Sort all survivors by (score, lower index) in every round."""
    batch, _ = parts.scoring_batch(SEED, 10)
    alive = {(name, i) for name, weight in maskable(model).items() for i in range(weight.numel())}
    order = {key: place for place, key in enumerate(sorted(alive, key=lambda key: (key[0], key[1])))}
    size = len(alive)
    for k in range(1, rounds + 1):
        kappa = (
            kept_weights(density, size)
            if k == rounds
            else math.floor(size * float(density) ** (k / rounds) + 0.5)
        )
        layers = {
            name: torch.zeros(weight.numel(), dtype=torch.bool) for name, weight in maskable(model).items()
        }
        for name, place in alive:
            layers[name][place] = True
        mask = Mask({name: layer.reshape(maskable(model)[name].shape) for name, layer in layers.items()})
        values = compute_scores([score], model, batch, seed=SEED, mask=mask)[score]
        flat = {name: value.reshape(-1).tolist() for name, value in values.items()}
        alive = set(sorted(alive, key=lambda key: (-flat[key[0]][key[1]], order[key]))[:kappa])
    return alive


@pytest.mark.parametrize("score", ["magnitude", "snip", "grasp", "synflow"])
def test_each_round_keeps_the_highest_of_the_survivors(model, parts, score):
    mask = choose(model, parts, target=score, rounds=4).mask
    kept = {(name, int(i)) for name in mask for i in mask[name].reshape(-1).nonzero()}
    assert kept == slow_rounds(model, parts, score, DENSITY, rounds=4)


def test_one_round_is_one_shot(model, parts, seen):
    mask = choose(model, parts, target="snip").mask
    assert seen == [None]
    assert mask.kappa == kept_weights(DENSITY, mask.size)


@pytest.mark.parametrize("scope", ["global", "layer", "erk"])
@pytest.mark.parametrize("controls", [(), (Control(score="grasp", level=0.4),)])
def test_a_removed_weight_never_comes_back(model, parts, seen, scope, controls):
    selected = choose(model, parts, target="synflow", controls=controls, scope=scope, rounds=6)
    masks = [*seen[1:], selected.mask]
    assert [mask.kappa for mask in masks] == selected.manifest["kappas"]
    for earlier, later in pairwise(masks):
        assert all(bool((earlier[name] | ~later[name]).all()) for name in later)


def test_the_schedule_is_exponential(model, parts):
    selected = choose(model, parts, target="magnitude", rounds=10)
    size = selected.mask.size
    expected = [math.floor(size * 0.01 ** (k / 10) + 0.5) for k in range(1, 10)]
    assert selected.manifest["kappas"] == [*expected, kept_weights(DENSITY, size)]


@pytest.mark.parametrize("controls", [(), (Control(score="snip", level=0.3),)])
def test_no_weight_may_be_left_before_the_last_round(model, parts, controls):
    """Of few weights a low density keeps none: the rounds after that have nothing to choose."""
    chosen = choose(model, parts, Decimal("0.000001"), target="synflow", controls=controls, rounds=100)
    assert chosen.mask.kappa == 0
    assert chosen.manifest["kappas"][-3:] == [0, 0, 0]


def test_rounds_of_a_score_that_does_not_change_are_one_round(model, parts):
    once = choose(model, parts, target="magnitude").mask
    assert equal(once, choose(model, parts, target="magnitude", rounds=7).mask)


def test_iterated_synflow_keeps_every_layer_where_one_shot_empties_one(model, parts):
    density = Decimal("0.005")
    assert min(choose(model, parts, density, target="synflow").mask.kept.values()) == 0
    assert min(choose(model, parts, density, target="synflow", rounds=100).mask.kept.values()) > 0


def test_a_control_holds_among_the_survivors(model, parts):
    control = Control(score="snip", level=0.5)
    selected = choose(model, parts, target="synflow", controls=(control,), rounds=5)
    (solution,) = selected.manifest["solutions"].values()
    assert solution["status"] == "optimal"
    assert solution["slacks"][0] >= 0
    assert not equal(selected.mask, choose(model, parts, target="synflow", rounds=5).mask)


def test_the_price_of_control_is_recorded_with_its_multipliers(model, parts):
    control = Control(score="magnitude", level=0.4)
    manifest = choose(model, parts, target="snip", controls=(control,)).manifest
    (points,) = manifest["price_of_control"].values()
    (solution,) = manifest["solutions"].values()
    assert [point["level"] for point in points] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    kept = [point["controls"][0] for point in points]
    assert kept == sorted(kept)
    assert kept[0] < kept[-1]
    targets = [point["target"] for point in points]
    assert targets == sorted(targets, reverse=True)
    assert points[2]["target"] == pytest.approx(solution["value"], rel=1e-12)
    assert points[2]["multipliers"] == pytest.approx(solution["multipliers"], rel=1e-9)
    assert choose(model, parts, target="snip").manifest["price_of_control"] == {}


def test_the_linear_schedule_removes_as_many_each_round(model, parts):
    kappas = choose(model, parts, target="magnitude", rounds=5, schedule="linear").manifest["kappas"]
    size, kappa = 50_200, kept_weights(DENSITY, 50_200)
    assert kappas == [math.floor(size - (size - kappa) * k / 5 + 0.5) for k in range(1, 5)] + [kappa]


@pytest.mark.parametrize("scope", ["global", "layer", "erk"])
@pytest.mark.parametrize("schedule", ["exponential", "linear"])
def test_every_budget_is_kept_in_every_round(model, parts, seen, schedule, scope):
    selected = choose(model, parts, target="snip", rounds=4, schedule=schedule, scope=scope, revive=True)
    assert [mask.kappa for mask in [*seen[1:], selected.mask]] == selected.manifest["kappas"]
    assert selected.mask.kappa == kept_weights(DENSITY, selected.mask.size)


def test_revival_ranks_all_weights_anew_in_every_round(model, parts, seen):
    """Against a slow loop: |gradient of the masked network * theta0|, all weights sorted."""
    selected = choose(model, parts, target="snip", rounds=3, revive=True)
    (images, labels), _ = parts.scoring_batch(SEED, 10)
    theta0 = {name: weight.detach().clone() for name, weight in maskable(model).items()}
    mask = {name: torch.ones_like(weight) for name, weight in theta0.items()}
    for kappa in selected.manifest["kappas"]:
        net = copy.deepcopy(model)
        with torch.no_grad():
            for name, weight in maskable(net).items():
                weight.mul_(mask[name])
        cross_entropy(net(images), labels).backward()
        score = torch.cat([(w.grad * theta0[n]).abs().reshape(-1) for n, w in maskable(net).items()])
        flat = torch.zeros_like(score)
        flat[score.argsort(descending=True, stable=True)[:kappa]] = 1
        pieces = flat.split([weight.numel() for weight in theta0.values()])
        mask = {n: piece.reshape(theta0[n].shape) for n, piece in zip(theta0, pieces, strict=True)}
    for name, keep in selected.mask.items():
        assert torch.equal(keep, mask[name].bool())
    back = [
        int((later[name] & ~earlier[name]).sum())
        for earlier, later in pairwise([*seen[1:], selected.mask])
        for name in earlier
    ]
    assert sum(back) > 0


def test_fresh_batches_are_other_images_in_every_round(model, parts):
    manifest = choose(model, parts, target="snip", rounds=3, fresh_batches=True).manifest
    first, second, third = map(set, manifest["sample_indices"])
    assert len(first | second | third) > 1.5 * len(first)
    assert manifest["sample_indices"][0] == choose(model, parts, target="snip").manifest["sample_indices"][0]
    assert len(set(manifest["batch_sha256"])) == 3
    fixed = choose(model, parts, target="snip", rounds=3)
    assert len(fixed.manifest["sample_indices"]) == 1
    fresh = choose(model, parts, target="snip", rounds=3, fresh_batches=True)
    assert not equal(fixed.mask, fresh.mask)


def test_several_batches_have_a_stream_each(model, parts):
    one = choose(model, parts, target="snip").manifest
    three = choose(model, parts, target="snip", batches=3).manifest
    assert "batches" not in one
    assert three["batches"] == 3
    (places,) = three["sample_indices"]
    first, second, third = (set(places[start : start + 100]) for start in (0, 100, 200))
    assert places[:100] == one["sample_indices"][0]
    assert len(places) == 300
    assert len(first | second | third) > 200
    fresh = choose(model, parts, target="snip", rounds=2, fresh_batches=True, batches=2).manifest
    drawn = [places[start : start + 100] for places in fresh["sample_indices"] for start in (0, 100)]
    assert len(set(map(tuple, drawn))) == 4
    assert len(set(fresh["batch_sha256"])) == 2


@pytest.mark.parametrize("score", ["snip", "grasp", "fisher", "synflow"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_several_batches_have_the_mask_of_all_their_images(model, parts, score, rounds):
    model = model.double()
    ours = choose(model, parts, target=score, rounds=rounds, batches=3)
    batches = [parts.scoring_batch(SEED, 10, number=number)[0] for number in (1, 2, 3)]
    together = tuple(torch.cat(each) for each in zip(*batches, strict=True))
    monolith = Scorer(model, SEED, "theta0")
    groups = groups_of(monolith, Selection(target=score), Decimal("0.01"))
    mask = run_rounds(monolith, [together], Selection(target=score, rounds=rounds), groups).mask
    assert equal(ours.mask, mask)


def test_a_batch_that_is_not_class_balanced(model, parts):
    manifest = choose(model, parts, target="snip", convention="snip").manifest
    assert manifest["class_balanced"] is False
    (places,) = manifest["sample_indices"]
    assert len(set(places)) == 100
    assert set(places) <= set(parts.train_index.tolist())
    counts = parts.data.train_labels[torch.tensor(places)].bincount(minlength=10)
    assert counts.max() > counts.min()


def test_too_large_a_batch_of_any_classes(model, parts, refused):
    with refused("samples_per_class 200 needs 2000 of the 1150 training images of digits: write 115"):
        choose(model, parts, target="snip", convention="snip", samples_per_class=200)


def test_levels_that_no_mask_meets_end_the_trial_where_that_is_asked(model, parts):
    """Magnitude and random, each at its most, need two different masks of the same size."""
    controls = (Control(score="magnitude", level=1.0), Control(score="random", level=1.0))
    shrunk = choose(model, parts, target="snip", controls=controls)
    (solution,) = shrunk.manifest["solutions"].values()
    assert solution["shrunk"] < 1
    with pytest.raises(
        InfeasibleError, match="no 502 weights meet the levels magnitude 1, random 1 together"
    ):
        choose(model, parts, target="snip", controls=controls, if_infeasible="end")
    feasible = (Control(score="magnitude", level=0.2),)
    ended = choose(model, parts, target="snip", controls=feasible, if_infeasible="end")
    assert equal(ended.mask, choose(model, parts, target="snip", controls=feasible).mask)
