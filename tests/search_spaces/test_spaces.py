"""Every registered space keeps the contract of `search_spaces.base`."""

import importlib
import pkgutil
from decimal import Decimal

import optuna
import pytest
from optuna.trial import FixedTrial

import search_spaces
from cops_core.errors import InputError
from search_spaces import SEARCH_SPACES, find_space
from search_spaces.anchors import ANCHOR_PARAMETERS, anchor_config, base_config, first_config, in_space
from search_spaces.question import Pareto, Rates

SPACES = sorted(SEARCH_SPACES)
# Modules of the package that hold no space of their own.
PARTS = {"anchors", "base", "question", "suggest"}


def draws(name: str, count: int = 60):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        yield trial, SEARCH_SPACES[name].sample(trial)


@pytest.mark.parametrize("name", SPACES)
def test_a_space_leaves_density_and_seed_to_the_study(name):
    assert all(config.density is None and config.seed == 0 for _, config in draws(name))


@pytest.mark.parametrize("name", SPACES)
def test_a_control_differs_from_its_target_and_exists_only_for_cops(name):
    kinds = set()
    for trial, config in draws(name):
        assert config.selection is not None
        controls = config.selection.controls
        kinds.add(len(controls))
        assert config.selection.target not in [control.score for control in controls]
        assert ("level" in trial.params) == bool(controls)
    assert 1 in kinds


@pytest.mark.parametrize("name", SPACES)
def test_learning_rate_and_weight_decay_are_searched(name):
    rates = {config.training.learning_rate for _, config in draws(name)}
    decays = {config.training.weight_decay for _, config in draws(name)}
    assert len(rates) == len(decays) == 60


@pytest.mark.parametrize("name", SPACES)
def test_replaying_the_parameters_gives_the_same_configuration(name):
    for trial, config in draws(name):
        assert SEARCH_SPACES[name].sample(FixedTrial(trial.params)) == config


@pytest.mark.parametrize("name", SPACES)
def test_a_space_says_what_it_is_and_is_found_by_its_name(name):
    space = find_space(name)
    assert space.name == name
    assert space.description.endswith(".")
    assert space.trials >= 7


def test_every_file_of_the_package_is_registered():
    modules = {module.name for module in pkgutil.iter_modules(search_spaces.__path__)} - PARTS
    assert modules == set(SEARCH_SPACES)
    for name in modules:
        module = importlib.import_module(f"search_spaces.{name}")
        assert SEARCH_SPACES[name].sample is getattr(module, name)


@pytest.mark.parametrize("name", SPACES)
def test_the_sampler_learns_from_the_anchors_that_lie_in_the_space(name):
    space = SEARCH_SPACES[name]
    base = base_config(first_config(space, seed=0))
    # score_pairs holds pairs alone: SNIP by itself lies outside.
    assert [in_space(space, base, p) for p in ANCHOR_PARAMETERS] == [name != "score_pairs"] * 2


def test_anchors_are_snip_pruned_and_freezenet():
    base = base_config(first_config(SEARCH_SPACES["quickstart"], seed=0))
    assert base.method == "dense"
    assert [anchor_config(base, p).method for p in ANCHOR_PARAMETERS] == ["prune snip", "freeze snip"]
    assert {anchor_config(base, p).training for p in ANCHOR_PARAMETERS} == {base.training}


USER_SPACE = """
from cops_core.config import Selection, TrialConfig
from search_spaces.question import Pareto

trials = 11
question = Pareto()

def space(trial):
    "My own."
    target = trial.suggest_categorical("target", ("snip", "random"))
    return TrialConfig(arm="freeze", selection=Selection(target=target))
"""


def test_a_user_brings_a_space_of_their_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(USER_SPACE)
    space = find_space(str(path))
    assert (space.name, space.trials, space.question, space.description) == ("mine", 11, Pareto(), "My own.")
    path.write_text(USER_SPACE.replace("trials = 11\nquestion = Pareto()", ""))
    assert find_space(str(path)).question == Rates()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is not a file"),
        ("def space(trial:", "cannot be imported: SyntaxError"),
        ("import nosuchmodule", "cannot be imported: ModuleNotFoundError"),
        ("x = 1", "has no function space"),
        ("question = 3\ndef space(trial): ...", "question must be"),
        ("trials = 'many'\ndef space(trial): ...", "trials must be"),
    ],
)
def test_a_wrong_space_file_is_one_line(tmp_path, content, complaint):
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=complaint) as caught:
        find_space(str(path))
    assert "\n" not in str(caught.value)


def test_an_unknown_space_is_told_the_nearest():
    with pytest.raises(InputError, match="did you mean 'quickstart'"):
        find_space("quikstart")


@pytest.mark.parametrize("rates", [(), ("0",), ("1",), ("1.5",), ("0.9", "0.9"), ("NaN",)])
def test_rates_outside_the_open_unit_interval_are_refused(rates):
    for question in (Rates, lambda r: Pareto(rates=r)):
        with pytest.raises(InputError):
            question(tuple(Decimal(rate) for rate in rates))
