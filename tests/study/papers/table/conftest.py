"""A small preset, and trials of it that have ended."""

from decimal import Decimal

import pytest

from cops_core.config import Training
from search_spaces.presets.base import Preset, PublishedValue
from search_spaces.presets.methods import freezenet_methods

HIGH, LOW = Decimal("0.9"), Decimal("0.99")
SOURCE = "A paper (arXiv 0000.00000), table 1"
METHODS = {name: freezenet_methods(1)[name] for name in ("SNIP, pruned", "FreezeNet")}


@pytest.fixture
def preset():
    """Two methods at two rates on digits, three seeds, with invented published figures."""
    return Preset(
        paper="freezenet",
        model="lenet_300_100",
        dataset="digits",
        training=Training(epochs=4, schedule="step", step_every=20, learning_rate=0.1),
        methods=METHODS,
        rates=(HIGH, LOW),
        seeds=3,
        tolerance=1.0,
        published=(
            PublishedValue("SNIP, pruned", HIGH, 0.9, "accuracy", SOURCE),
            PublishedValue("FreezeNet", LOW, 0.9, "share of dense", SOURCE),
            PublishedValue("FreezeNet", LOW, 157, "factor", SOURCE),
        ),
    )


@pytest.fixture
def trials(ended):
    """Makes ended trials. accuracy: gives the accuracy of a configuration, None for a diverged trial."""

    def make(configs, accuracy):
        made = []
        for number, config in enumerate(configs):
            value = accuracy(config)
            trial = ended(number, "diverged" if value is None else "finished", config=config)
            trial.facts |= {"compression": 1.0 if config.density is None else 156.4}
            if value is not None:
                trial.facts["test_accuracy"] = value
            made.append(trial)
        return made

    return make
