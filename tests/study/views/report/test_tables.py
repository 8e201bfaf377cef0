"""The tables of a report: the same numbers as Parquet and as LaTeX."""

import io
import math
from decimal import Decimal

import pandas as pd
import pytest

from search_spaces.question import Rates
from study.analysis.answer import answer
from study.analysis.configurations import by_configuration
from study.analysis.fairness import choices
from study.views.report.ends import ends
from study.views.report.tables import best_frame, best_latex, ends_frame, ends_latex, layers_frame, parquet

QUESTION = Rates((Decimal("0.9"), Decimal("0.99")))


@pytest.fixture
def best(studies):
    return frame_of(by_configuration(studies["rates and seeds"]))


def frame_of(found):
    return best_frame(
        choices(answer(found, QUESTION).configurations, found), {"00040-" + f"{40:064x}"[:16]: "r40"}
    )


def test_the_best_are_the_answer_with_intervals_and_p_values(best):
    row = best[best.method == "freeze cops(snip; synflow 0.5)"].iloc[0]
    assert row.accuracy == pytest.approx(0.81)
    assert row.half_width == pytest.approx(4.302652729911275 * 0.01 / math.sqrt(3))
    assert row.seeds == 3
    assert row.rate == "0.99"
    assert math.isnan(row.p_value)  # the best of its rate is compared with nothing
    other = best[best.method == "freeze snip"]
    one_of_two = other[other.rate == "0.99"].iloc[0]
    assert (row.tried, one_of_two.tried) == (2, 1)
    assert math.isnan(one_of_two.p_value)  # the best of two is not compared with one
    assert (row.chosen, row.trials, row.run_ids) == ("learning rate 0.05", "40-42", "r40")


def test_parquet_keeps_types_and_values(best):
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet(best))), best)


@pytest.mark.parametrize("kind", ["nothing", "only failures", "a searched rate", "one seed", "two networks"])
def test_tables_of_any_study(studies, kind):
    found = by_configuration(studies[kind])
    frames = frame_of(found), ends_frame(ends(studies[kind])), layers_frame(found)
    for frame in frames:
        assert list(pd.read_parquet(io.BytesIO(parquet(frame))).columns) == list(frame.columns)
    assert best_latex(frames[0], "a caption").decode().count("\\end{tabular}") == 1


def test_latex_has_a_row_for_each_and_its_interval(best):
    text = best_latex(best, "50 % of fashion_mnist & more").decode()
    assert text.startswith("% needs \\usepackage{booktabs}\n")
    assert "\\caption{50 \\% of fashion\\_mnist \\& more}" in text
    body = text[text.index("\\midrule") : text.index("\\bottomrule")]
    assert body.count("\\\\\n") == len(best)
    method, chosen = "0.99 & freeze cops(snip; synflow 0.5)", "2 & learning rate 0.05 & 40-42"
    assert f"{method} & $81.00 \\pm 2.48$ (3) & {chosen} & 100 & 10.0 \\\\" in body


def test_latex_escapes_what_a_failure_said(made):
    (trial,) = made(1, (None,), status="failed")
    trial.reason = "KeyError: 'a_b' {50%} ~ \\x ^ #1 $"
    text = ends_latex(ends_frame(ends([trial])), "what failed").decode()
    assert (
        "KeyError: 'a\\_b' \\{50\\%\\} \\textasciitilde{} \\textbackslash{}x \\textasciicircum{} \\#1 \\$"
        in text
    )


def test_layers_are_those_of_the_figure(studies):
    frame = layers_frame(by_configuration(studies["two networks"]))
    caffe = frame[frame["where"].str.startswith("lenet_5_caffe") & (frame.method == "freeze snip")]
    assert dict(zip(caffe.layer, caffe.density, strict=True)) == {"conv1.weight": 0.3, "fc1.weight": 0.01}
