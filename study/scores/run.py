"""`cops scores`: computes scores, compares them, writes tables and figures, prints the tables."""

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from cops_core.cache import ScoreCache
from cops_core.placement import find_device
from cops_core.whole_file import write_whole
from study.console import print_line
from study.provenance import git_commit, versions
from study.run.preflight import check_home, check_score_cache
from study.scores.compare import ScoreComparison, compare
from study.scores.compute import score_network
from study.scores.figures import score_figures
from study.scores.question import ScoreStudy
from study.scores.show import show_comparison
from study.scores.tables import score_tables

MANIFEST = "manifest.json"


def run_scores(
    study: ScoreStudy,
    *,
    home: Path,
    data_root: Path,
    device: str,
    score_cache: Path,
    extensions: Mapping[str, str],
    console: Console,
) -> Path:
    """Run a score study.

    Args:
        study: What is compared.
        home: The folder in which the results are written.
        data_root: The folder of the data sets.
        device: As torch names it.
        score_cache: The folder of scores that were computed before.
        extensions: Names and hashes of the plugins in use.
        console: Where the tables are printed.

    Returns:
        The folder of its tables and figures.

    Raises:
        InputError: A folder, the device, the data or a density cannot be used. Nothing has been computed
            then.
    """
    check_home(home)
    check_score_cache(score_cache.expanduser())
    find_device(device)
    clock = [time.perf_counter()]
    with console.status(f"scoring {study.title}"):
        network = score_network(
            study,
            data_root=data_root.expanduser(),
            device=device,
            cache=ScoreCache(score_cache.expanduser()),
            extensions=extensions,
        )
        clock.append(time.perf_counter())
    with console.status(f"comparing {len(study.scores)} scores of {network.origin['weights']:,} weights"):
        comparison = compare(study, network)
        clock.append(time.perf_counter())
        files = {**score_tables(comparison), **score_figures(comparison)}
    seconds = {"scoring": clock[1] - clock[0], "comparing": clock[2] - clock[1]}
    folder = home / "scores" / study.name
    write_files(folder, files, {**_manifest(study, comparison), **network.origin, "seconds": seconds})
    print_line(console, f"{study.title}: {network.origin['weights']:,} weights")
    console.print()
    show_comparison(console, comparison)
    print_line(console, f"tables and figures in {folder}")
    return folder


def write_files(folder: Path, files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """Write all files, each completely or not at all; last the manifest, which has their hashes.

    If a folder has no manifest, the command was interrupted. Other files in the folder are not changed.

    Args:
        folder: Created if it does not exist.
        files: The files by name.
        manifest: The other content of the manifest, as JSON values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    last = json.dumps({**manifest, "files": hashes}, indent=1, allow_nan=False)
    for name, content in {**files, MANIFEST: last.encode()}.items():
        write_whole(folder / name, content)


def _manifest(study: ScoreStudy, comparison: ScoreComparison) -> dict[str, Any]:
    """The question and the hashes of the masks, as JSON values."""
    trial = study.trial
    return {
        "model": trial.model,
        "dataset": trial.dataset,
        "seed": trial.seed,
        "initialization": trial.initialization,
        "validation_fraction": str(trial.validation_fraction),
        "densities": [str(density) for density in study.densities],
        "kappas": [at.kappa for at in comparison.densities],
        "masks": {
            str(at.density): dict(zip(study.scores, at.hashes, strict=True)) for at in comparison.densities
        },
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git_commit(),
        "versions": versions(),
    }
