"""The table of the recorded trials: cells, verdicts, differences from the preset, files."""

import io
import math
import re

import pandas as pd
import pytest
from rich.console import Console

from study.analysis.statistics import interval
from study.papers.table.cell import cell_of
from study.papers.table.files import COLUMNS, markdown, table_files, tex
from study.papers.table.show import blocks, print_table
from study.papers.table.table import make_table
from study.papers.table.words import cell_lines, dense_line, foot, heading, recipe

from .conftest import HIGH, LOW, SOURCE

WOBBLE = {0: -0.001, 1: 0.0, 2: 0.001}


@pytest.fixture
def wobble(preset):
    """A little more or less, by seed."""
    places = {seed: WOBBLE[index] for index, seed in enumerate(preset.trial_seeds)}
    return lambda config: places[config.seed]


@pytest.fixture
def table(preset, trials, wobble):
    """All trials: dense at 0.8, pruned at 0.9 (as published), frozen at 0.72 (0.9 of dense)."""

    def accuracy(config):
        base = {"dense": 0.8, "prune": 0.9, "freeze": 0.72}[config.arm]
        return base * (1 + wobble(config))

    return make_table(preset, preset, trials(preset.configs(), accuracy))


def test_each_cell_has_its_own_trials(table, preset):
    assert list(table.cells) == [(rate, method) for rate in (HIGH, LOW) for method in preset.methods]
    for (rate, method), cell in table.cells.items():
        assert (cell.rate, cell.method, cell.wanted) == (rate, method, 3)
        for trial in cell.trials.values():
            assert 1 - trial.config.density == rate
            assert (trial.config.arm, trial.config.selection) == preset.methods[method]
    assert table.missing == 0
    assert table.differences == []
    assert table.cells[HIGH, "SNIP, pruned"].interval == interval(
        [0.9 * (1 + WOBBLE[index]) for index in range(3)]
    )


def test_verdicts_are_those_of_the_figures_units(table):
    (accuracy,) = table.comparisons(table.cells[HIGH, "SNIP, pruned"])
    assert accuracy.verdict == "agrees"
    share, factor = table.comparisons(table.cells[LOW, "FreezeNet"])
    # Paired: a deviation that both have at a seed does not widen the interval of the share.
    assert share.ours.mean == pytest.approx(0.9)
    assert share.ours.half_width == pytest.approx(0.0, abs=1e-12)
    assert share.verdict == "agrees"
    assert (factor.ours.mean, factor.ours.half_width, factor.verdict) == (156.4, 0.0, "agrees")
    assert table.comparisons(table.cells[LOW, "SNIP, pruned"]) == table.comparisons(table.dense) == []


def test_the_lines_of_a_cell(table):
    assert cell_lines(table, table.cells[HIGH, "SNIP, pruned"]) == [
        "90.00 ± 0.22 (3)",
        "published 90.0 %: agrees",
    ]
    assert cell_lines(table, table.cells[LOW, "FreezeNet"]) == [
        "72.00 ± 0.18 (3)",
        "published 90.0 % of dense, ours 90.00 ± 0.00: agrees",
        "published factor 157, ours 156.4: agrees",
    ]
    assert cell_lines(table, table.cells[LOW, "SNIP, pruned"]) == ["90.00 ± 0.22 (3)", "no published figure"]
    assert dense_line(table) == "Dense: 80.00 ± 0.20 (3); no published figure, 1,000 parameters."
    assert recipe(table.asked) == (
        "4 epochs, batches of 100, learning rate 0.1 times 0.1 every 20 iterations, momentum 0.9,"
        " weight decay 0.0005, xavier_normal, augmentation none, 10% held out, 3 seeds"
    )
    assert foot(table)[-1] == f"Published: {SOURCE}."
    assert "within 1 point of the published figure" in foot(table)[1]


