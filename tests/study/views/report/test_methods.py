"""The report of a study that compares methods: its page, key figure, description and tables."""

import io
import math

import pandas as pd
import pytest

from study.views.report.content import file_name, make_report
from study.views.report.files import closing_files, description, report_files
from study.views.report.page import page

from ...made_compare import QUESTION, compare_trials
from .test_page import Page, record

LONG = "a_name_without_any_space_that_is_sixty_characters_long_012345"
ODD = ("SNIP [bold] | pruned", "<b>FreezeNet</b>", LONG)


def run_id(trial):
    return f"{trial.number:032x}"


def report(trials):
    runs = {trial.name: run_id(trial) for trial in trials}
    return make_report("made", record(QUESTION.record(), trials=14), trials, runs=runs)


def plain(text):
    return " ".join(text.replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def judged(made):
    return report(compare_trials(made, named=ODD))


def test_the_page_has_both_tables_and_what_may_be_concluded(judged):
    found = Page(page(judged).decode())
    text = plain(found.text)
    for part in (
        "Which method is better?",
        "97.30 % ± 0.50 % (3 seeds)",
        f"{ODD[1]} 91.07 % ± 2.74 % (3 seeds)",
        *("+2.07% ± 0.29%", "0.002", "0.76%", "baseline"),
        "2 configurations each.",
        "80 % power after correction",
        f"More than chance, compared with {ODD[0]} (at 5 % in total)",
        "lr 0.05, synflow 0.3, wd 1e-05",
        "14 of 14, 2 configurations each, on 1 seed; what was chosen on 3 fresh seeds",
        "trials 100; fresh 500, 501, 502",
    ):
        assert part in text, part
    assert "cops close" not in text
    assert all(run_id(trial) in text for trial in judged.trials if trial.judges is not None)
    assert sum(run_id(trial) in text for trial in judged.trials if trial.judges is None) == 7
    assert found.of("b") == []  # a name cannot break out of the page


def test_its_key_figure_and_table_are_the_description_of_its_run(judged):
    assert set(closing_files(judged)) == {"report/report.html", "methods.png", "methods.svg"}
    text = plain(description(judged))
    assert "(artifact:methods.svg)" in text
    assert r"SNIP [bold] \| pruned | 2 | 69.00 % ± 2.48 % (3 seeds) | baseline" in text


def test_its_tables_are_files(judged):
    files = report_files(judged)
    assert "tables/best.parquet" not in files
    table = pd.read_parquet(io.BytesIO(files["tables/methods.parquet"]))
    assert len(table) == 7
    pair = table[(table.method == ODD[2]) & (table.rate == "0.99")].iloc[0]
    assert (pair.configurations, pair.chosen, pair.seeds, pair.baseline) == (2, 12, 3, ODD[0])
    assert (pair.learning_rate, pair.levels) == (0.05, '{"synflow": 0.3}')
    assert pair.test == pytest.approx(0.7513, abs=1e-4)
    fresh = [trial for trial in judged.trials if trial.judges == 12]
    assert pair.judging_run_ids == ", ".join(map(run_id, fresh))
    assert pair.run_ids == f"{pair.trial:032x}"
    assert pair.p_value < 0.01 < pair.least
    assert math.isnan(table[table.method == "dense"].iloc[0].difference)
    latex = files["tables/methods.tex"].decode()
    assert "69.00 \\% $\\pm$ 2.48 \\% (3 seeds) & baseline" in latex
    masks = pd.read_parquet(io.BytesIO(files["tables/layers.parquet"]))
    assert set(masks.configuration) <= set(range(14))


def test_before_the_fresh_seeds_the_best_on_validation_are_shown(made):
    before = report(compare_trials(made, judged=False))
    text = plain(Page(page(before).decode()).text)
    assert "Nothing is evaluated on the test part yet." in text
    assert "The best of each method on validation so far" in text
    assert "96.00 % (1 seed)" in text
    assert "accuracy_by_rate.svg" in closing_files(before)
    assert "| rate | method | tried | validation accuracy | chosen |" in description(before)


def test_validation_figures_are_those_of_the_same_study_without_fresh_seeds(made, judged):
    before = report(compare_trials(made, judged=False, named=ODD))
    for name in ("accuracy_by_rate", "layers", "accuracy_by_bytes", "accuracy_by_level"):
        assert judged.vectors[name] == before.vectors[name]


def test_a_study_without_trials_has_a_page():
    text = plain(Page(page(report([])).decode()).text)
    assert "No configuration has finished yet." in text


def test_a_history_with_any_name_is_a_file_in_the_folder():
    assert (file_name("0.99"), file_name("all")) == ("0.99", "all")
    names = [file_name(name) for name in ("0.9 ../../x", "0.9 ...../x", "0.9 " + "x" * 300)]
    assert len(set(names)) == 3
    assert not any(set(name) & set("/\\ ") for name in names)
    assert max(map(len, names)) < 80


def test_methods_that_are_tried_completely_have_no_order_in_the_headline(made):
    grid = record(QUESTION.record(), trials=14, sampler="grid")
    found = make_report("made", grid, compare_trials(made))
    assert "not ranked" in found.headline
    assert [row.method for row in found.methods.rows[1:3]] == ["prune snip", "freeze snip"]
