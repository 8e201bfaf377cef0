"""`cops import`: a study comes back whole and goes on; other people's configurations are tried anew."""

import json
import sqlite3
from decimal import Decimal

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from search_spaces import find_space
from search_spaces.question import Pareto, Rates
from study.close import LOOKS
from study.ledger.store import StudyStore
from study.search.histories import recalled
from study.search.proposals import Proposer
from study.settings import parse_settings

RATES = Rates((Decimal("0.95"), Decimal("0.99")))
PLAN = {"question": RATES, "trials": 9, "seeds": 2, "stopping": "none", "name": "mine"}
ENDS = {3: "failed", 5: "stopped", 6: "diverged"}
QUESTIONS = {"rates": RATES, "pareto": Pareto(RATES.rates)}


@pytest.fixture
def new_home(tmp_path):
    return tmp_path / "new"


@pytest.fixture
def bring(run, new_home):
    """Runs `cops import` into a new home."""

    def words(*arguments):
        return run("import", *arguments, "--home", new_home)

    return words


@pytest.fixture
def file(run, tmp_path):
    """Exports a study; returns the file."""

    def export(name="mine"):
        path = tmp_path / f"{name}.db"
        assert run("export", name, "--format", "optuna", "--out", path, "--home", tmp_path / "home")[0] == 0
        return path

    return export


def accuracy(trial):
    return float("nan") if ENDS.get(trial.number) == "diverged" else 0.3 + trial.number / 70


def end(trial):
    return ENDS.get(trial.number, "running" if trial.number > 16 else "finished")


def records(store):
    return {name: json.loads(store.read(f"trials/{name}")) for name in store.files("trials")}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_every_record_comes_back_as_it_was_and_the_study_goes_on(
    recorded, file, bring, new_home, question, sampler
):
    plan = {**PLAN, "question": QUESTIONS[question], "sampler": sampler}
    ends = (lambda trial: "finished") if question == "pareto" else end
    store = recorded(accuracy, ends, **plan)
    code, out, err = bring(file())
    assert (code, err) == (0, "")
    assert f"mine: {len(store.trials())} trials restored" in out
    assert f"go on with: cops resume mine --home {new_home}" in out
    back = StudyStore(str(new_home / "studies"), "mine")
    assert records(back) == records(store)
    assert [trial.record() for trial in back.trials()] == [trial.record() for trial in store.trials()]
    before, after = store.settings(), back.settings()
    assert {key: after[key] for key in before if key != "settings"} == {
        key: value for key, value in before.items() if key != "settings"
    }
    differing = {key for key, value in after["settings"].items() if before["settings"][key] != value}
    assert differing == {"home", "data_root"}  # the tests' data folder is not there
    plans = [
        recalled(
            find_space("quickstart"),
            parse_settings({**one.settings()["settings"], "trials": 12}),
            one.trials(),
        )
        for one in (store, back)
    ]
    for _ in range(3):
        ours, theirs = (plan.ask() for plan in plans)
        assert (ours.config, ours.parameters, ours.number) == (
            theirs.config,
            theirs.parameters,
            theirs.number,
        )


def test_tables_are_there_and_networks_are_said_to_be_missing(recorded, file, bring, new_home):
    store = recorded(**PLAN)
    for trial in store.trials()[:3]:
        name = f"artifacts/{trial.name}.safetensors"
        trial.facts["artifact"] = {"file": name, "sha256": "0" * 64}
        store.write(name, b"network")
        store.save(trial)
    store.write_json(LOOKS, [{"look": 1, "top": 1, "results": []}])
    path = file()
    out = bring(path)[1]
    assert "3 networks are not there" in out
    back = StudyStore(str(new_home / "studies"), "mine")
    assert back.files("artifacts") == []
    assert json.loads(back.read(LOOKS)) == json.loads(store.read(LOOKS))
    assert {"trials.parquet", "epochs.parquet"} <= set(back.files())


