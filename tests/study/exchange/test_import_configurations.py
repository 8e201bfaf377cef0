"""`cops import --space`: the configurations of another Optuna study are tried first."""

import json
from decimal import Decimal

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from search_spaces import find_space
from study.records.store import StudyStore
from study.records.study_record import StudyRecord
from study.search.histories import recalled
from study.search.search_plan import SearchPlan
from study.settings import parse_settings

from ...declared import undeclared

GOOD = {"arm": "freeze", "target": "snip", "combine": False, "learning_rate": 0.05, "weight_decay": 1e-4}
DISTRIBUTIONS = {
    "arm": CategoricalDistribution(("prune", "freeze", "burn")),
    "target": CategoricalDistribution(("magnitude", "snip", "grasp", "synflow")),
    "combine": CategoricalDistribution((False, True)),
}


@pytest.fixture
def foreign(tmp_path):
    """Makes an Optuna study that this project did not write."""

    def make(trials, name="theirs", direction="minimize"):
        path = tmp_path / "foreign.db"
        study = optuna.create_study(study_name=name, storage=f"sqlite:///{path}", direction=direction)
        for parameters, value in trials:
            distributions = {key: DISTRIBUTIONS.get(key, FloatDistribution(0, 10)) for key in parameters}
            state = TrialState.FAIL if value is None else TrialState.COMPLETE
            study.add_trial(
                create_trial(state=state, value=value, params=parameters, distributions=distributions)
            )
        return path

    return make


TRIALS = [
    ({**GOOD, "learning_rate": 0.03}, 3.0),
    ({**GOOD, "learning_rate": 0.01}, 1.0),
    ({**GOOD, "learning_rate": 0.02}, 2.0),
    ({**GOOD, "learning_rate": 0.01}, 1.5),  # the same once more
    ({**GOOD, "learning_rate": 0.04}, None),
]


def proposals(home, name="new"):
    """The study's settings, and the trials that it would run."""
    settings = parse_settings(StudyStore(str(home / "studies"), name).record()["settings"])
    plan, trials = SearchPlan(find_space(settings.space), settings), []
    while not plan.exhausted:
        trial = plan.ask()
        trial.add_row({"epoch": 1, "validation_accuracy": 0.5})
        trial.status = "finished"
        plan.tell(trial)
        trials.append(trial)
    return settings, trials


def test_the_best_configurations_come_first_at_every_rate(foreign, bring, new_home):
    path = foreign(TRIALS)
    new = [
        "--space",
        "quickstart",
        "--name",
        "new",
        "--rates",
        "0.95,0.99",
        "--trials",
        "10",
        "--epochs",
        "3",
    ]
    code, out, err = bring(path, *new, "--best", "2")
    assert (code, err) == (0, "")
    assert "2 configurations of 'theirs' come after the baselines, each at rate 0.95, 0.99" in out
    settings, trials = proposals(new_home)
    assert (settings.trials, settings.epochs) == (10, 3)
    assert [trial.parameters.get("learning_rate") for trial in trials[5:9]] == [0.01, 0.01, 0.02, 0.02]
    assert [str(trial.rate) for trial in trials[5:9]] == ["0.95", "0.99"] * 2
    assert not any(trial.baseline for trial in trials[5:])
    assert trials[9].parameters["learning_rate"] not in (0.01, 0.02)  # the sampler's own
    store = StudyStore(str(new_home / "studies"), "new")
    assert store.trials() == []
    assert undeclared(store.record(), StudyRecord) == []
    assert store.record()["imported"]["trials"] == [1, 2]
    assert "theirs" not in json.dumps([trial.record() for trial in trials])


