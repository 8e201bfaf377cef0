"""`cops check`: checks components by the contracts that the project's own components are tested by."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from cops_core.contracts.base import failures
from cops_core.contracts.data import DATA_CHECKS, DataSet
from cops_core.contracts.models import MODEL_CHECKS
from cops_core.contracts.scores import GPU_CHECKS, SCORE_CHECKS
from cops_core.contracts.trainers import trainer_failures
from cops_core.data import NOT_DOWNLOADED, is_available
from cops_core.facts import drawn_in_words
from cops_core.plugins import Plugin, find_plugins
from search_spaces import SEARCH_SPACES, find_space
from search_spaces.contract import SPACE_CHECKS, draws
from search_spaces.plugins import REGISTRIES, load_plugins
from study.console import print_line
from study.networks.trial_checks import TrialsCheck

# Exit codes: every contract is kept, or one is broken.
KEPT, BROKEN = 0, 1


def check_plugins(names: list[str], data_root: Path, console: Console) -> int:
    """Check the components of plugins.

    Args:
        names: Modules or Python files.
        data_root: The folder for downloads.
        console: Receives the table.

    Returns:
        The exit code.

    Raises:
        InputError: A plugin cannot be loaded.
    """
    loaded = load_plugins(find_plugins(names))
    asked = find_plugins(names, announced=False)
    components = [
        (attribute, name)
        for plugin in asked
        for attribute, brought in loaded[plugin.name].items()
        for name in brought
    ]
    return _check(components, data_root, console)


def check_space(reference: str, plugins: Sequence[Plugin], data_root: Path, console: Console) -> int:
    """Check a space by its contract, and what its configurations use: as `cops launch` does, but all of it.

    Args:
        reference: The name of a space, or the path of its file.
        plugins: The plugins that it needs, loaded.
        data_root: The folder for downloads.
        console: Receives the table.

    Returns:
        The exit code. An unusable score does not change it: its trials are infeasible.

    Raises:
        InputError: There is no such space, or its data cannot be loaded.
    """
    space = find_space(reference)
    rows: list[tuple[str, list[str], list[str]]] = [
        (f"space {space.name}", list(failures(SPACE_CHECKS, space)), [])
    ]
    torch.set_num_threads(1)
    configs = []
    with suppress(Exception):  # how it fails is in the space's own row
        for _, config in draws(space):
            configs.append(config)
    check = TrialsCheck(configs, plugins, data_root, console)
    for name, _, run in check.parts:
        with console.status(name):
            found = run()
        notes = [f"infeasible: {score['reason']}" for score in found.unusable]
        rows.append((name, found.failures, [*notes, drawn_in_words(found.drawn)] if found.drawn else notes))
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("checked", "result"):
        table.add_column(heading, overflow="fold")
    for name, broken, notes in rows:
        for line in broken or ["ok"]:
            table.add_row(name, line, style="red" if broken else None)
        for line in notes:
            table.add_row(name, line, style="yellow" if line.startswith("infeasible") else None)
    console.print(table, markup=False)
    return BROKEN if any(broken for _, broken, _ in rows) else KEPT


def check_all(data_root: Path, console: Console, *, with_data: bool) -> int:
    """Check all registered components, with those of installed plugins.

    Args:
        data_root: The folder for downloads.
        console: Receives the table.
        with_data: Check data sets too, which may download them.

    Returns:
        The exit code.
    """
    load_plugins(find_plugins())
    absent = {name for name in NOT_DOWNLOADED if with_data and not is_available(name, data_root)}
    components = [
        (attribute, name)
        for attribute, registry in REGISTRIES.items()
        for name in registry.components
        if attribute != "DATASETS" or (with_data and name not in absent)
    ]
    code = _check(components, data_root, console)
    for name in sorted(absent):
        print_line(console, f"{name} was not checked: its files are not in {data_root}")
    if not with_data:
        print_line(console, "data sets were not checked, since that may download them: cops check --data")
    return code


def _check(components: Iterable[tuple[str, str]], data_root: Path, console: Console) -> int:
    """Check the components and print the table. components: pairs of a registry's and a component's name."""
    # The networks are tiny: several threads would mostly wait for each other.
    torch.set_num_threads(1)
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("kind", "component", "result"):
        table.add_column(heading, overflow="fold")
    code = KEPT
    for attribute, name in components:
        kind = REGISTRIES[attribute].kind
        with console.status(f"{kind} {name}"):
            broken = list(CONTRACTS[attribute](name, data_root))
        if broken:
            code = BROKEN
        for line in broken or ["ok"]:
            table.add_row(kind, name, line, style="red" if broken else None)
    console.print(table, markup=False)
    return code


def _score_failures(name: str, data_root: Path) -> Iterator[str]:
    return failures(SCORE_CHECKS + (GPU_CHECKS if torch.cuda.is_available() else ()), name)


def _model_failures(name: str, data_root: Path) -> Iterator[str]:
    return failures(MODEL_CHECKS, name)


def _data_failures(name: str, data_root: Path) -> Iterator[str]:
    return failures(DATA_CHECKS, DataSet(name, data_root))


def _trainer_failures(name: str, data_root: Path) -> Iterator[str]:
    return trainer_failures(name)


def _space_failures(name: str, data_root: Path) -> Iterator[str]:
    return failures(SPACE_CHECKS, SEARCH_SPACES[name])


CONTRACTS: Mapping[str, Callable[[str, Path], Iterator[str]]] = {
    "SCORES": _score_failures,
    "MODELS": _model_failures,
    "DATASETS": _data_failures,
    "TRAINERS": _trainer_failures,
    "SEARCH_SPACES": _space_failures,
}