def test_it_may_have_another_name_but_not_that_of_a_study(recorded, file, bring, new_home):
    recorded(**PLAN)
    path = file()
    assert bring(path)[0] == 0
    before = sorted(str(found) for found in new_home.rglob("*"))
    code, out, err = bring(path)
    assert (code, out, err) == (2, "", "error: study 'mine' is there already: choose another --name\n")
    assert sorted(str(found) for found in new_home.rglob("*")) == before
    assert bring(f"sqlite:///{path}", "--name", "again")[0] == 0
    again = StudyStore(str(new_home / "studies"), "again")
    assert again.settings()["settings"]["name"] == "again"
    assert again.settings()["imported"]["from"] == f"sqlite:///{path}"


def test_the_file_is_read_and_not_touched(recorded, file, bring):
    recorded(**PLAN)
    path = file()
    before = path.read_bytes()
    path.chmod(0o400)
    assert bring(path)[0] == 0
    assert path.read_bytes() == before


def damage(path, statement):
    with sqlite3.connect(path) as database:
        database.execute(statement)


def rewrite(table, old, new):
    """Replaces text in all attributes of trials, or of studies."""
    return lambda path: damage(
        path, f"UPDATE {table}_user_attributes SET value_json = replace(value_json, '{old}', '{new}')"
    )


def garbage(path):
    path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)


def cut(path):
    path.write_bytes(path.read_bytes()[:9000])


def other(path):
    path.unlink()
    damage(path, "CREATE TABLE mine (x)")


