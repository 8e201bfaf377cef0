"""`cops status`: what the records of a storage say."""

import json
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from cops_core.errors import InputError, unknown
from study.results import best_per_method, trial_row
from study.store import StudyStore, studies
from study.summary import print_best


def show_status(console: Console, storage_uri: str, name: str | None, *, as_json: bool) -> None:
    """Print all studies, or one of them; as one JSON object with `as_json`."""
    found = {store.name: store for store in studies(storage_uri)}
    if name is not None and name not in found:
        if not found:
            raise InputError(
                f"no studies in {storage_uri}: launch one, or name the right --home or --storage"
            )
        raise InputError(unknown("study", name, found))
    chosen = list(found.values()) if name is None else [found[name]]
    summaries = [summary(store, with_trials=name is not None) for store in chosen]
    if as_json:
        content = {"studies": summaries} if name is None else summaries[0]
        console.print_json(json.dumps(content))
    elif name is None:
        console.print(_overview(summaries) if summaries else f"no studies in {storage_uri}")
    else:
        console.print(_overview(summaries))
        print_best(console, found[name].trials(), summaries[0]["question"])


def summary(store: StudyStore, *, with_trials: bool) -> dict[str, Any]:
    """A study's settings in short, its trials counted by status, and its best trials."""
    record, trials = store.settings(), store.trials()
    settings = record["settings"]
    content = {
        "name": store.name,
        "space": settings["space"],
        "question": settings["question"],
        "started": record["started"],
        "trials": settings["trials"],
        "ended": len(trials),
        "status": dict(Counter(trial.status for trial in trials)),
        "best": [
            {"rate": None if trial.rate is None else str(trial.rate), **_short(trial_row(store.name, trial))}
            for trial in best_per_method(trials)
        ],
    }
    if with_trials:
        content["all"] = [_short(trial_row(store.name, trial)) for trial in trials]
    return content


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: row[name]
        for name in (
            "number",
            "trial",
            "status",
            "method",
            "validation_accuracy",
            "density",
            "trained_parameters",
        )
    }


def _overview(summaries: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("study", "space", "started", "ended", "status", "best"):
        table.add_column(heading)
    for study in summaries:
        counts = ", ".join(f"{count} {status}" for status, count in study["status"].items())
        best = max(study["best"], key=lambda row: row["validation_accuracy"], default=None)
        shown = "" if best is None else f"{best['method']} {best['validation_accuracy']:.2%}"
        table.add_row(
            study["name"],
            study["space"],
            study["started"][:16].replace("T", " "),
            f"{study['ended']}/{study['trials']}",
            counts,
            shown,
        )
    return table
