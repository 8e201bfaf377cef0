"""What makes two trials the same; the names of past results must stay as they are."""

import pytest

import cops_core.identity
from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.identity import trial_identity

DATA = "ab" * 32
PAIR = TrialConfig(
    model="lenet_5_caffe",
    dataset="fashion_mnist",
    seed=4_294_967_295,
    arm="freeze",
    selection=Selection(target="snip", controls=(Control(score="synflow", level=0.3),), scope="layer"),
    density="0.0050",
    training=Training(epochs=3, learning_rate=0.1),
)

# A change here orphans every result that anybody has: finished trials would be run again. These are those of
# numerics version 3.
IDENTITIES = {
    "default": (TrialConfig(), {}, "d5c1e80ba12510a1a3f298686529eb5dddb7b3e0e821bb5161d0dc268537eb85"),
    "pair": (PAIR, {}, "36b864f4f28462ca598bf453d8c40466d5ea59f71a1ae634ea227829ff62ea38"),
    "pair with a plugin": (
        PAIR,
        {"mine": "cd" * 32},
        "4da8f4603de953d264b70a3a58117b6bb5b1cf2b21d0f55ddd7a457f9dfaedf9",
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_never_change(name):
    config, extensions, identity = IDENTITIES[name]
    assert trial_identity(config, DATA, extensions) == identity


def test_everything_that_a_result_depends_on_is_in_it(monkeypatch):
    others = [
        trial_identity(PAIR.changed(seed=1), DATA),
        trial_identity(PAIR.changed(density="0.0051"), DATA),
        trial_identity(PAIR.changed(training=PAIR.training.model_copy(update={"epochs": 4})), DATA),
        trial_identity(PAIR, "cd" * 32),
        trial_identity(PAIR, DATA, {"mine": "cd" * 32}),
        trial_identity(PAIR, DATA, {"mine": "ef" * 32}),
    ]
    monkeypatch.setattr(cops_core.identity, "TRIALS_VERSION", cops_core.identity.TRIALS_VERSION + 1)
    others.append(trial_identity(PAIR, DATA))
    monkeypatch.undo()
    assert len({trial_identity(PAIR, DATA), *others}) == 1 + len(others)


def test_equal_configurations_are_one_trial_however_they_are_written():
    assert trial_identity(PAIR.changed(density="5e-3"), DATA) == trial_identity(PAIR, DATA)
    assert trial_identity(TrialConfig.model_validate(PAIR.model_dump(mode="json")), DATA) == trial_identity(
        PAIR, DATA, {}
    )