def test_another_number_of_epochs_is_never_compared_with_the_paper(preset, trials):
    asked = preset.changed(epochs=2, seeds=2, rates=[LOW])
    table = make_table(preset, asked, trials(asked.configs(), lambda config: 0.9))
    assert table.differences == ["2 of 4 epochs", "2 seeds for 3", "1 of 2 rates"]
    share, factor = table.comparisons(table.cells[LOW, "FreezeNet"])
    assert share.verdict == "not comparable: 2 of 4 epochs"
    assert factor.verdict == "agrees", "it follows from network and mask alone"
    first, second = heading(table)
    assert "2 epochs, " in first
    assert second == (
        "Not as in the preset: 2 of 4 epochs, 2 seeds for 3, 1 of 2 rates."
        " The schedule's steps come at the same shares of the training."
    )
    longer = preset.changed(epochs=8)
    found = make_table(preset, longer, trials(longer.configs(), lambda config: 0.9))
    (comparison,) = found.comparisons(found.cells[HIGH, "SNIP, pruned"])
    assert comparison.verdict == "not comparable: 8 of 4 epochs"


def test_other_trials_of_the_study_count_for_nothing(preset, trials):
    """Trials of other epochs, seeds and rates, and those without a result."""
    others = trials(preset.changed(epochs=2).configs(), lambda config: 0.9)
    failed = trials(preset.configs(), lambda config: 0.9)
    for trial in failed:
        trial.status = "failed"
    table = make_table(preset, preset, [*others, *failed])
    assert table.missing == preset.trials
    assert heading(table)[-1] == f"Not run: {preset.trials} of {preset.trials} trials."
    for cell in table.everything:
        assert cell_lines(table, cell)[0] == "not run"
        assert all(each.verdict == "not run" for each in table.comparisons(cell))
    assert dense_line(table) == "Dense: not run; no published figure."


def test_an_incomplete_cell_is_shown_without_a_verdict(preset, trials):
    first = preset.trial_seeds[0]
    some = [config for config in preset.configs() if config.arm == "dense" or config.seed == first]
    table = make_table(preset, preset, trials(some, lambda config: 0.9))
    cell = table.cells[HIGH, "SNIP, pruned"]
    assert cell_lines(table, cell) == [
        "90.00 (1)",
        "1 of 3 seeds",
        "published 90.0 %: not comparable: 1 of 3 seeds",
    ]
    without_dense = [config for config in preset.configs() if config.arm != "dense" or config.seed == first]
    table = make_table(preset, preset, trials(without_dense, lambda config: 0.9))
    share, factor = table.comparisons(table.cells[LOW, "FreezeNet"])
    assert share.verdict == "not comparable: 1 of 3 seeds"
    assert factor.verdict == "agrees"
    assert table.comparisons(table.cells[HIGH, "SNIP, pruned"])[0].verdict == "agrees"


def test_collapsed_networks_count_and_diverged_ones_forbid_a_verdict(preset, trials):
    last = preset.trial_seeds[-1]
    made = trials(
        preset.configs(),
        lambda config: None if config.arm == "prune" and config.seed == last else 0.9,
    )
    for trial in made:
        if trial.config.arm == "freeze" and trial.config.density == 1 - LOW and trial.config.seed == last:
            trial.status, trial.facts["test_accuracy"] = "collapsed", 0.1
    table = make_table(preset, preset, made)
    lines = cell_lines(table, table.cells[HIGH, "SNIP, pruned"])
    assert lines == ["90.00 ± 0.00 (2)", "1 diverged", "published 90.0 %: not comparable: 1 diverged"]
    assert cell_lines(table, table.cells[LOW, "FreezeNet"])[1] == "1 collapsed"
    assert table.cells[LOW, "FreezeNet"].interval.count == 3
    nothing = trials(preset.configs(), lambda config: None)
    table = make_table(preset, preset, nothing)
    assert cell_lines(table, table.dense)[:2] == ["no accuracy", "3 diverged"]


def test_one_seed_has_no_interval_and_decides_nothing(preset, trials):
    asked = preset.changed(seeds=1)
    table = make_table(preset, asked, trials(asked.configs(), lambda config: 0.9))
    assert cell_lines(table, table.cells[HIGH, "SNIP, pruned"]) == [
        "90.00 (1)",
        "published 90.0 %: undecided",
    ]


