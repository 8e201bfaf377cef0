"""Fields of a space that a study sets for all of its trials."""

from contextlib import contextmanager

import optuna
import pytest
from optuna.trial import FixedTrial

from cops_core.errors import InputError
from search_spaces import SEARCH_SPACES, find_space
from search_spaces.base import SETTABLE
from search_spaces.contract import SPACE_CHECKS

FIELDS = {"dataset": "digits", "model": "resnet20", "learning_rate": 0.03}


@pytest.mark.parametrize(
    "name", sorted({*SEARCH_SPACES} - {"headline", "survey"})
)  # they compare learning rates
def test_every_space_of_the_project_takes_them_and_does_not_search_them(name):
    space = find_space(name).with_fields(FIELDS)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        trial = study.ask()
        config = space.sample(trial)
        assert (config.dataset, config.model, config.training.learning_rate) == tuple(FIELDS.values())
        assert not {"model", "learning_rate"} & set(trial.params)
        assert space.sample(FixedTrial(trial.params)) == config
        own = find_space(name).sample(FixedTrial({"learning_rate": 0.03, "model": "vgg16", **trial.params}))
        assert config == space.fixed(own)
    assert space.description == SEARCH_SPACES[name].description


def test_a_space_with_fields_keeps_the_contract():
    space = find_space("quickstart").with_fields(FIELDS)
    for check in SPACE_CHECKS:
        check.run(space)


def test_without_fields_it_is_the_space_itself():
    space = find_space("quickstart")
    assert space.with_fields({}) is space


@contextmanager
def refused(words):
    with pytest.raises(InputError) as error:
        yield
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_users_space_says_what_may_be_set(tmp_path):
    file = tmp_path / "mine.py"
    code = (
        "from cops_core.config import TrialConfig\n"
        "def space(trial):\n"
        '    """Mine."""\n'
        "    trial.suggest_float('x', 0, 1)\n"
        "    return TrialConfig()\n"
    )
    file.write_text(code)
    with refused("space 'mine' does not let its learning rate be set: leave --lr out"):
        find_space(str(file)).with_fields({"learning_rate": 0.1})
    file.write_text(f"{code}settable = ('learning_rate',)\n")
    space = find_space(str(file)).with_fields({"learning_rate": 0.1})
    assert space.sample(FixedTrial({"x": 0.5})).training.learning_rate == 0.1
    with refused("does not let its model be set"):
        space.with_fields({"model": "vgg16"})
    file.write_text(f"{code}settable = ('lr',)\n")
    with refused(f"settable must be a tuple of {', '.join(SETTABLE)}"):
        find_space(str(file))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "lenet_300"}, "unknown model 'lenet_300': did you mean 'lenet_300_100'?"),
        ({"dataset": "digts"}, "unknown data set 'digts': did you mean 'digits'?"),
        ({"model": "torchvision/resnet5"}, "did you mean 'torchvision/resnet50'?"),
    ],
)
def test_wrong_values_are_one_line(fields, words):
    with refused(words):
        find_space("quickstart").with_fields(fields)
