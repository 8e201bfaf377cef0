"""Configurations: their hashes, which name results for ever, their JSON, what they accept."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from cops_core.config import Control, Floor, Regrow, Selection, Steps, Training, TrialConfig, parse_config
from cops_core.data import DATASETS
from cops_core.initialization import INITIALIZATIONS
from cops_core.models import MODELS
from cops_core.scores import NAMED, SCORES, Member
from cops_core.trial_state import config_hash


def cops(**changes) -> TrialConfig:
    fields = {
        "dataset": "fashion_mnist",
        "validation_fraction": "0.2",
        "model": "lenet_5_caffe",
        "initialization": "kaiming_normal",
        "seed": 2**32 - 1,
        "arm": "scale",
        "scale": 0.5,
        "selection": Selection(
            target="synflow",
            controls=(Control(score="snip", level=0.3), Control(score="magnitude", level=1.0)),
            level_kind="absolute",
            scope="layer",
            rounds=3,
            schedule="linear",
            revive=True,
            fresh_batches=True,
            samples_per_class=1,
            convention="synaptic_flow",
            ablation="shuffle",
            if_infeasible="end",
        ),
        "density": "0.005",
        "training": Training(
            epochs=3,
            batch_size=64,
            learning_rate=0.1,
            momentum=0.0,
            weight_decay=0.0,
            schedule="step",
            step_every=100,
            step_factor=0.5,
            precision="bfloat16",
            augmentation="crop_flip",
            probes=True,
        ),
        "test": True,
    }
    return TrialConfig(**fields | changes)


def pruned(**changes) -> TrialConfig:
    return TrialConfig(**{"arm": "prune", "selection": Selection(target="snip"), "density": "0.1"} | changes)


FAMILY = Selection(
    target=Member(functional="gradient_flow", p=1.25, r=0.5),
    controls=(
        Control(score=Member(functional="loss", form="signed"), level=0.3),
        Control(score=Member(p=0, r=0.7), level=0.6),
        Control(score="synflow", level=0.1),
    ),
    rounds=3,
)
CONFIGS = {
    "default": TrialConfig(),
    "pruned": pruned(),
    "cops": cops(),
    "no density": pruned(density=None),
    "family": pruned(selection=FAMILY),
    "a member alone": pruned(selection=Selection(target=Member(functional="loss", p=2))),
}

# Names of past results: a change here orphans every one of them.
HASHES = {
    "default": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "pruned": "b1a102e4db984432b03d7d4203d01f04aa8f58b32d5ec97e8bd99245fa640415",
    "cops": "a709d23fcb0636f51403b6bb04cad07c3f8037863cbd84b89370a340096e9806",
    "family": "f175ead1ae7501e65ceab7f596877b7225331539b2a4942b8105b78186123b23",
    "a member alone": "6c8026fe67191e75e7ec39a3b22f55f69f7c118ab841ed33ca7095386e622cdf",
    "no density": "8ae3c144232f0bc1a7d73103d6acd7c7662f3355c1e417a94cb5cdd544a35dea",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_hashes_never_change(name):
    assert config_hash(CONFIGS[name]) == HASHES[name]


# The configuration `cops` when it had every field there was, before those that were added since.
EARLIER = {
    "dataset": "fashion_mnist",
    "validation_fraction": "0.2",
    "model": "lenet_5_caffe",
    "initialization": "kaiming_normal",
    "seed": 2**32 - 1,
    "arm": "freeze",
    "selection": {
        "target": "synflow",
        "controls": [{"score": "snip", "level": 0.3}, {"score": "magnitude", "level": 1.0}],
        "level_kind": "absolute",
        "scope": "layer",
        "rounds": 3,
        "samples_per_class": 1,
    },
    "density": "0.005",
    "training": {
        "epochs": 3,
        "batch_size": 64,
        "learning_rate": 0.1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "schedule": "step",
        "step_every": 100,
        "step_factor": 0.5,
        "precision": "bfloat16",
    },
    "test": True,
}


def test_a_new_field_does_not_change_earlier_hashes():
    earlier = parse_config(EARLIER)
    assert config_hash(earlier) == "e9758572c0cd98e7d52f3d4950435687cded079ae268527d03f443c1ea0ed123"


@pytest.mark.parametrize("name", CONFIGS)
def test_through_json_and_back(name):
    config = CONFIGS[name]
    for excluded in (False, True):
        again = parse_config(json.loads(config.model_dump_json(exclude_defaults=excluded)))
        assert again == config
        assert config_hash(again) == config_hash(config)
    assert config_hash(parse_config(config.model_dump())) == config_hash(config)


# With `cops`, every field there is.
OTHER_TRAININGS = (
    Training(nesterov=True, warmup_epochs=0.5, label_smoothing=0.1, max_gradient_norm=1),
    Training(optimizer="adamw", betas=(0.8, 0.9), eps=1e-6),
)


OTHER_SELECTIONS = (
    Selection(
        target="snip",
        controls=(Control(score="random", level=0.3),),
        floor=Floor(count=2, per="unit"),
        combine="union",
    ),
    Selection(target="snip", regrow=Regrow(every=5)),
    Selection(target="snip", at="trained", rewind=1),
    Selection(target="fisher", batches=3),
    Selection(target="grasp", temperature=2),
    Selection(target="prospr", steps=Steps(count=1)),
)


def put_back(model: BaseModel, *names: str) -> Iterator[dict[str, Any]]:
    """Each of the named fields with its default, or where that does not fit with another value."""
    fitting = {"target": "gradient", "rounds": 2, "scale": 0.25}
    for name in names:
        field = type(model).model_fields[name]
        value = fitting.get(name, field.default)
        change = {"arm": "prune", "scale": None} if name == "arm" else {name: value}
        assert getattr(model, name) != change[name]
        yield change


def test_every_field_is_in_the_hash():
    config = cops()
    # The trainer and its settings go together: see test_trainers.py.
    own = [name for name in TrialConfig.model_fields if name not in ("trainer", "settings")]
    trainings, earlier = [config.training, *OTHER_TRAININGS], set()
    changed = [config.changed(**change) for change in put_back(config, *own) if "selection" not in change]
    for selection in [config.selection, *OTHER_SELECTIONS]:
        fields = {
            n for n, f in Selection.model_fields.items() if getattr(selection, n) != f.default
        } - earlier
        earlier |= fields
        changed += [
            config.model_copy(update={"selection": selection.model_copy(update=change)})
            for change in put_back(selection, *fields)
        ]
    assert earlier == set(Selection.model_fields)
    earlier = set()
    for training in trainings:
        fields = {n for n, f in Training.model_fields.items() if getattr(training, n) != f.default} - earlier
        earlier |= fields
        changed += [  # not validated: one field back alone may not fit the others
            config.model_copy(update={"training": training.model_copy(update=change)})
            for change in put_back(training, *fields)
        ]
    assert earlier == set(Training.model_fields)
    whole = [config, *(config.changed(training=training) for training in OTHER_TRAININGS)]
    # Not validated: a mask that changes needs another arm.
    whole += [config.model_copy(update={"selection": selection}) for selection in OTHER_SELECTIONS]
    hashes = {config_hash(other) for other in [*whole, *changed]}
    assert len(hashes) == len(whole) + len(changed)


def test_a_training_is_written_with_the_fields_that_have_a_meaning():
    """A training without the optional fields is written as before there were any."""
    every = "epochs batch_size learning_rate momentum weight_decay schedule step_every step_factor precision"
    plain = [*every.split(), "augmentation", "probes"]
    assert list(Training().model_dump()) == plain
    written = OTHER_TRAININGS[1].model_dump(mode="json")
    assert set(written) == {*plain, "optimizer", "betas", "eps"} - {"momentum"}
    assert (written["optimizer"], written["betas"], written["eps"]) == ("adamw", [0.8, 0.9], 1e-6)
    for training in OTHER_TRAININGS:
        assert Training.model_validate_json(training.model_dump_json()) == training
        assert Training.model_validate_json(training.model_dump_json(exclude_defaults=True)) == training
        assert config_hash(TrialConfig(training=training)) == config_hash(
            parse_config(TrialConfig(training=training).model_dump(mode="json"))
        )


def test_a_selection_is_written_with_the_optional_fields_that_are_set():
    """A selection without them is written as before there were any."""
    every = "target controls level_kind scope rounds schedule revive fresh_batches samples_per_class"
    plain = [*every.split(), "convention", "ablation", "if_infeasible"]
    assert list(Selection(target="snip").model_dump()) == plain
    for selection in OTHER_SELECTIONS:
        assert set(selection.model_dump()) > set(plain)
        assert Selection.model_validate_json(selection.model_dump_json()) == selection
        assert Selection.model_validate_json(selection.model_dump_json(exclude_defaults=True)) == selection
        assert config_hash(pruned(selection=selection)) != config_hash(pruned())


@pytest.mark.parametrize("written", ["0.1", "0.10", "0.1000", "1e-1", ".1", 0.1, Decimal("0.1")])
def test_equal_decimals_are_one_configuration(written):
    config = pruned(density=written, validation_fraction=written)
    assert config == pruned(density="0.1")
    assert config_hash(config) == HASHES["pruned"]


def test_density_is_the_decimal_that_was_written():
    assert pruned(density=0.005).density == Decimal("0.005")
    assert pruned(density="0.0005").density == Decimal("0.0005")
    assert pruned(density=1).density == 1
    assert 1 - pruned(density="0.005").density == Decimal("0.995")


def test_a_default_that_is_written_out_does_not_change_the_hash():
    assert config_hash(TrialConfig(seed=0, training=Training(epochs=10))) == HASHES["default"]
    written = Selection(target="snip", controls=(), level_kind="relative", scope="global")
    assert config_hash(pruned(selection=written)) == HASHES["pruned"]


def test_a_configuration_cannot_be_changed():
    config = cops()
    for owner, name, value in (
        (config, "seed", 1),
        (config.training, "epochs", 1),
        (config.selection, "scope", "global"),
        (config.selection.controls[0], "level", 0.1),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(owner, name, value)
    assert hash(config) == hash(cops())
    assert config.changed(seed=1) == cops(seed=1)
    assert config == cops()


def test_changed_is_validated():
    with pytest.raises(ValidationError, match="leave selection and density out"):
        pruned().changed(arm="dense")
    with pytest.raises(ValidationError, match="did you mean 'seed'"):
        pruned().changed(sed=1)


def test_methods_have_the_names_that_trials_are_compared_under():
    assert TrialConfig().method == "dense"
    assert pruned().method == "prune snip"
    assert cops().method == (
        "scale cops(synflow; snip, magnitude) per layer, 3 linear rounds with revival on fresh batches"
        " as in synaptic_flow, shuffled"
    )
    assert pruned(selection=FAMILY).method == (
        "prune cops(gss(gradient_flow); gss(loss, signed), gss(weights), synflow), 3 rounds"
    )
    assert pruned(selection=Selection(target="synflow")).method == "prune synflow, one-shot"
    assert pruned(selection=Selection(target="synflow", rounds=100)).method == "prune synflow"
    assert pruned(selection=Selection(target="snip", rounds=100)).method == "prune snip, 100 rounds"
    controls = (Control(score="snip", level=0.3),)
    pair = Selection(target="synflow", controls=controls)
    assert pair.method == "cops(synflow; snip), one-shot"
    assert pair.detailed_method == "cops(synflow; snip 0.3), one-shot"
    linear = Selection(target="synflow", rounds=100, schedule="linear")
    assert linear.method == "synflow, 100 linear rounds"
    trained = Selection(target="magnitude", at="trained", rounds=3, rewind=1)
    assert pruned(selection=trained).method == "prune magnitude, after training, 3 rounds, rewound to epoch 1"
    assert Selection(target="synflow", at="trained").method == "synflow, after training"
    rate = Selection(target="snip", at="trained", rewind="learning_rate")
    assert rate.method == "snip, after training, learning-rate rewinding"
    assert Selection(target="snip", batches=4).method == "snip on 4 batches"
    assert Selection(target="grasp", temperature=200).method == "grasp"
    assert Selection(target="grasp", temperature=2.5).method == "grasp, temperature 2.5"
    assert Selection(target="prospr", steps=Steps()).method == "prospr"
    assert Selection(target="prospr", steps=Steps(count=1)).method == "prospr, steps 1 at 0.1"
    fresh = Selection(target="snip", rounds=30, fresh_batches=True, batches=4)
    assert fresh.method == "snip, 30 rounds on 4 fresh batches"
    assert cops().selection.scores == ("synflow", "snip", "magnitude")


def test_the_detailed_method_has_constants_and_levels():
    assert TrialConfig().detailed_method == "dense"
    assert pruned().detailed_method == "prune snip"
    controls = (Control(score="snip", level=0.3), Control(score="magnitude", level=0.25))
    selection = Selection(target="synflow", controls=controls, rounds=3)
    config = pruned(arm="scale", scale=0.5, selection=selection)
    assert config.detailed_method == "scale 0.5 cops(synflow; snip 0.3, magnitude 0.25), 3 rounds"


def test_the_freezing_rate_is_what_the_density_leaves():
    assert TrialConfig().freezing_rate is None
    assert pruned(density=None).freezing_rate is None
    assert str(pruned(density="0.005").freezing_rate) == "0.995"
    assert pruned(density="1").freezing_rate == 0


@pytest.mark.parametrize("field", ["dataset", "model", "initialization"])
def test_every_registered_name_is_accepted(field):
    registry = {"dataset": DATASETS, "model": MODELS, "initialization": INITIALIZATIONS}[field]
    for name in registry:
        assert getattr(parse_config({field: name}), field) == name


def test_a_member_near_another_is_another_score():
    near = [Member(functional="loss", p=p) for p in (1.25, 1.250001)]
    selection = Selection(target=near[0], controls=(Control(score=near[1], level=0.5),))
    assert config_hash(pruned(selection=selection)) != config_hash(
        pruned(selection=Selection(target=near[1], controls=(Control(score=near[0], level=0.5),)))
    )


def test_a_member_is_another_configuration_than_the_named_score_that_it_is():
    """What a user wrote is kept; results under the name stay findable under the name alone."""
    for name, member in NAMED.items():
        one, other = (pruned(selection=Selection(target=score)) for score in (name, member))
        assert one.selection.target == name
        assert config_hash(one) != config_hash(other)


def test_every_pair_of_scores_is_accepted():
    for target, control in product(SCORES, SCORES):
        if target != control:
            selection = {"target": target, "controls": [{"score": control, "level": 0.5}]}
            parse_config({"arm": "prune", "selection": selection})
