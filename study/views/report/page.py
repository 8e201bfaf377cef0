"""A report as one self-contained HTML page: its figures are embedded, it has no scripts and no requests."""

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from search_spaces.question.base import measure_in
from study.analysis.ablation_words import ablation_notes, conclusions
from study.analysis.answer import NOTHING, first_of_each_rate
from study.analysis.comparisons import comparisons
from study.analysis.fairness import Choice
from study.analysis.fairness_words import TRIED, Parameters, parameters, trial_numbers
from study.analysis.judged_words import sentences, verdict
from study.analysis.regions import ASPECTS, CAVEAT
from study.records.runs import run_ids
from study.views.figures import ABLATIONS, FIGURES, METHODS, PARAMETERS, FigureText
from study.views.report.content import KEY_OF_ABLATIONS, KEY_OF_METHODS, Report
from study.views.report.methods import method_cells
from study.views.tables import show_p

MOST_ROWS = 8  # at each rate in the table of the best; the files have all
PIXELS = 96  # of an inch
LEAST = 0.72  # of its width; a narrower page scrolls the figure

# The names of figures in the page's list of sections.
SHORT = {
    "accuracy_by_rate": "Rates",
    "pairs": "Pairs",
    "accuracy_by_level": "Levels",
    "family": "Family",
    "accuracy_by_bytes": "Bytes",
    "layers": "Layers",
    "outcomes": "Outcomes",
}


@dataclass(frozen=True)
class Picture:
    """A figure in the page.

    Attributes:
        name: The figure's key in `FIGURES`.
        text: Its question and caption.
        source: A data URI; empty if there is no figure.
        width: Its width in CSS pixels.
        caption: Whether the caption is displayed.
    """

    name: str
    text: FigureText
    source: str
    width: int
    caption: bool = True

    @property
    def short(self) -> str:
        """The figure's name in the list of sections."""
        return SHORT[self.name]

    @property
    def least(self) -> int:
        """The least width in CSS pixels."""
        return round(LEAST * self.width)


@dataclass(frozen=True)
class Row:
    """A configuration in the page's table, as text."""

    rate: str
    method: str
    accuracy: str
    test: str
    p: str
    tried: str
    trained: str
    factor: str
    stored: str
    number: int
    trials: str
    runs: tuple[str, ...]
    parameters: Parameters


def page(report: Report) -> bytes:
    """Render a report as an HTML page, UTF-8."""
    environment = Environment(
        loader=PackageLoader("study.views.report", "."), autoescape=True, undefined=StrictUndefined
    )
    own, tested = report.methods is not None or report.ablations is not None, list(_tested(report))
    rows = [] if own else list(_rows(report))
    ablated = None if report.ablations is None else report.ablations.table
    total = 0 if report.answer is None else len(report.answer.configurations)
    content = environment.get_template("page.html").render(
        report=report,
        best_title=_title(report),
        nothing=NOTHING,
        rows=rows,
        parameter_names=_names(row for group in rows for row in group),
        tested=tested,
        tested_names=_names(tested),
        tried=TRIED,
        measure=measure_in(report.configurations).words,
        left_out=total - sum(map(len, rows)),
        p_values=any(row.p for group in rows for row in group),
        compared=report.methods,
        compared_text=METHODS,
        compared_rows=[] if report.methods is None else method_cells(report.methods, report.more.runs),
        compared_notes=[] if report.methods is None else sentences(report.methods),
        compared_verdict="" if report.methods is None else verdict(report.methods),
        compared_picture=_picture(report, KEY_OF_METHODS, METHODS),
        ablated=ablated,
        ablated_text=ABLATIONS,
        ablated_rows=[] if ablated is None else method_cells(ablated, report.more.runs),
        ablated_notes=[] if ablated is None else ablation_notes(ablated),
        ablated_conclusions=[] if ablated is None else conclusions(ablated),
        ablated_picture=_picture(report, KEY_OF_ABLATIONS, ABLATIONS),
        figures=[_picture(report, name, text) for name, text in FIGURES.items()],
        aspects=ASPECTS,
        region_caveat=CAVEAT,
        parameters=list(_parameters(report)),
        parameters_text=PARAMETERS,
    )
    return content.encode()


def _title(report: Report) -> str:
    title = report.answer.title or "The best"
    return title[0].upper() + title[1:]


def _rows(report: Report) -> Iterator[list[Row]]:
    p_values = {each.other.number: each.p_value for each in comparisons(report.choices)}
    by_number = {each.result.number: each for each in report.choices}
    groups = [
        [by_number[each.number] for each in group] for group in first_of_each_rate(report.answer, MOST_ROWS)
    ]
    chosen = iter(parameters([each for group in groups for each in group]))
    for group in groups:
        yield [
            _row(report, each, next(chosen), p=p_values.get(each.result.number, math.nan)) for each in group
        ]


def _tested(report: Report) -> Iterator[Row]:
    """The configurations that were evaluated on the test images."""
    found = [each for each, _ in report.test_results]
    for (each, test), chosen in zip(report.test_results, parameters(found), strict=True):
        yield _row(report, each, chosen, test=test)


def _row(report: Report, each: Choice, chosen: Parameters, *, p: float = math.nan, test: str = "") -> Row:
    found, runs = each.result, report.more.runs
    return Row(
        rate="" if found.freezing_rate is None else f"{found.freezing_rate:f}",
        method=found.marked_method,
        accuracy=found.shown_accuracy,
        test=test,
        p="" if math.isnan(p) else show_p(p),
        tried=each.shown_budget,
        trained="" if found.trained_parameters is None else f"{found.trained_parameters:,}",
        factor="" if found.compression is None else f"{found.compression:.1f}",
        stored=found.shown_size,
        number=found.number,
        trials=trial_numbers(each),
        runs=run_ids(found.trials, runs),
        parameters=chosen,
    )


def _names(rows: Iterable[Row]) -> list[str]:
    """The names of the rows' parameters, each once."""
    return list(dict.fromkeys(name for row in rows for name in row.parameters))


def _parameters(report: Report) -> Iterator[tuple[str, list[Picture]]]:
    for history, file in report.histories.items():
        title = "all configurations" if history == "all" else f"freezing rate {history}"
        title = title if report.methods is None else history  # a rate and a method
        names = [f"{kind}_{file}" for kind in ("importances", "slices")]
        yield (
            title,
            [_picture(report, name, PARAMETERS, caption=False) for name in names if name in report.drawings],
        )


def _picture(report: Report, name: str, text: FigureText, *, caption: bool = True) -> Picture:
    """A figure of the report. It has no source if it was not drawn."""
    figure = report.drawings.get(name)
    if figure is None:
        return Picture(name, text, "", 0, caption)
    source = f"data:image/svg+xml;base64,{b64encode(report.vectors[name]).decode()}"
    return Picture(name, text, source, round(PIXELS * figure.get_figwidth()), caption)
