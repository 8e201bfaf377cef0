"""One trial in full detail, in 80 columns."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cops_core.facts import ConnectivityFacts, SelectionManifest, values_of
from cops_core.trainers import IMAGES
from study.console import print_line
from study.records.facts import TrialFacts
from study.records.trial import StudyTrial
from study.views.show.trial import TrialDetails, commands, fields, when

MOST_EPOCHS = 12  # that are printed: the first, the last, the best, and others between them
Hash = Literal["data_sha256", "theta0_sha256", "mask_sha256", "final_mask_sha256"]
HASHES: tuple[Hash, ...] = get_args(Hash)
# A text, or a number that is rounded when it is printed.
Value = str | float | None


def print_trial(console: Console, details: TrialDetails, home: Path) -> None:
    """Print everything about a trial, with rounded numbers.

    Args:
        console: Where it is printed.
        details: The trial.
        home: The study's home, for the commands.
    """
    trial = details.trial
    print_line(console, trial.title, "bold")
    _print_pairs(console, "", _identity(details))
    if trial.log:
        print_line(console, trial.log.rstrip())
    if trial.rejected:
        _print_pairs(console, "parameters", _texts(trial.parameters))
    else:
        _print_configuration(console, trial)
    if trial.rows:
        _print_table(console, "epochs (* the best)", *_epochs(trial))
    if trial.facts is not None and trial.layer_densities:
        _print_table(console, "layers", *_layers(trial.facts))
    for title, headings, rows in _solutions(trial.manifest):
        _print_table(console, title, headings, rows)
    for title, found in _both_connectivities(trial):
        _print_pairs(console, title, _connectivity(found))
    _print_pairs(console, "costs", _costs(trial.facts))
    _print_pairs(console, "where and when", _place(details))
    _print_pairs(console, "hashes and files", _files(details))
    for what, command in commands(details, home).items():
        print_line(console, f"\n{what}:")
        print_line(console, command)


def _print_configuration(console: Console, trial: StudyTrial) -> None:
    differing, defaults = fields(trial.config)
    _print_pairs(console, "configuration, without default values", _texts(differing))
    shown = ", ".join(f"{name} {_text(value)}" for name, value in defaults.items() if value is not None)
    console.print(f"default: {shown}", style="dim", markup=False, highlight=False)


def _identity(details: TrialDetails) -> dict[str, Value]:
    trial, rate = details.trial, details.trial.freezing_rate
    return {
        "trial": f"{details.store.name}/{trial.name}",
        "status": f"{trial.status}{': ' if trial.reason else ''}{trial.reason}",
        "accuracy": f"{trial.accuracy:{trial.measure.spec}}{', at chance' * trial.at_chance}"
        if trial.rows
        else None,
        "test accuracy": None
        if details.test_accuracy is None
        else f"{details.test_accuracy:{trial.measure.spec}}",
        "configuration": f"{trial.configuration}{_role(trial)}",
        "seed": f"{trial.config.seed}, index {trial.seed_index}",
        "rate": None if rate is None else str(rate),
        "identity": trial.identity,
        "reused from": trial.reused_from or None,
        "MLflow run": details.run_id,
    }


def _role(trial: StudyTrial) -> str:
    """The part of its configuration in the study, after its number; mostly empty."""
    if trial.judges is not None:
        return f", trains the chosen configuration {trial.judges} on a fresh seed"
    return ", a baseline" if trial.baseline else ""


NAMES: Mapping[str, str] = {
    "train_loss": "train loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "accuracy",
    "learning_rate": "learning rate",
    "train_seconds": "seconds",
}
"""The metrics of an epoch of a trial on images, and the headings of their columns."""


def _epochs(trial: StudyTrial) -> tuple[Sequence[str], list[list[Value]]]:
    names = (
        NAMES if trial.config.trainer == IMAGES else {name: name.replace("_", " ") for name in _own(trial)}
    )
    last = len(trial.rows) - 1
    spread = {round(place * last / (MOST_EPOCHS - 2)) for place in range(MOST_EPOCHS - 1)}
    assert trial.best_row is not None
    best = trial.rows.index(trial.best_row)
    rows: list[list[Value]] = []
    for place in sorted(spread | {best}):
        row = trial.rows[place]
        value = f"{trial.value_in(row):{trial.measure.spec}}{'*' if place == best else ' '}"
        values: dict[str, Value] = {**values_of(row), trial.measure.name: value}
        rows.append([str(int(row["epoch"])), *(values.get(name) for name in names)])
    return ("epoch", *names.values()), rows


def _own(trial: StudyTrial) -> list[str]:
    """The metrics that a trainer of one's own has reported."""
    return list(dict.fromkeys(name for row in trial.rows for name in row if name != "epoch"))


