"""Checks what a study is about to run, before its first trial and once per machine.

What was checked is remembered in the folder of the score cache, by a hash of all that the result depends on:
the code, torch, the plugins, the data, and what the configurations use of a network. Failures are not kept.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import torch
from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.contracts.base import failures
from cops_core.contracts.data import DATA_CHECKS, DataSet
from cops_core.contracts.network_use import NetworkUse, network_uses
from cops_core.contracts.scores import SCORE_CHECKS
from cops_core.contracts.trainers import check_trainer
from cops_core.contracts.trials import TrialChecks, check_network
from cops_core.data import load_data
from cops_core.errors import InputError
from cops_core.facts import DrawnWeights, UnusableScore, drawn_in_words
from cops_core.models.packages import package_extensions
from cops_core.plugins import Plugin
from cops_core.trainers import IMAGES, trainer_of
from cops_core.whole_file import write_whole
from search_spaces.plugins import load_plugins
from study.console import print_line
from study.provenance import code_sha256

FOLDER = "checks"


class TrialsCheck:
    """The check of some configurations: plugins' data sets and scores, and each network with scores and arms.

    Args:
        configs: The configurations.
        plugins: The plugins of the study.
        data_root: The folder for downloads.
        console: Receives a line before a check that takes seconds.

    Attributes:
        parts: A name, the content of the cache's key, and the check, for each part.
    """

    def __init__(
        self, configs: Iterable[TrialConfig], plugins: Sequence[Plugin], data_root: Path, console: Console
    ) -> None:
        self.root = data_root.expanduser()
        self.console = console
        self.extensions = {plugin.name: plugin.sha256 for plugin in plugins}
        self._added = {
            (attribute, name)
            for components in load_plugins(plugins).values()
            for attribute, names in components.items()
            for name in names
        }
        self.parts = list(self._parts(network_uses(configs)))

    def _parts(self, uses: list[NetworkUse]) -> Iterator[tuple[str, list[Any], Callable[[], TrialChecks]]]:
        datasets = dict.fromkeys(use.config.dataset for use in uses if use.config.trainer == IMAGES)
        scores = dict.fromkeys(str(score) for use in uses for score, _ in use.scores.values())
        for name in datasets:
            if ("DATASETS", name) in self._added:
                yield f"data set {name}", ["data", name, self._sha256(name)], lambda n=name: self._data(n)  # type: ignore[misc]
        for name in scores:
            if ("SCORES", name) in self._added:
                yield f"score {name}", ["score", name], lambda n=name: self._score(n)  # type: ignore[misc]
        for use in uses:
            if use.config.trainer != IMAGES:
                trainer = trainer_of(use.config.trainer, use.config.settings)
                key = ["trainer", use.key, use.config.settings, trainer.data_sha256()]
                yield f"trainer {use.config.trainer}", key, lambda u=use: check_trainer(u, self.extensions)  # type: ignore[misc]
                continue
            package = package_extensions(use.config.model)
            key = ["network", use.key, self._sha256(use.config.dataset), *([package] if package else [])]
            yield use.name, key, lambda u=use: self._network(u)  # type: ignore[misc]

    def _sha256(self, dataset: str) -> str:
        return load_data(dataset, self.root).sha256

    def _data(self, name: str) -> TrialChecks:
        found = failures(DATA_CHECKS, DataSet(name, self.root))
        return TrialChecks([f"data set {name!r}: {line}" for line in found])

    def _score(self, name: str) -> TrialChecks:
        return TrialChecks([f"score {name!r}: {line}" for line in failures(SCORE_CHECKS, name)])

    def _network(self, use: NetworkUse) -> TrialChecks:
        data = load_data(use.config.dataset, self.root)
        return check_network(use, data, self.extensions, lambda line: print_line(self.console, line))

    def is_added(self, model: str) -> bool:
        """Whether a network is a plugin's, its trainer's or another package's, not the project's own."""
        own = ("MODELS", model) in self._added or ("TRAINERS", model) in self._added
        return own or bool(package_extensions(model))

    def key(self, content: list[Any]) -> str:
        """The name under which a part's result is kept."""
        versions = [code_sha256(), torch.__version__, self.extensions]
        return hashlib.sha256(json.dumps([versions, content], sort_keys=True).encode()).hexdigest()


class PassedCheck(TypedDict):
    """What is remembered of a check that passed, see `TrialChecks`."""

    unusable: list[UnusableScore]
    drawn: DrawnWeights | None


@dataclass(frozen=True)
class CheckedTrials:
    """What the check of some configurations found; nothing is written yet.

    Attributes:
        unusable: The scores that cannot be computed for a network: their trials are infeasible.
        drawn: For each network of a plugin, its initial weights that the project draws.
        line: What was checked now, for a person; empty if all was known.
    """

    unusable: list[UnusableScore]
    drawn: list[DrawnWeights]
    line: str
    _new: Mapping[Path, PassedCheck]

    def keep(self) -> None:
        """Remember on this machine what passed."""
        for file, passed in self._new.items():
            with suppress(OSError):  # a full disk: it is checked again the next time
                file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file, json.dumps(passed).encode())


def check_trials(
    configs: Iterable[TrialConfig],
    plugins: Sequence[Plugin],
    data_root: Path,
    score_cache: Path,
    console: Console,
) -> CheckedTrials:
    """Check what some configurations use, as far as it is not known from an earlier check.

    Args:
        configs: The configurations.
        plugins: The plugins of the study.
        data_root: The folder for downloads.
        score_cache: The folder of the score cache.
        console: Shows what is being checked; before a check that takes seconds it receives a line.

    Returns:
        What was found.

    Raises:
        InputError: Something does not work; the message has a line for each problem.
    """
    started = time.monotonic()
    check = TrialsCheck(configs, plugins, data_root, console)
    unusable: list[UnusableScore] = []
    drawn: list[DrawnWeights] = []
    complaints: list[str] = []
    new: dict[Path, PassedCheck] = {}
    names = []
    for name, content, run in check.parts:
        file = score_cache / FOLDER / f"{check.key(content)}.json"
        known = _read(file)
        if known is None:
            with console.status(f"checking {name}"):
                found = run()
            complaints += found.failures
            known = new[file] = PassedCheck(unusable=found.unusable, drawn=found.drawn)
            names.append(name)
        unusable += known["unusable"]
        if known["drawn"] is not None and check.is_added(known["drawn"]["model"]):
            drawn.append(known["drawn"])
    if complaints:
        raise InputError("\n".join(dict.fromkeys(complaints)))
    seconds = time.monotonic() - started
    line = f"checked before the first trial: {', '.join(names)} ({seconds:.1f} s)" if names else ""
    return CheckedTrials(unusable, drawn, line, new)


def because(found: UnusableScore) -> str:
    """Why trials with a score are infeasible, in one line.

    Args:
        found: The score.

    Returns:
        The network, its data and the reason.
    """
    return f"{_subject(found)}: {found['reason']}"


def initial_weights(found: DrawnWeights) -> str:
    """Which initial weights of a network the project draws, in one line.

    Args:
        found: Of the network.

    Returns:
        The network, its data, and what is drawn.
    """
    return f"{_subject(found)}: {drawn_in_words(found)}"


def _subject(found: UnusableScore | DrawnWeights) -> str:
    """The network and its data; a trainer of one's own has one name for both."""
    model, dataset = found["model"], found["dataset"]
    return model if model == dataset else f"{model} on {dataset}"


def _read(file: Path) -> PassedCheck | None:
    """What an earlier check found; None if there was none, or if its file is damaged."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return cast(PassedCheck, found) if isinstance(found, dict) else None
