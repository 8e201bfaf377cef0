"""Members of the family through selection, cache and a whole trial."""

import json
from decimal import Decimal

import pytest
import torch

from cops_core.cache import ScoreCache
from cops_core.config import Control, Selection, Training, TrialConfig, parse_config
from cops_core.data import load_split
from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.scores import NAMED, Member, compute_scores
from cops_core.scoring import Scorer
from cops_core.trial import run_trial
from cops_core.trial_selection import select_weights

SEED = 3
TARGET = Member(functional="gradient_flow", p=1.25, r=0.5)
CONTROLS = (
    Control(score=Member(functional="loss", p=2, r=1.5), level=0.3),
    Control(score=Member(p=0, r=0.5), level=0.2),
    Control(score=Member(functional="synflow", p=0.5, r=1), level=0.4),
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_split("digits", tmp_path_factory.mktemp("data"), SEED, Decimal("0.2"))


@pytest.fixture
def scorer(parts, tmp_path) -> Scorer:
    model = build_model("lenet_300_100", parts.data.shape, 10)
    return Scorer(model, SEED, initialize(model, SEED), cache=ScoreCache(tmp_path), network_sha256="0" * 64)


def mask_of(scorer, parts, density="0.01", **selection):
    return select_weights(scorer, parts, Selection(**selection), Decimal(density)).mask.sha256()


def test_keys_of_the_cache_tell_powers_apart_to_the_last_digit(scorer, parts):
    batch, _ = parts.scoring_batch(SEED, 5)
    members = [
        TARGET,
        TARGET.model_copy(update={"p": 1.25 + 2**-52}),
        TARGET.model_copy(update={"r": 0.51}),
        TARGET.model_copy(update={"functional": "loss"}),
        Member(functional="gradient_flow"),
        Member(functional="gradient_flow", form="signed"),
    ]
    keys = {scorer.key(member, batch) for member in members}
    assert len(keys) == len(members)
    assert scorer.key(Member(**TARGET.model_dump()), batch) in keys


def test_a_cached_member_is_the_computed_one_bit_for_bit(scorer, parts):
    batch, _ = parts.scoring_batch(SEED, 5)
    first, again = (scorer.whole([TARGET, "snip"], batch) for _ in range(2))
    plain = compute_scores([TARGET], scorer.model, batch, seed=SEED)[TARGET]
    assert scorer.computed == scorer.cached == {TARGET.key: 1, "snip": 1}
    for name, value in plain.items():
        assert torch.equal(value, first[TARGET][name])
        assert torch.equal(value, again[TARGET][name])


@pytest.mark.parametrize("convention", ["paper", "grasp", "synaptic_flow", "dense_last_layer"])
@pytest.mark.parametrize("name", NAMED)
def test_a_member_selects_what_the_named_score_selects(scorer, parts, name, convention):
    masks = {
        mask_of(scorer, parts, target=score, rounds=3, convention=convention, samples_per_class=2)
        for score in (name, NAMED[name])
    }
    assert len(masks) == 1


def test_a_score_alone_depends_on_the_ratio_of_the_powers_alone(scorer, parts):
    one, twice, other = (
        mask_of(scorer, parts, target=Member(functional="loss", p=p, r=r))
        for p, r in ((1.0, 0.5), (2.0, 1.0), (1.0, 1.0))
    )
    assert one == twice != other


def test_under_control_each_power_matters(scorer, parts):
    """The same ratio, twice the powers: another trade between target and control."""
    control = (Control(score="magnitude", level=0.5),)
    one, twice = (
        mask_of(scorer, parts, target=Member(functional="loss", p=p, r=p), controls=control) for p in (1, 2)
    )
    assert one != twice


def test_near_members_have_an_entry_each_in_the_manifest(scorer, parts):
    near = TARGET.model_copy(update={"p": 1.250001})
    selected = select_weights(
        scorer,
        parts,
        Selection(target=TARGET, controls=(Control(score=near, level=0.5),)),
        Decimal("0.01"),
    )
    described = selected.manifest["scores"]
    assert list(described) == ["gss(gradient_flow, 1.25, 0.5)", "gss(gradient_flow, 1.250001, 0.5)"]
    assert [entry["p"] for entry in described.values()] == [1.25, 1.250001]
    assert {entry["precision"] for entry in described.values()} == {"float64"}


def test_a_trial_with_three_controls_in_rounds_and_its_replay_from_json():
    config = TrialConfig(
        arm="freeze",
        selection=Selection(target=TARGET, controls=CONTROLS, rounds=3),
        density="0.02",
        training=Training(epochs=2, batch_size=200),
        seed=5,
    )
    replayed = parse_config(json.loads(config.model_dump_json()))
    first, again = (run_trial(each, lambda row: None) for each in (config, replayed))
    assert first.status == again.status == "finished"
    assert first.facts["mask_sha256"] == again.facts["mask_sha256"]
    assert first.metrics.validation_accuracy == again.metrics.validation_accuracy > 0.2
    manifest = json.loads(json.dumps(first.facts["manifest"]))
    assert list(manifest["scores"]) == [TARGET.key, *(control.score.key for control in CONTROLS)]
    (solution,) = manifest["solutions"].values()
    assert len(solution["controls"]) == 3
    for kept, level in zip(solution["controls"], solution["levels"], strict=True):
        assert kept >= level * (1 - 1e-6)
    assert first.facts["kept_weights"] == manifest["kappas"][-1]
