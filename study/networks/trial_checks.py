"""Checks the networks, scores and arms of a study before its first trial, once per machine.

What the checks found is kept in the folder of the score cache, by a hash of all that it depends on: the code,
torch, the data, the plugins, and what the configurations use of a network. Failures are not kept.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import torch
from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.contracts.trials import NetworkUse, check_network, network_uses
from cops_core.data import ImageData
from cops_core.errors import InputError
from cops_core.facts import UnusableScore
from cops_core.whole_file import write_whole
from study.console import print_line
from study.provenance import code_sha256

FOLDER = "checks"


def check_trials(
    configs: Iterable[TrialConfig],
    data: Callable[[str], ImageData],
    extensions: Mapping[str, str],
    score_cache: Path,
    console: Console,
) -> list[UnusableScore]:
    """Check what some configurations use, as far as it is not known from an earlier check.

    Args:
        configs: The configurations.
        data: Loads a data set by name.
        extensions: Names and SHA-256 of plugins.
        score_cache: The folder of the score cache.
        console: Receives one line if something was checked, and one line per unusable score.

    Returns:
        The scores that cannot be computed for a network: their trials are infeasible.

    Raises:
        InputError: A network, its data or an arm does not work; the message has a line for each problem.
    """
    unusable: list[UnusableScore] = []
    failures: list[str] = []
    new: dict[Path, list[UnusableScore]] = {}
    started = time.monotonic()
    uses = network_uses(configs)
    for use in uses:
        images = data(use.config.dataset)
        file = score_cache / FOLDER / f"{_key(use, images.sha256, extensions)}.json"
        known = _read(file)
        if known is None:
            with console.status(f"checking {use.name}"):
                checks = check_network(use, images, extensions)
            failures += checks.failures
            known = new[file] = checks.unusable
        unusable += known
    if failures:
        raise InputError("\n".join(dict.fromkeys(failures)))
    for file, found in new.items():
        with suppress(OSError):  # a full disk: it is checked again the next time
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, json.dumps(found).encode())
    if new:
        names = ", ".join(use.name for use in uses)
        print_line(console, f"checked {names}: scores, arms, resuming ({time.monotonic() - started:.1f} s)")
    for score in unusable:
        print_line(console, f"{because(score)}; its trials are recorded as infeasible, without training")
    return unusable


def because(found: UnusableScore) -> str:
    """Why trials with a score are infeasible, in one line."""
    return f"{found['model']} on {found['dataset']}: {found['reason']}"


def _key(use: NetworkUse, data_sha256: str, extensions: Mapping[str, str]) -> str:
    content = [code_sha256(), torch.__version__, data_sha256, dict(extensions), use.key]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(file: Path) -> list[UnusableScore] | None:
    """What an earlier check found; None if there was none, or if its file is damaged."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return cast(list[UnusableScore], found) if isinstance(found, list) else None
