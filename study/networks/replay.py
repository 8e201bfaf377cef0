"""`cops replay`: runs a trial again from its MLflow run, without Ray, and compares the results."""

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
from cops_core.models.packages import PACKAGES, package_version
from cops_core.own_trial import start_trial
from study.console import print_line
from study.tracking import CONFIG_FILE, ReplayRecord, fetch, histories

# Exit codes: the results are the same, or different.
SAME, DIFFERENT = 0, 1
# A relative difference: another machine sums in another order, and training amplifies that.
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
    """Run a trial again for its recorded number of epochs, and print what is the same and what differs.

    Everything that it needs is in the MLflow run: configuration, versions, metrics.

    Args:
        run_id: The MLflow run of the trial.
        home: Of the study.
        tracking_uri: MLflow; None is the database of the home.
        data_root: The folder for downloads.
        extensions: Names and SHA-256 of the loaded plugins.
        console: Receives the comparison.

    Returns:
        0 if the masks are the same, and the metrics are the same bit for bit, or on another machine within a
        relative difference of 1e-3; else 1.

    Raises:
        InputError: There is no such run, it is not a trial's or has no epoch, its plugins are not loaded, the
            package of its network has another version, or the data differ.
    """
    record = _recorded(run_id, tracking_uri, home)
    _check_plugins(record["plugins"], extensions)
    _check_package(record)
    if not record["epochs"]:
        raise InputError(
            f"run {run_id} has no epoch ({record['status']}): write the run of a trial that was trained"
        )
    rerun = _run_again(record, data_root)
    logged = histories(run_id, rerun.metrics, tracking_uri, home)
    lines, same = _compare(record, rerun, logged)
    for line in lines:
        print_line(console, line)
    return SAME if same else DIFFERENT


@dataclass(frozen=True)
class Rerun:
    """The results of a trial that was run rerun.

    Attributes:
        rows: The metrics of each epoch.
        facts: Of the trial.
        machine: On which it ran now.
    """

    rows: list[MetricRow]
    facts: Facts
    machine: Machine

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics that are compared."""
        return sorted({name for row in self.rows for name in row if name not in NOT_COMPARED})


def _recorded(run_id: str, tracking_uri: str | None, home: Path) -> ReplayRecord:
    """The trial as the run records it."""
    content = fetch(run_id, CONFIG_FILE, tracking_uri, home)
    try:
        record = json.loads(content)
    except ValueError:
        record = {}
    if missing := {"config", "epochs", "plugins", "machine", "mask_sha256"} - set(record):
        raise InputError(
            f"the {CONFIG_FILE} of run {run_id} has no {', '.join(sorted(missing))}: write the run of a trial"
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


def _check_package(record: ReplayRecord) -> None:
    """Raise InputError if the package that has the trial's network has another version here."""
    package, slash, _ = str(record["config"].get("model", "")).partition("/")
    if slash and package in PACKAGES:
        recorded = record["versions"].get(package, "").partition("+")[0]
        if recorded and recorded != package_version(package):
            raise InputError(
                f"this trial used {package} {recorded}, and {package_version(package)} is installed:"
                f" install {package}=={recorded}"
            )


def _run_again(record: ReplayRecord, data_root: Path) -> Rerun:
    """Run the trial for its recorded number of epochs. Raises InputError if the data differ."""
    recorded = record["machine"]
    # A replay compares training and validation only. It is not another evaluation on the test images.
    config = parse_config({**record["config"], "test": False})
    device = "cuda" if recorded.get("device") == "cuda" and torch.cuda.is_available() else "cpu"
    with _threads(recorded.get("threads", torch.get_num_threads())):
        trial = start_trial(config, data_root=data_root, device=device, extensions=record["plugins"])
        data, expected = trial.facts["data_sha256"], record["data_sha256"] or "none"
        if data != expected:
            raise InputError(
                f"the data {config.dataset!r} are not those of the run (SHA-256 {data[:12]}, not"
                f" {expected[:12]}): write the right --data-root"
            )
        rows: list[MetricRow] = []
        while len(rows) < record["epochs"] and not trial.done:
            rows.append(trial.step().row())
        return Rerun(rows, trial.facts, machine(device))


def _compare(
    record: ReplayRecord, rerun: Rerun, logged: Mapping[str, Mapping[int, float]]
) -> tuple[list[str], bool]:
    """What is the same and what differs, a line each; and whether the trial is the same."""
    differences = {name: _difference(name, rerun.rows, logged[name]) for name in rerun.metrics}
    other_machine = _machine_lines(record["machine"], rerun.machine)
    lines = [_mask_line(record["mask_sha256"], rerun.facts["mask_sha256"])]
    same = rerun.facts["mask_sha256"] == record["mask_sha256"]
    if rerun.facts["theta0_sha256"] != record["theta0_sha256"]:
        lines.append("initial weights differ")
        same = False
    if "final_mask_sha256" in record:
        final = rerun.facts.get("final_mask_sha256")
        lines.append(f"after the training: {_mask_line(record['final_mask_sha256'], final)}")
        # On another machine rounding may grow another weight; the metrics then decide.
        same = same and (final == record["final_mask_sha256"] or bool(other_machine))
    if len(rerun.rows) != record["epochs"]:
        lines.append(f"the trial ended after {len(rerun.rows)} epochs, not {record['epochs']}")
        same = False
    lines.append(_metrics_line(differences, len(rerun.rows)))
    largest = max(differences.values())
    close = largest == 0 or (bool(other_machine) and largest <= TOLERANCE)
    return [*lines, *other_machine], same and close


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Use this number of threads on the CPU inside the `with` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _difference(name: str, rows: Sequence[MetricRow], logged: Mapping[int, float]) -> float:
    """The largest relative difference of a metric over the epochs; infinite if an epoch was not logged."""
    epochs = {row["epoch"]: values_of(row)[name] for row in rows if name in row}
    return max((_relative(value, logged.get(epoch)) for epoch, value in epochs.items()), default=0.0)


def _relative(value: float, logged: float | None) -> float:
    """The relative difference; 0 if both are the same number, or both are not finite (logged as NaN)."""
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


def _machine_lines(there: Mapping[str, object], here: Mapping[str, object]) -> list[str]:
    """How this machine differs from the recorded one, a line for each difference."""
    return [
        f"{name} differs: {here[name] or 'none'} here, {there[name] or 'none'} in the run"
        for name in here
        if name in there and there[name] != here[name]
    ]