def test_parquet_has_a_row_for_each_cell_and_figure(table):
    found = pd.read_parquet(io.BytesIO(table_files(table)["table.parquet"]))
    assert list(found.columns) == list(COLUMNS)
    assert len(found) == 1 + 4 + 1  # dense, four cells, one of them with two figures
    assert (found.verdict == "no published figure").sum() == 3
    row = found[found.unit == "share of dense"].iloc[0]
    assert (row.published, row.ours, row.verdict, row.source) == (0.9, pytest.approx(0.9), "agrees", SOURCE)
    assert (row.rate, row.method, row.seeds, row.seeds_asked) == ("0.99", "FreezeNet", 3, 3)
    assert row.accuracy == pytest.approx(0.72)
    assert row.half_width == pytest.approx(interval([0.72 * (1 + w) for w in WOBBLE.values()]).half_width)
    dense = found.iloc[0]
    assert dense.method == "dense"
    assert pd.isna(dense.rate)


def test_parquet_of_nothing_has_nulls(preset):
    found = pd.read_parquet(io.BytesIO(table_files(make_table(preset, preset, []))["table.parquet"]))
    assert len(found) == 6
    assert found.accuracy.isna().all()
    assert (found.seeds == 0).all()
    assert set(found.verdict) == {"not run", "not run, no published figure"}


def test_latex_is_whole_and_escaped(table):
    text = tex(table).decode()
    assert text.count("\\begin{table}") == text.count("\\end{tabular}") == 1
    body = text[text.index("\\midrule") : text.index("\\bottomrule")]
    rows = [line.split(" & ") for line in body.splitlines() if "&" in line]
    assert [row[0] for row in rows] == ["0.9", "published", "0.99", "published", "published"]
    assert rows[0][1] == "$90.00 \\pm 0.22$ (3)"
    assert rows[1][1:] == ["90.0 \\%: agrees", "-- \\\\"]
    assert rows[3][2] == "90.0 \\% of dense: agrees \\\\"
    assert rows[4][1:] == ["--", "factor 157: agrees \\\\"]
    assert "lenet\\_300\\_100 on digits" in text
    said = [line for line in text.splitlines() if not line.startswith(("% needs", "\\label"))]
    assert not re.search(r"(?<!\\)[%_]", "\n".join(said)), "not escaped"


def test_many_methods_are_several_tables(preset, trials):
    from search_spaces.presets.methods import cops_methods

    wide = type(preset)(**{**vars(preset), "methods": cops_methods(1), "published": ()})
    table = make_table(wide, wide, trials(wide.configs(), lambda config: 0.9))
    text = tex(table).decode()
    assert text.count("\\begin{tabular}") == 5
    assert text.count("continued.") == 4
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == 5
    for method in wide.methods:
        assert method in text
    assert markdown(table).count("| 0.9 |") == 1
    assert "no published figure for any cell" in markdown(table)


def test_markdown_has_rows_of_rates_and_columns_of_methods(table):
    text = markdown(table)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == "| rate | trained | SNIP, pruned | FreezeNet |"
    assert lines[1] == "|---|---|---|---|"
    assert lines[2] == (
        "| 0.9 | 1/156 | 90.00 ± 0.22 (3); published 90.0 %: agrees | 72.00 ± 0.18 (3); no published figure |"
    )
    assert text.startswith("### freezenet_lenet_300_100_digits\n")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_every_terminal(table, width):
    output = io.StringIO()
    print_table(Console(file=output, width=width), table)
    text = output.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert len(re.findall("^rate +trained", text, re.MULTILINE)) == (2 if width == 40 else 1)
    for cell in table.cells.values():
        assert f"{100 * cell.interval.mean:.2f} ± " in text


@pytest.mark.parametrize(("width", "parts"), [(3, [3, 2]), (5, [5]), (9, [5]), (0, [1] * 5)])
def test_blocks_have_every_method_once_in_order(width, parts):
    methods = list("abcde")
    found = blocks(methods, width)
    assert [len(part) for part in found] == parts
    assert [method for part in found for method in part] == methods


def test_a_cell_of_nothing(preset):
    cell = cell_of("FreezeNet", LOW, preset.cell("FreezeNet", LOW), {})
    assert (cell.interval, cell.compression, cell.notes) == (None, None, [])
    assert cell.wanted == 3
    assert not math.isfinite(interval([1.0]).half_width)