def _layers(facts: TrialFacts) -> tuple[Sequence[str], list[list[Value]]]:
    """A row per layer. live: the kept weights on a path from the input to the output."""
    connected = facts.get("final_connectivity", facts["connectivity"])
    live = None if connected is None else connected["live_weights"]
    costs = facts["accounting"]["layers"]
    rows: list[list[Value]] = [
        [
            name,
            density,
            _count(None if live is None else live.get(name)),
            _count(costs[name]["inference"] if name in costs else None),
            _count(costs[name]["training"] if name in costs else None),
        ]
        for name, density in (facts["layer_densities"] or {}).items()
    ]
    heading = "live after training" if "final_connectivity" in facts else "live"
    return ("layer", "kept share", heading, "multiply-adds", "in training"), rows


def _solutions(manifest: SelectionManifest | None) -> list[tuple[str, Sequence[str], list[list[Value]]]]:
    """The tables of COPS: the quality of each solution, its controls, and the price of other levels."""
    if manifest is None or not manifest["solutions"]:
        return []
    solutions = manifest["solutions"]
    target, *controls = (how.get("name", score) for score, how in manifest["scores"].items())
    summary: list[list[Value]] = [
        [where, found["status"], found["value"], found["gap"], found["threshold"], found["shrunk"]]
        for where, found in solutions.items()
    ]
    controls_table: list[list[Value]] = [
        [where, control, *values]
        for where, found in solutions.items()
        for control, *values in zip(
            controls, found["levels"], found["controls"], found["slacks"], found["multipliers"], strict=True
        )
    ]
    price: list[list[Value]] = [
        [
            where,
            point["level"],
            point["target"],
            _some(point["controls"]),
            _some(point["multipliers"]),
            point["shrunk"],
        ]
        for where, points in manifest["price_of_control"].items()
        for point in points
    ]
    tables = [
        (f"selection by {target}", ("", "status", "value", "gap", "threshold", "shrunk"), summary),
        ("controls", ("", "score", "level", "value", "slack", "multiplier"), controls_table),
        ("price of control", ("", "level", target, "controls", "multipliers", "shrunk"), price),
    ]
    return [table for table in tables if table[2]]


def _both_connectivities(trial: StudyTrial) -> list[tuple[str, ConnectivityFacts | None]]:
    """That of the mask; if it has changed during the training, of the first and the last one; with titles."""
    if trial.facts is None or "final_connectivity" not in trial.facts:
        return [("connectivity", trial.connectivity)]
    moved = f"connectivity after the training: {trial.facts['grown_weights']:,} weights are new in the mask"
    return [
        ("connectivity before the training", trial.facts["connectivity"]),
        (moved, trial.facts["final_connectivity"]),
    ]


def _connectivity(facts: ConnectivityFacts | None) -> dict[str, Value]:
    if facts is None:
        return {}
    kept = f"{facts['kept']:,} of {facts['size']:,} weights"
    if facts["live"] is None:
        return {"kept": kept, "paths": f"unknown: {facts['unknown']}"}
    lists = {"empty layers": facts["empty_layers"], "dead layers": facts["dead_layers"] or []}
    return {
        "kept": f"{kept}, {facts['live']:,} of them on a path",
        "effective density": facts["effective_density"],
        "outputs": f"{facts['live_outputs']} of {facts['outputs']} are connected",
        "collapsed": "yes" if facts["collapsed"] else "no",
        **{name: ", ".join(found) for name, found in lists.items() if found},
    }


