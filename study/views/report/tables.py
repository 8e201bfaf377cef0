"""The tables of a report, as Parquet and LaTeX."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.comparisons import comparisons
from study.analysis.configurations import ConfigurationResult
from study.analysis.fairness import Choice
from study.analysis.fairness_words import Parameters, parameters, trial_numbers
from study.analysis.groups import at_each_rate
from study.analysis.regions import family_rows
from study.records.runs import run_ids
from study.views.figures.layers import best_masks, layer_densities
from study.views.report.ends import End

NEEDS = "% needs \\usepackage{booktabs}\n"


def best_frame(compared: Sequence[Choice], runs: Mapping[str, str]) -> pd.DataFrame:
    """The answer as a table.

    Args:
        compared: The configurations that answer the study's question.
        runs: The ids of MLflow's runs by the trial's name.

    Returns:
        A row per configuration. `half_width`: of the 95 % interval; NaN with one seed. `p_value`: see
        `study.analysis.comparisons.MethodComparison`; NaN for the best of a rate, without a common seed, and
        between unequal numbers of configurations. `tried`, `stopped`: how many configurations there are of
        the method at the rate, and how many of them were stopped early. `chosen`: its learning rate, and
        everything in which the rows differ. `trials`, `run_ids`: of its trials, separated by commas.
    """
    p_values = {each.other.number: each.p_value for each in comparisons(compared)}
    chosen = parameters(compared)
    rows = [_row(each, p_values, runs, own) for each, own in zip(compared, chosen, strict=True)]
    columns = {
        "rate": "string",
        "method": "string",
        "configuration": "Int64",
        "accuracy": "float64",
        "half_width": "float64",
        "seeds": "Int64",
        "deviation": "float64",
        "p_value": "float64",
        "tried": "Int64",
        "stopped": "Int64",
        "chosen": "string",
        "trials": "string",
        "run_ids": "string",
        "density": "float64",
        "trained_parameters": "Int64",
        "compression": "float64",
        "stored_bytes": "float64",
    }
    return pd.DataFrame(rows, columns=list(columns), dtype=object).astype(columns)


def _row(
    choice: Choice, p_values: Mapping[int, float], runs: Mapping[str, str], chosen: Parameters
) -> dict[str, Any]:
    each, found = choice.result, choice.result.interval
    several = found is not None and found.count > 1
    return {
        "rate": None if each.freezing_rate is None else f"{each.freezing_rate:f}",
        "method": each.detailed_method,
        "configuration": each.number,
        "accuracy": each.mean,
        "half_width": found.half_width if found is not None and several else math.nan,
        "seeds": len(each.accuracies),
        "deviation": found.deviation if found is not None else math.nan,
        "p_value": p_values.get(each.number, math.nan),
        "tried": choice.budget,
        "stopped": choice.stopped,
        "chosen": ", ".join(f"{name} {value}" for name, value in chosen.items()),
        "trials": trial_numbers(choice),
        "run_ids": ", ".join(run_ids(each.trials, runs)),
        "density": each.density,
        "trained_parameters": each.trained_parameters,
        "compression": math.nan if each.compression is None else each.compression,
        "stored_bytes": each.stored_bytes,
    }


def ends_frame(rows: Sequence[End]) -> pd.DataFrame:
    """Trials that did not finish: a row per status and method."""
    return pd.DataFrame(
        [
            {
                "status": end.status.replace("_", " "),
                "method": end.method,
                "rates": ", ".join(end.rates),
                "trials": len(end.trials),
                "why": end.why,
            }
            for end in rows
        ],
        columns=["status", "method", "rates", "trials", "why"],
    )


def layers_frame(found: Sequence[ConfigurationResult]) -> pd.DataFrame:
    """The kept share of each layer in the best masks, the mean over the seeds: a row per mask and layer."""
    return pd.DataFrame(
        [
            {
                "where": group.title.replace("\n", ", "),
                "method": each.method,
                "configuration": each.number,
                "seeds": len(each.trials),
                "layer": layer,
                "density": density,
            }
            for group in at_each_rate(found)
            for each in best_masks(group)
            for layer, density in layer_densities(each).items()
        ],
        columns=["where", "method", "configuration", "seeds", "layer", "density"],
    )


def family_frame(found: Sequence[ConfigurationResult]) -> pd.DataFrame:
    """Configurations whose target is in the score family, as a table.

    Args:
        found: All configurations of the study.

    Returns:
        A row per configuration. `p`, `r`: the powers of the target. `residual_accuracy`: the accuracy without
        the part that the density explains. `best`: whether it is among the best tenth of its rate or decade
        of the density.
    """
    columns = {
        "where": "string",
        "configuration": "Int64",
        "functional": "string",
        "p": "float64",
        "r": "float64",
        "form": "string",
        "arm": "string",
        "controls": "Int64",
        "rounds": "Int64",
        "density": "float64",
        "accuracy": "float64",
        "residual_accuracy": "float64",
        "seeds": "Int64",
        "best": "bool",
    }
    return pd.DataFrame(list(family_rows(found)), columns=list(columns), dtype=object).astype(columns)


def parquet(frame: pd.DataFrame) -> bytes:
    """A table as a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def best_latex(frame: pd.DataFrame, caption: str) -> bytes:
    """The answer as a LaTeX table. Accuracies are in per cent, with interval and number of seeds."""
    shown = pd.DataFrame(
        {
            "rate": frame["rate"].fillna("").map(escape),
            "method": frame["method"].map(escape),
            "accuracy [\\%]": [
                _interval(*row) for row in frame[["accuracy", "half_width", "seeds"]].to_numpy()
            ],
            "tried": [_number(count) for count in frame["tried"]],
            "chosen": frame["chosen"].map(escape),
            "trials": frame["trials"].map(escape),
            "trained": [_number(count) for count in frame["trained_parameters"]],
            "factor": [f"{factor:.1f}" if math.isfinite(factor) else "" for factor in frame["compression"]],
        }
    )
    return latex(shown, caption, "best", "llrrp{4cm}lrr")


def ends_latex(frame: pd.DataFrame, caption: str) -> bytes:
    """Trials that did not finish, as a LaTeX table."""
    shown = frame.astype(str).map(escape)
    return latex(shown, caption, "ends", "lllrp{6cm}")


def latex(shown: pd.DataFrame, caption: str, label: str, columns: str) -> bytes:
    """Build a floating LaTeX table with the rules of booktabs.

    Args:
        shown: The cells, already LaTeX.
        caption: Plain text.
        label: The label is `tab:` and this.
        columns: The alignment of the columns, e.g. `llr`.
    """
    text: str = shown.style.hide(axis="index").to_latex(
        hrules=True, caption=escape(caption), label=f"tab:{label}", column_format=columns
    )
    return (NEEDS + text).encode()


def _interval(mean: float, width: float, seeds: float) -> str:
    interval = f" \\pm {100 * width:.2f}" if math.isfinite(width) else ""
    return f"${100 * mean:.2f}{interval}$ ({seeds:.0f})"


def _number(count: Any) -> str:
    return "" if pd.isna(count) else f"{count:,}"


def escape(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)
