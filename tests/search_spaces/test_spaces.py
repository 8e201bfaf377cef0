"""Every registered space keeps the contract, and each check fails on a space that breaks it."""

import importlib
import pkgutil
import random
from decimal import Decimal

import pytest
from optuna.trial import FixedTrial

import search_spaces
from cops_core.config import Selection, Training, TrialConfig, named_selection
from cops_core.contracts.base import failures
from cops_core.errors import InputError
from search_spaces import SEARCH_SPACES, SearchSpace, find_space
from search_spaces.baselines import BASELINES
from search_spaces.contract import SPACE_CHECKS, draws
from search_spaces.question import Pareto, Rates
from search_spaces.suggest import suggest_selection

SPACES = sorted(SEARCH_SPACES)
COMPARED = {"headline", "survey"}  # spaces of named methods
# Modules of the package that hold no space of their own.
PARTS = {"base", "baselines", "contract", "fields", "plugins", "presets", "question", "suggest"}


@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("name", SPACES)
def test_contract(name, check):
    check.run(SEARCH_SPACES[name])


def snip(trial, **changes):
    rate = trial.suggest_float("learning_rate", 0.01, 0.1)
    config = TrialConfig(
        arm="prune", selection=Selection(target="snip"), training=Training(learning_rate=rate)
    )
    return config.changed(**changes)


def says_nothing(trial):
    return snip(trial)


def searches_nothing(trial):
    "Nothing is searched."
    return TrialConfig()


def returns_parameters(trial):
    "A dict."
    return {"learning_rate": trial.suggest_float("learning_rate", 0.01, 0.1)}


def changes_its_choices(trial):
    "The controls differ."
    target = trial.suggest_categorical("target", ("snip", "synflow"))
    others = [score for score in ("snip", "synflow", "grasp") if score != target]
    trial.suggest_categorical("control", others)
    return snip(trial)


def unknown_score(trial):
    "A score that is not there."
    return snip(trial, selection=Selection(target="synflo"))


def sets_the_density(trial):
    "One density."
    return snip(trial, density="0.1")


def sets_the_seed(trial):
    "Seeds are searched."
    return snip(trial, seed=trial.suggest_int("seed", 1, 100))


def draws_by_itself(trial):
    "Epochs at random."
    return snip(trial, training=Training(epochs=random.randint(1, 1000)))


WRONG = {
    says_nothing: ("space_is_described", "no docstring"),
    searches_nothing: ("configurations_are_valid", "it suggests no parameter"),
    returns_parameters: ("configurations_are_valid", "returns dict, not a TrialConfig"),
    changes_its_choices: ("configurations_are_valid", "CategoricalDistribution does not support dynamic"),
    unknown_score: ("configurations_are_valid", "did you mean 'synflow'"),
    sets_the_density: ("density_and_seed_are_left_to_the_study", "sets the density, 0.1"),
    sets_the_seed: ("density_and_seed_are_left_to_the_study", "sets the seed, "),
    draws_by_itself: ("parameters_replay_the_configuration", "give another configuration"),
}


@pytest.mark.parametrize("sample", WRONG, ids=lambda sample: sample.__name__)
def test_a_space_that_breaks_a_promise_fails_its_check(sample):
    check, words = WRONG[sample]
    lines = list(failures(SPACE_CHECKS, SearchSpace("wrong", sample, Rates(), 24)))
    (line,) = [line for line in lines if line.startswith(check)]
    assert words in line
    assert "\n" not in line


def test_every_promise_is_said_and_broken_once():
    assert {check for check, _ in WRONG.values()} == {check.name for check in SPACE_CHECKS}
    for check in SPACE_CHECKS:
        assert check.condition.endswith(".")
        assert "\n" not in check.condition


@pytest.mark.parametrize(
    ("question", "trials"), [(Rates(), 6), ("rates", 24), (Pareto((Decimal("0.9"),)), 2)]
)
def test_a_space_without_a_question_or_with_too_few_trials_fails(question, trials):
    wrong = SearchSpace("wrong", SEARCH_SPACES["quickstart"].sample, question, trials)
    assert [line.partition(":")[0] for line in failures(SPACE_CHECKS, wrong)] == ["space_is_described"]


@pytest.mark.parametrize("name", SPACES)
def test_a_control_differs_from_its_target_and_exists_only_for_cops(name):
    kinds = set()
    for trial, config in draws(SEARCH_SPACES[name]):
        assert config.selection is not None
        controls = config.selection.controls
        kinds.add(len(controls))
        assert config.selection.target not in [control.score for control in controls]
        if name == "survey":
            continue  # its levels are fixed
        levels = [parameter for parameter in trial.params if parameter.endswith("level")]
        # gss leaves out a control that is drawn a second time.
        assert len(levels) == len(controls) or (name == "gss" and len(levels) > len(controls))
    assert 1 in kinds


@pytest.mark.parametrize("name", sorted({*SPACES} - COMPARED))  # which have four learning rates
def test_learning_rate_and_weight_decay_are_searched(name):
    rates = {config.training.learning_rate for _, config in draws(SEARCH_SPACES[name])}
    decays = {config.training.weight_decay for _, config in draws(SEARCH_SPACES[name])}
    assert len(rates) == len(decays) == 60


@pytest.mark.parametrize("name", SPACES)
def test_a_space_is_found_by_its_name(name):
    space = find_space(name)
    assert space.name == name
    assert space.trials >= 7


def test_every_file_of_the_package_is_registered():
    modules = {module.name for module in pkgutil.iter_modules(search_spaces.__path__)} - PARTS
    assert modules == set(SEARCH_SPACES)
    for name in modules:
        module = importlib.import_module(f"search_spaces.{name}")
        assert SEARCH_SPACES[name].sample is getattr(module, name)


def test_a_baseline_differs_in_arm_and_selection_alone():
    config = next(draws(SEARCH_SPACES["arms"]))[1].changed(density=Decimal("0.1"))
    assert [baseline.name for baseline in BASELINES] == ["dense", "prune snip", "freeze snip"]
    for baseline in BASELINES:
        made = baseline.of(config)
        assert made.method == baseline.name
        assert made.density is None
        assert (
            made.changed(arm=config.arm, scale=config.scale, selection=config.selection, density="0.1")
            == config
        )


def test_scores_have_their_published_rounds():
    """A pair has those of its target."""
    # Members of the family have no published number; comparisons have other numbers, too.
    names = [name for name in SPACES if name != "gss" and name not in COMPARED]
    for name in names:
        found = [config.selection for _, config in draws(SEARCH_SPACES[name]) if config.selection]
        assert {(each.target == "synflow", each.rounds) for each in found} == {(True, 100), (False, 1)}


def test_rounds_may_be_set_or_searched():
    pair = {"target": "synflow", "combine": True, "control_for_synflow": "snip", "level": 0.5}
    alone = {"target": "snip", "combine": False}
    for parameters, published in ((pair, 100), (alone, 1)):
        assert suggest_selection(FixedTrial(parameters)).rounds == published
        assert suggest_selection(FixedTrial(parameters), rounds=7).rounds == 7
        searched = FixedTrial({**parameters, "rounds": 30})
        assert suggest_selection(searched, rounds=(1, 30)).rounds == 30
        assert searched.params["rounds"] == 30


def test_a_named_selection_is_suggested_like_a_target():
    """It has rounds of its own, and no control."""
    found = suggest_selection(FixedTrial({"target": "force"}), targets=("snip", "force"), scope="erk")
    assert found == named_selection("force").model_copy(update={"scope": "erk"})


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
