"""All files of a report by their paths: the page, the figures, the tables."""

from study.records.tables import trial_tables
from study.views.figures import FIGURES
from study.views.figures.style import fluid, png
from study.views.report.content import Report
from study.views.report.page import page
from study.views.report.tables import (
    best_frame,
    best_latex,
    ends_frame,
    ends_latex,
    family_frame,
    layers_frame,
    parquet,
)

PAGE = "report.html"
KEY_FIGURE = "accuracy_by_rate"
FOLDER = "report"  # of the study's run in MLflow


def report_files(report: Report) -> dict[str, bytes]:
    """All files of a report: `report.html`, `figures/*.png` and `*.svg`, `tables/*.parquet` and `*.tex`."""
    files = {PAGE: page(report)}
    for name, figure in report.drawings.items():
        files[f"figures/{name}.png"] = png(figure)
        files[f"figures/{name}.svg"] = report.vectors[name]
    return files | {f"tables/{name}": content for name, content in _tables(report).items()}


def key_figure(report: Report) -> dict[str, bytes]:
    """The most important figure by its file names: as PNG, and as SVG without a size, which fits any page.

    It is empty if there is nothing to draw.
    """
    figure = report.drawings.get(KEY_FIGURE)
    if figure is None:
        return {}
    return {f"{KEY_FIGURE}.png": png(figure), f"{KEY_FIGURE}.svg": fluid(report.vectors[KEY_FIGURE])}


def closing_files(report: Report) -> dict[str, bytes]:
    """The files of a study's MLflow run at its end: the page and the key figure."""
    return {f"{FOLDER}/{PAGE}": page(report)} | key_figure(report)


def description(report: Report) -> str:
    """Headline and key figure as Markdown, in which `artifact:PATH` is a file of the study's MLflow run."""
    parts = [f"**{report.headline}**", f"[The complete report](artifact:{FOLDER}/{PAGE})"]
    if KEY_FIGURE in report.drawings:
        parts.insert(1, f"![{FIGURES[KEY_FIGURE].question}](artifact:{KEY_FIGURE}.svg)")
    return "\n\n".join(parts)


def _tables(report: Report) -> dict[str, bytes]:
    best, ended = best_frame(report.answer), ends_frame(report.ends)
    title = "" if report.answer is None else report.answer.title
    return {
        "best.parquet": parquet(best),
        "best.tex": best_latex(best, f"{report.name}: {title}. {report.caveat}"),
        "ends.parquet": parquet(ended),
        "ends.tex": ends_latex(ended, f"{report.name}: trials that did not finish, and why."),
        "layers.parquet": parquet(layers_frame(report.configurations)),
        "family.parquet": parquet(family_frame(report.configurations)),
        **trial_tables(report.name, report.trials),
    }
