"""A recorded study that compares methods: status, compare, show, close, report, and its table."""

import json
import re
from dataclasses import replace

import pytest

import study
from cops_core.trainers import TRAINERS, CustomTrainer, Measure
from study.records.runs import write_runs
from study.records.store import StudyStore

from ..made_compare import QUESTION, again, compare_trials
from ..made_record import made_record

ODD = ("SNIP [bold] pruned, the baseline of everything that follows", "FreezeNet [/red]", "x" * 60)
CODE = {"git_commit": "c" * 40, "versions": {"python": "3.11", "torch": "2"}}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def write(settings, made, home):
    """Writes trials as a study of the question `compare`."""

    def written(trials=None, name="mine", **changes):
        question = replace(QUESTION, **changes)
        asked = settings(name=name, trials=14, question=question, home=home)
        store = StudyStore(asked.storage_uri, name)
        launch = {"at": "2026-01-02T03:04:05+00:00", **CODE}
        store.write_record(made_record(asked.record(), launches=[launch], study_id=f"{name:0>32}", **CODE))
        for trial in compare_trials(made) if trials is None else trials:
            store.save(trial)
        return store

    return written


@pytest.fixture
def status(run, home):
    def read(name="mine"):
        code, out, err = run("status", name, "--home", home, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return read


def test_status_has_the_comparison_as_json(write, status):
    write()
    found = status()
    methods = found["methods"]
    assert (methods["baseline"], methods["judged"], methods["complete"]) == ("prune snip", True, True)
    row = next(each for each in methods["rows"] if each["rate"] == "0.99" and "cops" in each["method"])
    assert (row["tried"], row["chosen"]["configuration"], row["judged"]) == (2, 12, 20)
    assert (row["chosen"]["learning_rate"], row["chosen"]["levels"]) == (0.05, {"synflow": 0.3})
    assert row["test"]["mean"] == pytest.approx(0.75133, abs=1e-5)
    assert row["p_value"] < 0.01 < row["least"]
    assert set(row["tests"]) == {"0", "1", "2"}
    assert all(each["p_value"] is None for each in found["best"])
    assert {each["judges"] for each in found["configurations"]} == {None, 0, 2, 4, 6, 8, 10, 12}
    assert (found["ended"], found["trials"]) == (14, 14)


@pytest.mark.parametrize("names", [("", "", ""), ODD])
def test_status_prints_it_in_eighty_columns(write, made, run, home, names, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    trials = compare_trials(made, named=names)
    write_runs(write(trials), {trial.name: f"{trial.number:08x}" + 24 * "f" for trial in trials})
    code, out, _ = run("status", "mine", "--home", home)
    assert code == 0
    chosen = next(trial for trial in trials if trial.configuration == 12)
    assert re.search(rf"\b{chosen.number}  {chosen.number:08x}\b", out)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    for part in ("chosen on validation, then 3 fresh seeds on test", "what validation chose", "baseline"):
        assert part in out, part
    assert "95.13% ± 2.99% (3)" in out
    words = " ".join(out.split())
    assert "adjusted by Holm for 4 comparisons" in words
    assert "More than chance" in words
    if names is ODD:
        assert "SNIP [bold]" in words
        assert "FreezeNet [/red]" in words


def test_it_is_complete_when_every_fresh_seed_has_ended(write, status, made):
    trials = compare_trials(made)
    write(trials)
    assert status()["state"] == "complete"
    write(trials[:-1], name="less")
    assert status("less")["state"] == "unfinished"
    write(compare_trials(made, judged=False), name="before")
    found = status("before")
    assert (found["state"], found["methods"]["judged"]) == ("unfinished", False)
    failed = compare_trials(made, judged=False)
    for trial in failed:
        trial.status, trial.rows = "failed", []
    write(failed, name="failed")
    assert status("failed")["state"] == "complete"


def test_it_needs_no_closing(write, run, home):
    write()
    code, _, err = run("close", "mine", "--home", home)
    assert code == 2
    assert err.count("\n") == 1
    assert "compares methods" in err
    assert "cops status mine" in err


def test_methods_are_compared_by_their_fresh_seeds(write, run, home):
    write()
    code, out, _ = run("compare", "mine:prune snip", "mine:freeze snip", "--home", home, "--json")
    assert code == 0
    first, other = json.loads(out)["rates"][-1]["results"]
    assert (first["judged"], other["judged"]) == (True, True)
    assert (first["best"]["judges"], other["best"]["judges"]) == (8, 10)
    assert other["test"]["seeds"] == 3
    assert other["test_difference"]["mean"] == pytest.approx(0.020667, abs=1e-5)
    assert other["p_value"] == pytest.approx(0.00207, abs=2e-3)
    code, out, _ = run("compare", "mine:prune snip", "mine:freeze snip", "--home", home)
    assert code == 0
    assert "p is of accuracies on test" in out
    assert "too small" not in out


def test_a_fresh_seed_says_which_configuration_it_trains(write, run, home):
    write()
    code, out, _ = run("show", "mine/20002", "--home", home)
    assert code == 0
    assert "trains the chosen configuration 12 on a fresh seed" in " ".join(out.split())
    assert "test accuracy" in out
    assert "76.40%" in out


def test_the_table_of_trials_says_which_are_fresh_seeds(write, home):
    write()
    table = study.load("mine", home=home)
    fresh = table[table.judges.notna()]
    assert (len(table), len(fresh), set(fresh.judges)) == (35, 21, {0, 2, 4, 6, 8, 10, 12})


def test_its_report_is_written(write, run, home):
    write()
    code, out, _ = run("report", "mine", "--home", home)
    assert code == 0
    assert "More than chance, compared with prune snip" in out
    assert (home / "reports/mine/tables/methods.parquet").is_file()
    assert (home / "reports/mine/figures/methods.svg").is_file()


class Lossy(CustomTrainer):
    """A trainer whose loss is minimised; nothing is trained here."""

    measure = Measure(name="validation_loss", direction="minimize", worst=9.0)


def test_the_smallest_loss_of_a_trainer_of_ones_own_is_the_best(write, made, run, home, monkeypatch):
    monkeypatch.setitem(TRAINERS, "lossy", Lossy)
    monkeypatch.setenv("COLUMNS", "80")
    own = {"trainer": "lossy", "settings": {}}
    one, two = made(0, (1.0,), arm="prune", **own), made(1, (1.0,), **own)
    fresh = [*again(made, 2, one, (2.5, 2.6, 2.8)), *again(made, 3, two, (1.5, 1.7, 1.9))]
    write([*one, *two, *fresh])
    code, out, _ = run("status", "mine", "--home", home)
    assert code == 0
    words = " ".join(out.split())
    assert "freeze snip 1.7000 ± 0.4968 (3) -0.9333" in words
    assert words.index("freeze snip 1.7000") < words.index("prune snip 2.6333")
    assert "test loss" in words
    assert "lr" not in words.split()
    code, _, _ = run("report", "mine", "--home", home)
    assert code == 0
    assert (home / "reports/mine/figures/methods.png").is_file()


def test_two_networks_without_dense_network_and_a_single_method(write, made, run, home):
    one, two = made(0, (0.9,), rate="0.9"), made(1, (0.8,), rate="0.9", model="lenet_5_caffe")
    two[0].named = one[0].named = "SNIP"
    write([*one, *two, *again(made, 2, one, (0.9, 0.91, 0.92))])
    code, out, _ = run("status", "mine", "--home", home)
    assert code == 0
    assert "SNIP" in out
    assert "p: paired" not in out
    assert run("report", "mine", "--home", home)[0] == 0


def test_chosen_networks_that_differ_are_named(write, made, run, home):
    one, two = made(0, (0.9,), rate="0.9"), made(1, (0.8,), "grasp", "0.9", model="lenet_5_caffe")
    write([*one, *two, *again(made, 2, one, (0.9, 0.91, 0.92)), *again(made, 3, two, (0.8, 0.83, 0.82))])
    words = " ".join(run("status", "mine", "--home", home)[1].split())
    assert "not equal: model lenet_300_100 for freeze snip; lenet_5_caffe for freeze grasp" in words
    assert run("report", "mine", "--home", home)[0] == 0


def test_of_many_methods_the_best_and_the_baseline_are_printed(write, made, run, home):
    trials = []
    for place in range(14):
        (one,) = made(place, (0.5 + 0.01 * place,), rate="0.9")
        one.named = f"method {place}"
        tests = (0.5 + 0.01 * place, 0.52 + 0.01 * place, 0.51 + 0.011 * place)
        trials += [one, *again(made, 20 + place, [one], tests)]
    write(trials)
    words = " ".join(run("status", "mine", "--home", home)[1].split())
    assert "baseline" in words
    assert "and 3 more: see the tables" in words
    assert "; and 5 more." in words
