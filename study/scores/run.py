"""`cops scores`: compute the scores, compare them, write tables and figures, show the tables."""

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
from study.scores.compare import Comparison, compare
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
    """Answer a score study, and return the folder of its tables and figures.

    score_cache: the folder of scores that were computed once. extensions: the plugins in use.
    Raises InputError, before anything is computed, for what is not there or does not fit.
    """
    check_home(home)
    check_score_cache(score_cache.expanduser())
    find_device(device)
    clock = [time.perf_counter()]
    with console.status(f"scoring {study.title}"):
        scored = score_network(
            study,
            data_root=data_root.expanduser(),
            device=device,
            cache=ScoreCache(score_cache.expanduser()),
            extensions=extensions,
        )
        clock.append(time.perf_counter())
    with console.status(f"comparing {len(study.scores)} scores of {scored.origin['weights']:,} weights"):
        comparison = compare(study, scored)
        clock.append(time.perf_counter())
        files = {**score_tables(comparison), **score_figures(comparison)}
    seconds = {"scoring": clock[1] - clock[0], "comparing": clock[2] - clock[1]}
    folder = home / "scores" / study.name
    write_files(folder, files, {**_manifest(study, comparison), **scored.origin, "seconds": seconds})
    print_line(console, f"{study.title}: {scored.origin['weights']:,} weights")
    console.print()
    show_comparison(console, comparison)
    print_line(console, f"tables and figures in {folder}")
    return folder


def write_files(folder: Path, files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """Write all files, each whole or not at all, and last the manifest, which lists their hashes.

    A folder without a manifest was interrupted. Other files in it are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    last = json.dumps({**manifest, "files": hashes}, indent=1, allow_nan=False)
    for name, content in {**files, MANIFEST: last.encode()}.items():
        write_whole(folder / name, content)


def _manifest(study: ScoreStudy, comparison: Comparison) -> dict[str, Any]:
    """What was asked, and the masks that it gave, as JSON values."""
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
