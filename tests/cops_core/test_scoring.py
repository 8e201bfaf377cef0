"""What the scores of a model are cached under, and that a cached score is the computed one."""

import dataclasses
from decimal import Decimal

import pytest
import torch

import cops_core.scoring
from cops_core.cache import ScoreCache
from cops_core.config import Control, Selection
from cops_core.data import load_split
from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.scores import SCORES, Member, RoundScores, Steps, compute_scores
from cops_core.scoring import Scorer, tensor_hash
from cops_core.trial_selection import select_weights

SEED = 3


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_split("digits", tmp_path_factory.mktemp("data"), SEED, Decimal("0.2"))


@pytest.fixture
def scorer(parts, tmp_path) -> Scorer:
    model = build_model("lenet_300_100", parts.data.shape, 10)
    theta0 = initialize(model, SEED)
    return Scorer(model, SEED, theta0, cache=ScoreCache(tmp_path), network_sha256="0" * 64)


@pytest.fixture
def runs(monkeypatch) -> list[list[str]]:
    """The names of each call of `compute_scores`, and of each later round."""
    calls = []
    compute_round = RoundScores.compute

    def compute(names, *arguments, **options):
        calls.append(list(names))
        return compute_scores(names, *arguments, **options)

    def compute_masked(*arguments):
        found = compute_round(*arguments)
        calls.append(list(found))
        return found

    monkeypatch.setattr(RoundScores, "compute", compute_masked)
    monkeypatch.setattr(cops_core.scoring, "compute_scores", compute)
    return calls


def select(scorer: Scorer, parts, density="0.01", **selection):
    return select_weights(scorer, parts, Selection(**selection), Decimal(density))


@pytest.mark.parametrize("score", SCORES)
def test_a_cached_score_is_the_computed_one_bit_for_bit(scorer, parts, score):
    batch, _ = parts.scoring_batch(SEED, 5)
    first, again = (scorer.whole([score], batch)[score] for _ in range(2))
    plain = compute_scores([score], scorer.model, batch, seed=SEED)[score]
    assert (scorer.computed, scorer.cached) == ({score: 1}, {score: 1})
    for name, value in plain.items():
        assert value.dtype == again[name].dtype
        assert torch.equal(value, first[name])
        assert torch.equal(value, again[name])


def test_combinations_of_the_same_scores_compute_them_once(scorer, parts, runs):
    names = ["magnitude", "snip", "grasp", "synflow"]
    for target in names:
        for control in names:
            if control != target:
                select(scorer, parts, target=target, controls=(Control(score=control, level=0.3),))
        select(scorer, parts, density="0.3", target=target, scope="layer")
    assert sorted(name for call in runs for name in call) == sorted(names)
    assert scorer.computed == dict.fromkeys(names, 1)
    assert sum(scorer.cached.values()) == 12 * 2 + 4 - len(names)  # two a pair, one alone


def test_the_same_selection_with_and_without_a_cache(scorer, parts):
    control = (Control(score="synflow", level=0.4),)
    uncached = dataclasses.replace(scorer, cache=None, computed={}, cached={})
    masks = {
        select(which, parts, target="snip", controls=control, rounds=3).mask.sha256()
        for which in (uncached, scorer, scorer)
    }
    assert len(masks) == 1
    assert uncached.cached == {}


def test_several_batches_are_other_entries_for_scores_of_data_alone(scorer, parts):
    for batches in (1, 2, 2, 3):
        select(scorer, parts, target="snip", controls=(Control(score="synflow", level=0.3),), batches=batches)
    assert scorer.computed == {"snip": 3, "synflow": 1}
    assert scorer.cached == {"snip": 1, "synflow": 3}