def _costs(facts: TrialFacts | None) -> dict[str, Value]:
    if facts is None:
        return {}
    found = facts["accounting"]
    training, dense_training = found["training_multiply_adds"], found["dense_training_multiply_adds"]
    inference, dense_inference = found["inference_multiply_adds"], found["dense_inference_multiply_adds"]
    return {
        "trained": f"{found['trained_parameters']:,} of {found['parameters']:,} parameters,"
        f" factor {found['factor']:.1f}",
        "stored": f"{found['artifact_bytes']:,} bytes for {found['dense_bytes']:,},"
        f" factor {found['bytes_factor']:.1f}",
        "mask": f"{found['mask_bytes']:,} bytes",
        "inference": f"{inference:,} multiply-adds an image, dense {dense_inference:,}",
        "training": f"{training:,} multiply-adds an image, dense {dense_training:,}",
        **_before_mask(facts),
    }


def _before_mask(facts: TrialFacts) -> dict[str, Value]:
    """What was trained before the mask was chosen, if anything was."""
    if "before_mask" not in facts:
        return {}
    found = facts["before_mask"]
    return {
        "before the mask": f"trainings {found['trainings']}, epochs {found['epochs']},"
        f" steps {found['steps']:,}, multiply-adds {found['multiply_adds']:,}, seconds {found['seconds']:.3g}"
    }


def _place(details: TrialDetails) -> dict[str, Value]:
    trial, facts = details.trial, details.trial.facts
    machine: Mapping[str, object] = {} if facts is None else facts["machine"]
    seconds = "" if trial.ended is None else f", {trial.ended - trial.started:.1f} s"
    versions = details.launch["versions"]
    phases = {} if facts is None else facts["seconds"]
    return {
        "node": " ".join(filter(None, [trial.node, "" if trial.placed is None else trial.placed["host"]]))
        or None,
        "machine": ", ".join(f"{name} {value}" for name, value in machine.items() if value != "") or None,
        "started": f"{when(trial.started)}{seconds}",
        "before training": ", ".join(f"{name} {value:.2g} s" for name, value in phases.items()) or None,
        "commit": details.launch["git_commit"] or None,
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()) or None,
        "plugins": ", ".join(f"{name} {sha[:12]}" for name, sha in trial.plugins.items()) or None,
    }


def _files(details: TrialDetails) -> dict[str, Value]:
    facts = details.trial.facts
    artifact, missing = details.trial.artifact, details.trial.artifact_missing
    network: str = details.network or f"none ({missing or 'none was written'})"
    if artifact and details.network is None:
        network = f"none ({artifact['file']} does not exist)"
    return {
        **{_words(name): None if facts is None else facts.get(name) for name in HASHES},
        "record": f"{details.store.path}/trials/{details.trial.name}.json",
        "network": network,
        "network sha256": artifact["sha256"] if artifact else None,
    }


def _words(name: Hash) -> str:
    """`final mask`."""
    return name.removesuffix("_sha256").replace("_", " ")


def _texts(values: Mapping[str, Any]) -> dict[str, Value]:
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    """The value of a field as text; controls as `snip 0.5, synflow 0.2`."""
    if isinstance(value, list):
        return ", ".join(_text(entry) for entry in value) or "none"
    if isinstance(value, Mapping):
        return " ".join(_text(entry) for entry in value.values())
    return str(value)


def _some(values: Sequence[float | None]) -> str:
    return ", ".join(_number(value) for value in values)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _number(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return "nan" if math.isnan(value) else f"{value:.4g}"


def _print_pairs(console: Console, title: str, pairs: Mapping[str, Value]) -> None:
    known = {name: value for name, value in pairs.items() if value is not None}
    if not known:
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in known.items():
        table.add_row(name, escape(_number(value)))
    _print_title(console, title)
    console.print(table, highlight=False)


def _print_table(
    console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[Value]]
) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_number(value)) for value in row))
    _print_title(console, title)
    console.print(table, highlight=False)


def _print_title(console: Console, title: str) -> None:
    if title:
        print_line(console, f"\n{title}", "italic")