def test_all_complete_ones_are_taken_once_each_and_the_study_is_as_large_as_needed(foreign, bring, new_home):
    path = foreign([({**GOOD, "learning_rate": 0.01 + 0.001 * n}, float(n)) for n in range(8)])
    assert bring(path, "--space", "quickstart", "--name", "new")[0] == 0
    settings, trials = proposals(new_home)
    assert settings.trials == 7 + 8 * 3
    rates = [trial.parameters["learning_rate"] for trial in trials[7::3]]
    assert rates == [0.01 + 0.001 * n for n in range(8)]


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_a_study_with_imported_configurations_is_replayed(foreign, bring, new_home, sampler):
    path = foreign(TRIALS)
    new = ["--space", "quickstart", "--name", "new", "--rates", "0.95", "--trials", "9", "--sampler", sampler]
    assert bring(path, *new)[0] == 0
    settings, trials = proposals(new_home)
    for number, trial in enumerate(trials):
        trial.start_sequence, trial.finish_sequence = 2 * number, 2 * number + 1
    again = recalled(find_space("quickstart"), settings.model_copy(update={"trials": 10}), trials)
    whole = recalled(find_space("quickstart"), settings.model_copy(update={"trials": 10}), trials)
    assert again.ask().parameters == whole.ask().parameters
    assert [trial.parameters for trial in trials[3:6]] == [TRIALS[n][0] for n in (0, 1, 2)]


def test_if_the_rate_is_searched_it_is_one_of_the_parameters(foreign, bring, new_home):
    path = foreign([({**GOOD, "density": 0.02}, 1.0)])
    new = ["--space", "quickstart", "--name", "new", "--objective", "pareto", "--trials", "9"]
    assert bring(path, *new)[0] == 0
    _, trials = proposals(new_home)
    assert (trials[7].config.density, trials[7].rate) == (Decimal("0.02"), None)


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        (
            {**without("learning_rate"), "learning_rte": 0.1},
            "'learning_rate' is missing: is 'learning_rte' misspelt?",
        ),
        (without("arm"), "trial 0 of 'theirs' cannot be tried in space 'quickstart': 'arm' is missing"),
        ({**GOOD, "momentum": 0.9}, "the space has no parameter 'momentum'"),
        ({**GOOD, "density": 0.1}, "the space has no parameter 'density'"),
        ({**GOOD, "learning_rate": 5.0}, "'learning_rate' must be between 0.01 and 0.2, not 5"),
        ({**GOOD, "arm": "burn"}, "'arm' must be one of prune, freeze, not 'burn'"),
        ({**GOOD, "combine": True}, "'control_for_snip' is missing"),
    ],
)
def test_a_parameter_that_does_not_fit_the_space_is_one_line(foreign, bring, new_home, parameters, complaint):
    code, out, err = bring(foreign([(parameters, 1.0)]), "--space", "quickstart", "--name", "new")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
    assert not (new_home / "studies" / "new").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            [],
            "was not written by cops export (its studies: theirs): write --space SPACE and --name NEW",
        ),
        (["--best", "2"], "--best needs --space"),
        (["--space", "quickstart"], "write its --name"),
        (["--space", "quikstart", "--name", "new"], "unknown space 'quikstart': did you mean 'quickstart'?"),
        (["--space", "quickstart", "--name", "n", "--study", "their"], "did you mean 'theirs'?"),
        (["--space", "quickstart", "--name", "n", "--trials", "8"], "write 16 or more"),
        (["--space", "quickstart", "--name", "n/n"], "cannot name a folder"),
        (["--space", "quickstart", "--name", "n", "--sampler", "tp"], "did you mean 'tpe'?"),
    ],
)
def test_wrong_words_are_one_line(foreign, bring, words, complaint):
    code, out, err = bring(foreign(TRIALS), *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


def test_of_several_studies_one_must_be_named(foreign, bring, new_home):
    foreign(TRIALS)
    path = foreign([({**GOOD, "learning_rate": 0.15}, 1.0)], name="second")
    code, _, err = bring(path, "--space", "quickstart", "--name", "new")
    assert (code, err.count("\n")) == (2, 1)
    assert "has 2 Optuna studies (theirs, second): write --study NAME" in err
    assert bring(path, "--space", "quickstart", "--name", "new", "--study", "second")[0] == 0
    assert proposals(new_home)[1][7].parameters["learning_rate"] == 0.15