@pytest.mark.parametrize(
    ("ruin", "complaint"),
    [
        (garbage, "cannot be read as an Optuna study"),
        (cut, "cannot be read as an Optuna study"),
        (other, "is no Optuna study"),
        (lambda path: path.write_bytes(b""), "is no Optuna study"),
        (lambda path: path.write_text("x,y\n1,2\n" * 99), "cannot be read as an Optuna study (file is not"),
        (lambda path: path.unlink(), "is not a file"),
        (lambda path: damage(path, "UPDATE alembic_version SET version_num = 'v9'"), "of another version"),
        (
            lambda path: damage(
                path, "DELETE FROM trial_user_attributes WHERE trial_id = 3 AND key = 'records'"
            ),
            "holds 13 of the 14 records",
        ),
        (rewrite("trial", '"identity": "', '"identity": "../'), "is damaged (the record of trial 0 names no"),
        (rewrite("study", '"version": 1', '"version": 9'), "was written by another version of cops"),
        (
            rewrite("study", '"files": {', '"files": {"../x.py": ""'),
            "it names a file '../x.py' that no study has",
        ),
    ],
)
def test_a_file_that_is_not_whole_is_one_line_and_leaves_nothing(
    recorded, file, bring, new_home, ruin, complaint
):
    recorded(**PLAN)
    path = file()
    ruin(path)
    before = path.read_bytes() if path.exists() else None
    code, out, err = bring(path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
    assert not (new_home / "studies" / "mine").exists()
    assert (path.read_bytes() if path.exists() else None) == before


GOOD = {"arm": "freeze", "target": "snip", "combine": False, "learning_rate": 0.05, "weight_decay": 1e-4}
DISTRIBUTIONS = {
    "arm": CategoricalDistribution(("prune", "freeze", "burn")),
    "target": CategoricalDistribution(("magnitude", "snip", "grasp", "synflow")),
    "combine": CategoricalDistribution((False, True)),
}


@pytest.fixture
def foreign(tmp_path):
    """Makes an Optuna study of somebody else's."""

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
    settings = parse_settings(StudyStore(str(home / "studies"), name).settings()["settings"])
    plan, trials = Proposer(find_space(settings.space), settings), []
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
    assert "2 configurations of 'theirs' come after the anchors, each at rate 0.95, 0.99" in out
    settings, trials = proposals(new_home)
    assert (settings.trials, settings.epochs) == (10, 3)
    assert [trial.parameters.get("learning_rate") for trial in trials[5:9]] == [0.01, 0.01, 0.02, 0.02]
    assert [str(trial.rate) for trial in trials[5:9]] == ["0.95", "0.99"] * 2
    assert not any(trial.anchor for trial in trials[5:])
    assert trials[9].parameters["learning_rate"] not in (0.01, 0.02)  # the sampler's own
    store = StudyStore(str(new_home / "studies"), "new")
    assert store.trials() == []
    assert store.settings()["imported"]["trials"] == [1, 2]
    assert "theirs" not in json.dumps([trial.record() for trial in trials])


def test_all_complete_ones_are_taken_once_each_and_the_study_is_as_large_as_needed(foreign, bring, new_home):
    path = foreign([({**GOOD, "learning_rate": 0.01 + 0.001 * n}, float(n)) for n in range(8)])
    assert bring(path, "--space", "quickstart", "--name", "new")[0] == 0
    settings, trials = proposals(new_home)
    assert settings.trials == 7 + 8 * 3
    rates = [trial.parameters["learning_rate"] for trial in trials[7::3]]
    assert rates == [0.01 + 0.001 * n for n in range(8)]


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_a_study_with_given_configurations_is_replayed(foreign, bring, new_home, sampler):
    path = foreign(TRIALS)
    new = ["--space", "quickstart", "--name", "new", "--rates", "0.95", "--trials", "9", "--sampler", sampler]
    assert bring(path, *new)[0] == 0
    settings, trials = proposals(new_home)
    for number, trial in enumerate(trials):
        trial.began, trial.told = 2 * number, 2 * number + 1
    again = recalled(find_space("quickstart"), settings.model_copy(update={"trials": 10}), trials)
    whole = recalled(find_space("quickstart"), settings.model_copy(update={"trials": 10}), trials)
    assert again.ask().parameters == whole.ask().parameters
    assert [trial.parameters for trial in trials[3:6]] == [TRIALS[n][0] for n in (0, 1, 2)]


def test_where_the_rate_is_searched_it_is_one_of_the_parameters(foreign, bring, new_home):
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
            "it has no 'learning_rate': is 'learning_rte' meant?",
        ),
        (without("arm"), "trial 0 of 'theirs' cannot be tried in space 'quickstart': it has no 'arm'"),
        ({**GOOD, "momentum": 0.9}, "that never asks for 'momentum'"),
        ({**GOOD, "density": 0.1}, "that never asks for 'density'"),
        ({**GOOD, "learning_rate": 5.0}, "its 'learning_rate' is 5.0, not between 0.01 and 0.2"),
        ({**GOOD, "arm": "burn"}, "its 'arm' is 'burn', not one of prune, freeze"),
        ({**GOOD, "combine": True}, "it has no 'control_for_snip'"),
    ],
)
def test_a_parameter_that_is_not_the_spaces_is_one_line(foreign, bring, new_home, parameters, complaint):
    code, out, err = bring(foreign([(parameters, 1.0)]), "--space", "quickstart", "--name", "new")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
    assert not (new_home / "studies" / "new").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            [],
            "holds no study that cops export wrote (its studies: theirs): write --space SPACE and --name NEW",
        ),
        (["--best", "2"], "--best belongs to --space"),
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
    assert "holds 2 Optuna studies (theirs, second): write --study NAME" in err
    assert bring(path, "--space", "quickstart", "--name", "new", "--study", "second")[0] == 0
    assert proposals(new_home)[1][7].parameters["learning_rate"] == 0.15


@pytest.mark.slow
def test_an_imported_study_runs_on_as_if_it_had_never_been_moved(run, file, bring, new_home, tmp_path):
    plan = ["--rates", "0.95", "--epochs", "1", "--concurrency", "1"]
    old_home = tmp_path / "home"
    assert run("launch", "quickstart", "--name", "mine", "--trials", "4", *plan, "--home", old_home)[0] == 0
    assert bring(file())[0] == 0
    assert run("resume", "mine", "--trials", "6", "--home", new_home)[0] == 0
    old, new = (StudyStore(str(home / "studies"), "mine") for home in (old_home, new_home))
    recorded, trials = old.trials(), new.trials()
    assert [trial.record() for trial in trials[:4]] == [trial.record() for trial in recorded]
    assert [trial.status for trial in trials[4:]] == ["finished"] * 2
    settings = parse_settings({**old.settings()["settings"], "trials": 6})
    assert recalled(find_space("quickstart"), settings, recorded).ask().config == trials[4].config
    assert len(new.files("artifacts")) == 2
    code, out, _ = run("show", "mine/0", "--home", new_home)
    assert code == 0
    assert "is not there" in " ".join(out.split())
    assert "cops replay" in out  # all are in the new home's MLflow
