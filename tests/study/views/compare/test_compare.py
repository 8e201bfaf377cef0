"""What `cops compare` prints for studies and methods, through the command line."""

import json
from decimal import Decimal

import pytest
from scipy import stats

from search_spaces.question import Pareto, Rates
from study.records.evaluations import EVALUATIONS

RATES = Rates((Decimal("0.95"), Decimal("0.99")))
PLAN = {"question": RATES, "trials": 5, "seeds": 3, "stopping": "none"}
NOISE = (0.00, 0.02, 0.05)


def accuracies(trial):
    """Freezing is better than pruning by 0.1, 0.11, 0.13 on the three seeds."""
    better = (0.10, 0.11, 0.13)[trial.seed_index] if trial.config.arm == "freeze" else 0.0
    return 0.5 + NOISE[trial.seed_index] + better


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def compare(run, home):
    def words(*arguments):
        return run("compare", *arguments, "--home", home)

    return words


@pytest.fixture
def content(compare):
    def read(*arguments):
        code, out, err = compare(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return read


def test_methods_are_compared_pair_by_pair_with_holms_p(recorded, content):
    recorded(accuracies, name="one", **PLAN)
    found = content("one:prune snip", "one:freeze snip")
    assert [row["rate"] for row in found["rates"]] == ["0.95", "0.99"]
    p = stats.ttest_1samp([0.10, 0.11, 0.13], 0.0).pvalue
    for row in found["rates"]:
        prune, freeze = row["results"]
        assert prune["best"]["method"] == "prune snip"
        assert freeze["best"]["validation_accuracy"] == pytest.approx(0.5 + 0.07 / 3 + 0.34 / 3)
        assert freeze["best"]["stored_bytes"] > 1000
        assert prune["difference"] is None
        assert freeze["difference"]["mean"] == pytest.approx(0.34 / 3)
        assert freeze["difference"]["seeds"] == 3
        low, high = stats.t.interval(0.95, 2, 0.34 / 3, stats.sem([0.10, 0.11, 0.13]))
        assert freeze["difference"]["interval"] == [pytest.approx(low), pytest.approx(high)]
        assert freeze["p_value"] == pytest.approx(2 * p)  # of two comparisons
    assert found["differences"] == {}


def test_trials_are_paired_by_their_seed_not_by_its_index(recorded, content):
    recorded(accuracies, name="one", **PLAN)
    recorded(accuracies, name="elsewhere", **PLAN, seed=7)
    row = content("one", "elsewhere")["rates"][1]
    assert row["results"][1]["best"]["seeds"] == 3
    assert row["results"][1]["difference"] is None
    assert row["results"][1]["p_value"] is None


def test_only_common_seeds_count(recorded, content):
    recorded(accuracies, name="three", **PLAN)
    recorded(lambda trial: accuracies(trial) + 0.01, name="two", **{**PLAN, "seeds": 2})
    (_, two) = content("three", "two")["rates"][1]["results"]
    assert two["difference"]["seeds"] == 2
    assert two["difference"]["mean"] == pytest.approx(0.01)


def test_the_same_trials_are_not_compared(recorded, content, compare):
    recorded(accuracies, name="one", **PLAN)
    row = content("one:freeze snip", "one:prune snip", "one")["rates"][0]
    assert [result["same_trials"] for result in row["results"]] == [False, False, True]
    p = stats.ttest_1samp([0.10, 0.11, 0.13], 0.0).pvalue
    assert row["results"][1]["p_value"] == pytest.approx(
        2 * p
    )  # not 4: the trials of `one` are not hypotheses
    assert "same trials" in compare("one:freeze snip", "one")[1]


def test_dense_is_compared_at_every_rate(recorded, content):
    recorded(accuracies, name="one", **PLAN)
    rows = content("one:dense", "one:freeze snip")["rates"]
    assert [row["rate"] for row in rows] == ["0.95", "0.99"]
    assert all(row["results"][0]["best"]["method"] == "dense" for row in rows)
    assert rows[0]["results"][1]["difference"]["mean"] == pytest.approx(0.34 / 3)


def test_differences_between_the_studies_are_listed(recorded, content, compare):
    recorded(accuracies, name="one", **PLAN)
    recorded(accuracies, name="two", **{**PLAN, "trials": 7}, epochs=4, sampler="random")
    found = content("one", "two")["differences"]
    assert found == {"trials": ["5", "7"], "sampler": ["tpe", "random"], "epochs": ["30", "4"]}
    out = compare("one", "two")[1]
    assert "what differs" in out
    assert ["sampler", "tpe", "random"] in [line.split() for line in out.splitlines()]


def test_studies_without_rates_are_compared_at_common_rates(recorded, content):
    recorded(accuracies, name="one", **PLAN)
    recorded(accuracies, name="free", **{**PLAN, "question": Pareto(RATES.rates), "trials": 9})
    rates = [row["rate"] for row in content("one", "free")["rates"]]
    assert rates == [None, "0.95", "0.99"]


def test_test_accuracies_are_shown_after_an_evaluation(recorded, content, compare):
    store = recorded(accuracies, name="one", **PLAN)
    evaluated = [
        {"trial": trial.name, "test_accuracy": trial.accuracy - 0.03 * (trial.config.arm == "freeze")}
        for trial in store.trials()
    ]
    assert content("one:prune snip", "one:freeze snip")["rates"][0]["results"][1]["test"] is None
    store.write_json(EVALUATIONS, [{"evaluation": 1, "results": evaluated}])
    prune, freeze = content("one:prune snip", "one:freeze snip")["rates"][0]["results"]
    assert prune["test"]["mean"] == pytest.approx(0.5 + 0.07 / 3)
    assert freeze["test"]["mean"] == pytest.approx(0.47 + 0.41 / 3)
    assert freeze["test_difference"]["mean"] == pytest.approx(0.34 / 3 - 0.03)
    out = compare("one:prune snip", "one:freeze snip")[1]
    assert "test - A" in out
    assert max(map(len, out.splitlines())) <= 80


def test_unequal_budgets_and_recipes_are_said_and_have_no_p(recorded, content, compare):
    """More configurations at searched learning rates, compared with a baseline at a fixed one."""
    recorded(accuracies, name="one", **{**PLAN, "trials": 40})
    found = content("one:prune snip", "one:freeze snip")
    (at_99,) = [row for row in found["rates"] if row["rate"] == "0.99"]
    prune, freeze = at_99["results"]
    assert prune["best"]["tried"] != freeze["best"]["tried"]
    assert freeze["p_value"] is None
    assert freeze["difference"]["mean"] == pytest.approx(0.34 / 3)
    assert at_99["not_equal"]["configurations"] == [str(each["best"]["tried"]) for each in (prune, freeze)]
    code, out, _ = compare("one:prune snip", "one:freeze snip")
    assert code == 0
    assert "not equal" in out
    assert "there is no p where the numbers of configurations differ" in " ".join(out.split())
    assert "the same" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_what_was_chosen_is_shown_with_its_trials(recorded, content, compare):
    recorded(accuracies, name="one", **PLAN)
    _, freeze = content("one:prune snip", "one:freeze snip")["rates"][0]["results"]
    best = freeze["best"]
    assert (best["tried"], best["stopped"]) == (1, 0)
    assert len(best["trial_numbers"]) == len(best["run_ids"]) == 3
    lines = [line.split() for line in compare("one:prune snip", "one:freeze snip")[1].splitlines()]
    first, *_, last = best["trial_numbers"]
    assert ["0.95", "B", f"{first}-{last}", f"{best['learning_rate']:.3g}"] in lines


def test_equal_results_are_said_to_be_equal(recorded, compare):
    recorded(accuracies, name="one", **PLAN)
    assert "epochs, recipe, seeds: the same" in compare("one:prune snip", "one:freeze snip")[1]


def test_it_fits_eighty_columns(recorded, compare, monkeypatch):
    recorded(accuracies, name="one", **{**PLAN, "trials": 12})
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = compare("one:prune snip", "one", "one:dense")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    lines = [line.split() for line in out.splitlines()]
    assert ["C", "one:dense"] in lines
    assert any(line[:3] == ["0.95", "A", "prune"] for line in lines)
    assert any(line[:2] == ["0.95", "B"] and "+11.33%" in line for line in lines)


def test_other_images_are_refused(recorded, compare):
    recorded(accuracies, name="one", **PLAN)
    other = recorded(accuracies, name="two", **PLAN)
    for trial in other.trials():
        trial.config = trial.config.changed(validation_fraction="0.3")
        other.save(trial)
    code, out, err = compare("one", "two")
    assert (code, out) == (2, "")
    assert "different images (one: digits dddddddd, 0.2 for validation; two: digits" in err
    for trial in other.trials():
        trial.config = trial.config.changed(validation_fraction="0.2")
        trial.facts["data_sha256"] = "e" * 64
        other.save(trial)
    assert "digits eeeeeeee" in compare("one", "two")[2]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["one"], "a comparison needs two or more"),
        (["one", "one"], "'one' is given twice"),
        (["one", "onne"], "unknown study 'onne': did you mean 'one'?"),
        (["one:freze snip", "one"], "study 'one': unknown method 'freze snip': did you mean 'freeze snip'?"),
        (["empty", "one"], "study 'empty' has no trial yet"),
    ],
)
def test_wrong_input_is_one_line(recorded, compare, words, complaint):
    recorded(accuracies, name="one", **PLAN)
    empty = recorded(accuracies, name="empty", **PLAN)
    for trial in empty.trials():
        empty.delete(f"trials/{trial.name}.json")
    code, out, err = compare(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
