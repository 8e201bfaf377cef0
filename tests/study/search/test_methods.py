"""The methods of a space, found by trying its choices, or as the space names them."""

from itertools import product

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import BruteForceSampler

from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.errors import InputError
from search_spaces import SEARCH_SPACES, SearchSpace
from search_spaces.baselines import DENSE, Baseline
from search_spaces.question import Rates
from study.search.combinations import between, combinations, values
from study.search.errors import sampled
from study.search.methods import check_finite, methods_of


def space_of(function, **changes):
    return SearchSpace("mine", function, Rates(), 60, **changes)


def found(space, *, compared=True):
    return methods_of(space, lambda trial: sampled(space, trial), compared=compared)


def conditional(trial):
    """Twelve points: a pair has a level more than a single score."""
    arm = trial.suggest_categorical("arm", ("prune", "freeze"))
    rate = trial.suggest_categorical("learning_rate", (0.05, 0.1))
    if trial.suggest_categorical("pair", (False, True)):
        level = trial.suggest_float("level", 0.2, 0.6, step=0.4)
        selection = Selection(target="snip", controls=(Control(score="magnitude", level=level),))
    else:
        selection = Selection(target="snip")
    return TrialConfig(arm=arm, selection=selection, training=Training(learning_rate=rate))


def continuous(trial):
    """The same with a weight decay of a range."""
    config = conditional(trial)
    decay = trial.suggest_float("decay", 1e-6, 1e-2, log=True)
    return config.changed(training=config.training.model_copy(update={"weight_decay": decay}))


def test_every_combination_is_found_once_as_optuna_finds_them():
    space = space_of(conditional)
    mine = [each.parameters for each in combinations(lambda trial: sampled(space, trial))]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=BruteForceSampler(seed=0))
    study.optimize(lambda trial: float(bool(conditional(trial))))
    theirs = [trial.params for trial in study.trials]
    assert len(mine) == len(theirs) == 12
    assert sorted(map(repr, mine)) == sorted(map(repr, theirs))


@pytest.mark.parametrize(
    ("kind", "listed", "middle"),
    [
        (FloatDistribution(0.01, 0.25, log=True), None, 0.05),
        (FloatDistribution(-1.0, 3.0), None, 1.0),
        (FloatDistribution(0.01, 0.2, log=True), None, 0.04472),
        (FloatDistribution(0.12345678, 0.12345679), None, 0.12345678),
        (FloatDistribution(0.2, 0.6, step=0.2), [0.2, 0.4, 0.6], 0.4),
        (FloatDistribution(0.5, 0.5), (0.5,), 0.5),
        (IntDistribution(1, 5), [1, 2, 3, 4, 5], 3),
        (IntDistribution(1, 999), None, 500),
        (IntDistribution(1, 100, log=True), None, 10),
        (optuna.distributions.CategoricalDistribution(("b", "a")), ("b", "a"), "b"),
    ],
)
def test_what_is_a_choice_and_where_the_middle_is(kind, listed, middle):
    assert values(kind) == (pytest.approx(listed) if isinstance(listed, list) else listed)
    assert between(kind) == (middle if isinstance(middle, str) else pytest.approx(middle))


def test_methods_are_what_tables_call_them():
    methods = found(space_of(conditional))
    names = [
        f"{arm} {scores}" for scores, arm in product(("snip", "cops(snip; magnitude)"), ("prune", "freeze"))
    ]
    assert sorted(method.name for method in methods.own) == sorted(names)
    assert [method.name for method in methods.every[:3]] == ["dense", "prune snip", "freeze snip"]
    assert len(methods.every) == 5
    counts = {method.name: method.count(100) for method in methods.every}
    assert counts == {
        "dense": 2,
        "prune snip": 2,
        "freeze snip": 2,
        "prune cops(snip; magnitude)": 4,
        "freeze cops(snip; magnitude)": 4,
    }


def test_a_finite_method_has_each_of_its_configurations_once():
    for method in found(space_of(conditional)).every:
        count = method.count(100)
        each = [method.fixed(place, seed=7) for place in range(count)]
        assert len({repr(sorted(parameters.items())) for parameters in each}) == count
        assert each == [method.fixed(place, seed=7) for place in range(count)]


def test_with_numbers_the_sampler_chooses_what_goes_with_everything():
    methods = {method.name: method for method in found(space_of(continuous)).every}
    assert methods["prune snip"].count(100) == 100
    assert methods["prune snip"].fixed(3, seed=0) == {"arm": "prune", "pair": False}
    assert methods["prune cops(snip; magnitude)"].fixed(3, seed=0) == {"arm": "prune", "pair": True}
    assert "decay" not in methods["dense"].fixed(3, seed=0)


