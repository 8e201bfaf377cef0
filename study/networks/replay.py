"""`cops replay`: a trial of MLflow run again outside Ray, and held against what was logged."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from rich.console import Console

from cops_core.config import parse_config
from cops_core.errors import InputError
from cops_core.facts import Facts, Machine, MetricRow, values_of
from cops_core.machine import machine
from cops_core.trial import Trial
from study.console import print_line
from study.tracking import CONFIG_FILE, ReplayRecord, fetch, histories

# Exit codes: the same trial; another one.
SAME, OTHER = 0, 1
# Sums in another order differ in their last bits, which training makes larger.
TOLERANCE = 1e-3
NOT_COMPARED = ("epoch", "train_seconds")


def replay(
    run_id: str,
    *,
    home: Path,
    tracking_uri: str | None,
    data_root: Path,
    extensions: Mapping[str, str],
    console: Console,
) -> int:
    """Run the trial of a run again, for as many epochs, and print what is the same and what is not.

    All that it needs is the run's: its configuration, what it was made with, its metrics. tracking_uri:
    None is the database of the home. extensions: names and SHA-256 of the loaded plugins.

    Returns 0 if the mask is the same one, and the metrics are the same bit for bit, or on another
    machine within a relative difference of 1e-3; else 1.

    Raises InputError in one line if there is no such run, if it is no trial's or has no epoch, if its
    plugins are not loaded, or if the data is not the same.
    """
    record = _recorded(run_id, tracking_uri, home)
    _check_plugins(record["plugins"], extensions)
    if not record["epochs"]:
        raise InputError(
            f"run {run_id} has no epoch ({record['status']}): name a run of a trial that trained"
        )
    again = _run_again(record, data_root)
    logged = histories(run_id, again.metrics, tracking_uri, home)
    lines, same = _findings(record, again, logged)
    for line in lines:
        print_line(console, line)
    return SAME if same else OTHER


@dataclass(frozen=True)
class Again:
    """A trial that was run again: the metrics of its epochs, its facts, and the machine, as it was then."""

    rows: list[MetricRow]
    facts: Facts
    machine: Machine

    @property
    def metrics(self) -> list[str]:
        """The names of what is compared."""
        return sorted({name for row in self.rows for name in row if name not in NOT_COMPARED})


def _recorded(run_id: str, tracking_uri: str | None, home: Path) -> ReplayRecord:
    """What the run says about its trial."""
    content = fetch(run_id, CONFIG_FILE, tracking_uri, home)
    try:
        record = json.loads(content)
    except ValueError:
        record = {}
    if missing := {"config", "epochs", "plugins", "machine", "mask_sha256"} - set(record):
        raise InputError(
            f"the {CONFIG_FILE} of run {run_id} has no {', '.join(sorted(missing))}: name a trial's run"
        )
    return cast(ReplayRecord, record)


def _check_plugins(needed: Mapping[str, str], loaded: Mapping[str, str]) -> None:
    missing = [name for name in needed if name not in loaded]
    if missing:
        flags = " ".join(f"--plugin {name}" for name in missing)
        raise InputError(f"this trial used plugins: add {flags}")
    for name, sha256 in needed.items():
        if loaded[name] != sha256:
            raise InputError(
                f"this trial used another version of the plugin {name!r} (SHA-256 {sha256[:12]}, not"
                f" {loaded[name][:12]}): load that one with --plugin"
            )


def _run_again(record: ReplayRecord, data_root: Path) -> Again:
    """The trial, for as many epochs as are recorded. InputError if the data is not the same."""
    there = record["machine"]
    # A replay compares training and validation: it is no further look at the test part.
    config = parse_config({**record["config"], "test": False})
    device = "cuda" if there.get("device") == "cuda" and torch.cuda.is_available() else "cpu"
    with _threads(there.get("threads", torch.get_num_threads())):
        trial = Trial(config, data_root=data_root, device=device, extensions=record["plugins"])
        data, expected = trial.facts["data_sha256"], record["data_sha256"] or "none"
        if data != expected:
            raise InputError(
                f"the data {config.dataset!r} is not what it was (SHA-256 {data[:12]}, not {expected[:12]}):"
                " name the right --data-root"
            )
        rows: list[MetricRow] = []
        while len(rows) < record["epochs"] and not trial.done:
            rows.append(trial.step().row())
        return Again(rows, trial.facts, machine(device))


def _findings(
    record: ReplayRecord, again: Again, logged: Mapping[str, Mapping[int, float]]
) -> tuple[list[str], bool]:
    """What is the same and what is not, a line each; and whether it is the same trial."""
    differences = {name: _difference(name, again.rows, logged[name]) for name in again.metrics}
    elsewhere = _elsewhere(record["machine"], again.machine)
    lines = [_mask_line(record["mask_sha256"], again.facts["mask_sha256"])]
    same = again.facts["mask_sha256"] == record["mask_sha256"]
    if again.facts["theta0_sha256"] != record["theta0_sha256"]:
        lines.append("initial weights differ")
        same = False
    if len(again.rows) != record["epochs"]:
        lines.append(f"it ended after {len(again.rows)} epochs, not {record['epochs']}")
        same = False
    lines.append(_metrics_line(differences, len(again.rows)))
    largest = max(differences.values())
    close = largest == 0 or (bool(elsewhere) and largest <= TOLERANCE)
    return [*lines, *elsewhere], same and close


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads for an operation on the CPU, meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _difference(name: str, rows: Sequence[MetricRow], logged: Mapping[int, float]) -> float:
    """The largest relative difference of a metric over the epochs; infinite where it was not logged."""
    epochs = {row["epoch"]: values_of(row)[name] for row in rows if name in row}
    return max((_relative(value, logged.get(epoch)) for epoch, value in epochs.items()), default=0.0)


def _relative(value: float, logged: float | None) -> float:
    """0 where both are the same number, or both are none; what is not finite was logged as NaN."""
    if logged is None:
        return math.inf
    if math.isfinite(value) != math.isfinite(logged):
        return math.inf
    if not math.isfinite(value) or value == logged:
        return 0.0
    return abs(value - logged) / max(abs(value), abs(logged))


def _mask_line(logged: str | None, replayed: str | None) -> str:
    if logged == replayed:
        return "no mask: the dense network" if logged is None else f"mask identical ({logged[:12]})"
    return f"mask differs: {(replayed or 'none')[:12]}, not {(logged or 'none')[:12]}"


def _metrics_line(differences: Mapping[str, float], epochs: int) -> str:
    other = {name: size for name, size in differences.items() if size > 0}
    if not other:
        return f"metrics identical bit for bit: {len(differences)} in each of {epochs} epochs"
    sizes = ", ".join(f"{name} by {size:.2g}" for name, size in sorted(other.items(), key=lambda o: -o[1]))
    return f"metrics differ, relatively at most: {sizes}"


def _elsewhere(there: Mapping[str, object], here: Mapping[str, object]) -> list[str]:
    """What is other about this machine, a line each."""
    return [
        f"another {name}: {here[name] or 'none'} here, {there[name] or 'none'} there"
        for name in here
        if name in there and there[name] != here[name]
    ]