def test_the_temperature_is_in_the_key_of_scores_that_have_one(scorer, parts):
    batch, _ = parts.scoring_batch(SEED, 5)
    other = dataclasses.replace(scorer, temperature=1.0)
    flow = Member(functional="gradient_flow", p=1, r=0)
    assert [other.key(score, batch) == scorer.key(score, batch) for score in ("snip", "grasp", flow)] == [
        True,
        False,
        False,
    ]
    (value, changed) = (which.whole(["grasp"], batch)["grasp"] for which in (scorer, other))
    assert not torch.equal(value["fc1.weight"], changed["fc1.weight"])


def test_the_steps_are_in_the_key_of_prospr_alone(scorer, parts):
    batch, _ = parts.scoring_batch(SEED, 1)
    other = dataclasses.replace(scorer, steps=Steps(count=1))
    assert [other.key(score, batch) == scorer.key(score, batch) for score in ("snip", "prospr")] == [
        True,
        False,
    ]
    (value, changed) = (which.whole(["prospr"], batch)["prospr"] for which in (scorer, other))
    assert not torch.equal(value["fc1.weight"], changed["fc1.weight"])


def test_iterated_scores_share_their_first_round_and_what_the_mask_does_not_change(scorer, parts, runs):
    control = (Control(score="magnitude", level=0.4),)
    select(scorer, parts, target="snip", controls=control)
    assert runs == [["snip", "magnitude"]]
    select(scorer, parts, target="snip", controls=control, rounds=4)
    assert runs[1:] == [["snip"]] * 3
    assert (scorer.computed, scorer.cached) == ({"snip": 1, "magnitude": 1}, {"snip": 1, "magnitude": 1})


def test_the_key_changes_with_everything_the_values_depend_on(scorer, parts):
    batch, _ = parts.scoring_batch(SEED, 5)
    other_batch, _ = parts.scoring_batch(SEED + 1, 5)
    base = scorer.key("snip", batch)
    assert scorer.key("snip", (batch[0].clone(), batch[1].clone())) == base
    others = [
        scorer.key("gradient", batch),
        scorer.key("snip", other_batch),
        scorer.key("snip", (batch[0], batch[1].roll(1))),
        dataclasses.replace(scorer, seed=SEED + 1).key("snip", batch),
        dataclasses.replace(scorer, theta0_sha256="other").key("snip", batch),
        dataclasses.replace(scorer, convention="synaptic_flow").key("snip", batch),
        dataclasses.replace(scorer, extensions={"mine": "1"}).key("snip", batch),
        dataclasses.replace(scorer, extensions={"mine": "2"}).key("snip", batch),
        dataclasses.replace(scorer, model=torch.nn.Sequential(scorer.model)).key("snip", batch),
    ]
    others.append(dataclasses.replace(scorer, network_sha256="1" * 64).key("snip", batch))
    with torch.no_grad():
        scorer.model.get_parameter("fc1.bias")[3] = 0.5
    others.append(dataclasses.replace(scorer).key("snip", batch))
    scorer.model.double()
    others.append(scorer.key("snip", batch))
    assert len({base, *others}) == 1 + len(others)


def test_without_an_identity_of_the_network_nothing_is_cached(scorer, parts):
    unknown = dataclasses.replace(scorer, network_sha256=None)
    batch, _ = parts.scoring_batch(SEED, 5)
    for _ in range(2):
        unknown.whole(["snip"], batch)
    assert (unknown.computed, unknown.cached) == ({"snip": 2}, {})


def test_data_free_scores_are_shared_by_all_batches(scorer, parts):
    batch, _ = parts.scoring_batch(SEED, 5)
    other, _ = parts.scoring_batch(SEED + 1, 7)
    for name, score in SCORES.items():
        assert (scorer.key(name, batch) == scorer.key(name, other)) is not score.traits.needs_data


def test_the_hash_of_tensors_sees_values_shapes_and_types():
    tensor = torch.arange(6.0)
    others = [tensor + 1, tensor.reshape(2, 3), tensor.double(), tensor[:5]]
    assert len({tensor_hash(tensor), *(tensor_hash(other) for other in others)}) == 5
    assert tensor_hash(tensor) == tensor_hash(torch.stack([tensor, tensor], dim=1)[:, 0])