def test_numbers_that_change_nothing_are_not_searched():
    """The dense network has no level: with one recipe it has one configuration."""

    def levels(trial):
        """COPS at any level."""
        control = Control(score="snip", level=trial.suggest_float("level", 0.0, 1.0))
        return TrialConfig(arm="prune", selection=Selection(target="magnitude", controls=(control,)))

    counts = {method.name: method.count(4) for method in found(space_of(levels)).every}
    assert counts == {"dense": 1, "prune snip": 1, "freeze snip": 1, "prune cops(magnitude; snip)": 4}


def test_methods_that_a_number_decides_between_are_refused_when_they_are_compared():
    def decides(trial):
        """A level below 0.4 is a single score."""
        level = trial.suggest_float("level", 0.0, 1.0)
        controls = (Control(score="snip", level=level),) if level > 0.4 else ()
        return TrialConfig(arm="prune", selection=Selection(target="magnitude", controls=controls))

    with pytest.raises(InputError, match=r"numbers \(level\) decide between .*name the methods"):
        found(space_of(decides))
    assert found(space_of(decides), compared=False).own == ()


def test_a_space_may_name_its_methods():
    named = {
        "best pair": {"pair": True, "arm": "prune"},
        "FreezeNet, 0.1": {"arm": "freeze", "pair": False, "decay": 0.001},
    }
    methods = found(space_of(continuous, methods=named))
    assert [method.name for method in methods.own] == list(named)
    assert methods.own[0].count(9) == 9
    assert methods.own[1].count(9) == 2  # only the learning rate is left
    assert methods.own[1].fixed(0, seed=0)["decay"] == 0.001


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"a": {"arm": "prune", "tempo": 3}}, "fixes 'tempo', which the space does not suggest"),
        ({"a": {"arm": "scale"}}, "fails|not among"),
        ({"dense": {"arm": "prune"}}, "'dense' is the name of a baseline"),
    ],
)
def test_wrong_names_are_refused(methods, message):
    with pytest.raises(InputError, match=message):
        found(space_of(continuous, methods=methods))


def test_a_large_space_needs_names_to_be_compared():
    space = SEARCH_SPACES["gss"]
    assert found(space, compared=False).own == ()
    with pytest.raises(InputError, match="more than 1000 combinations of choices: name the methods"):
        found(space)


def test_a_space_has_the_baselines_that_it_wants():
    assert [method.name for method in found(space_of(conditional, baselines=())).baselines] == []
    mine = Baseline("freeze", Selection(target="random"))
    methods = found(space_of(conditional, baselines=(DENSE, mine)))
    assert [method.name for method in methods.baselines] == ["dense", "freeze random"]


@pytest.mark.parametrize("compared", [False, True])
def test_a_space_may_give_the_dense_network_itself(compared):
    def mixed(trial):
        """Pruned SNIP, or no mask at all."""
        masked = trial.suggest_categorical("masked", (False, True))
        training = Training(learning_rate=trial.suggest_float("lr", 0.01, 0.1))
        if not masked:
            return TrialConfig(arm="dense", training=training)
        return TrialConfig(arm="prune", selection=Selection(target="snip"), training=training)

    methods = found(space_of(mixed), compared=compared)
    assert [method.name for method in methods.every] == ["dense", "prune snip", "freeze snip"]
    assert [method.is_dense for method in methods.every] == [True, False, False]
    alone = found(space_of(mixed, baselines=()), compared=compared)
    assert [(method.name, method.is_dense) for method in alone.every] == [
        ("dense", True),
        ("prune snip", False),
    ]


def test_only_finite_spaces_have_a_grid():
    check_finite(space_of(conditional), found(space_of(conditional)))
    with pytest.raises(InputError, match="--sampler grid needs a space whose choices are finite"):
        check_finite(space_of(continuous), found(space_of(continuous)))


@pytest.mark.parametrize("name", sorted(set(SEARCH_SPACES) - {"gss"}))
def test_baselines_of_the_spaces_shipped(name):
    """They are in the space's own history, where the space has them. Its pairs alone are no SNIP."""
    space = SEARCH_SPACES[name]
    methods = found(space, compared=False)
    inside = [method.name for method in methods.baselines if method.baseline is None]
    assert inside == ([] if name in ("score_pairs", "headline", "survey") else ["prune snip", "freeze snip"])
    assert len(methods.baselines) == len(space.baselines)
