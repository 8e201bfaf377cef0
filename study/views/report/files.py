"""All files of a report by their paths: the page, the figures, the tables."""

from collections.abc import Mapping

from study.analysis.ablation_words import conclusions
from study.analysis.judged_words import verdict
from study.records.tables import trial_tables
from study.views.figures import ABLATIONS, FIGURES, METHODS, FigureText
from study.views.figures.style import fluid, png
from study.views.report.content import KEY_OF_ABLATIONS, KEY_OF_METHODS, Report
from study.views.report.markdown import best_markdown
from study.views.report.methods import methods_frame, methods_latex, methods_markdown
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
# The figures of questions that have one of their own.
OWN_FIGURES: Mapping[str, FigureText] = {KEY_OF_METHODS: METHODS, KEY_OF_ABLATIONS: ABLATIONS}
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
    name = _key(report)
    figure = report.drawings.get(name)
    if figure is None:
        return {}
    return {f"{name}.png": png(figure), f"{name}.svg": fluid(report.vectors[name])}


def _key(report: Report) -> str:
    """The name of the key figure: that of methods, or of ablations, once they are evaluated on test."""
    return next((name for name in OWN_FIGURES if name in report.drawings), KEY_FIGURE)


def closing_files(report: Report) -> dict[str, bytes]:
    """The files of a study's MLflow run at its end: the page and the key figure."""
    return {f"{FOLDER}/{PAGE}": page(report)} | key_figure(report)


def description(report: Report) -> str:
    """Headline and key figure as Markdown, in which `artifact:PATH` is a file of the study's MLflow run.

    There is also the table of the best, of the methods if the study compares them, or of the ablations.
    """
    parts, key = [f"**{report.headline}**"], _key(report)
    if key in report.drawings:
        question = {**FIGURES, **OWN_FIGURES}[key].question
        parts.append(f"![{question}](artifact:{key}.svg)")
    parts += report.not_equal
    if report.ablations is not None:
        table = report.ablations.table
        parts += [methods_markdown(table)] if table.rows else []
        parts += ["\n".join(f"- {conclusion.sentence}" for conclusion in conclusions(table))]
    elif report.methods is None:
        parts.append(best_markdown(report.answer, report.choices))
    elif report.methods.rows:
        parts += [methods_markdown(report.methods), verdict(report.methods)]
    parts.append(f"[The complete report](artifact:{FOLDER}/{PAGE})")
    return "\n\n".join(part for part in parts if part)


def _tables(report: Report) -> dict[str, bytes]:
    ended = ends_frame(report.ends)
    return {
        **_answer_tables(report),
        "ends.parquet": parquet(ended),
        "ends.tex": ends_latex(ended, f"{report.name}: trials that did not finish, and why."),
        "layers.parquet": parquet(layers_frame(report.configurations)),
        "family.parquet": parquet(family_frame(report.configurations)),
        **trial_tables(report.name, report.trials, report.more),
    }


def _answer_tables(report: Report) -> dict[str, bytes]:
    """The answer: the methods that are compared, the ablations, else the best configurations."""
    if report.ablations is not None:
        caption = f"{report.name}: {report.headline} {report.caveat}"
        return {
            "ablations.parquet": parquet(methods_frame(report.ablations.table, report.more.runs)),
            "ablations.tex": methods_latex(report.ablations.table, caption, "ablations"),
        }
    if report.methods is not None:
        caption = f"{report.name}: {METHODS.question} {report.caveat}"
        return {
            "methods.parquet": parquet(methods_frame(report.methods, report.more.runs)),
            "methods.tex": methods_latex(report.methods, caption, "methods"),
        }
    best = best_frame(report.choices, report.more.runs)
    caption = " ".join([f"{report.name}: {report.answer.title}.", report.caveat, *report.not_equal])
    return {"best.parquet": parquet(best), "best.tex": best_latex(best, caption)}
