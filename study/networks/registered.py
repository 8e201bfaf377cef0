"""What networks, data sets and scores there are, as tables: each from its registry, in its own words."""

from pathlib import Path

from rich.table import Table

from cops_core.data import DATASETS, NOT_DOWNLOADED, is_available
from cops_core.errors import InputError, unknown
from cops_core.models import MODELS
from cops_core.models.packages import PACKAGES, package_names
from cops_core.scores import SCORES


def model_table(beginning: str = "") -> Table:
    """The networks.

    Args:
        beginning: How their names begin; with a package and a slash, the networks of that package. Without
            it, packages are a line each.

    Returns:
        A row for each.

    Raises:
        InputError: No name begins so, or the package is not installed.
    """
    package, slash, _ = beginning.partition("/")
    of_package = bool(slash) and package in PACKAGES
    table = _table("model", *([] if of_package else ["what it is"]))
    if of_package:
        for name in sorted(f"{package}/{own}" for own in package_names(package)):
            if name.startswith(beginning):
                table.add_row(name)
    else:
        for name, build in MODELS.items():
            if name.startswith(beginning):
                table.add_row(name, _sentence(build))
    if not table.row_count:
        raise InputError(unknown("model", beginning, [*MODELS, *(f"{name}/" for name in PACKAGES)]))
    for name in () if beginning else PACKAGES:
        table.add_row(f"{name}/...", _package_line(name))
    return table


def _package_line(package: str) -> str:
    try:
        return f"{len(package_names(package)):,} networks of {package}: cops models {package}/ lists them"
    except InputError as error:
        return str(error)


def dataset_table(root: Path) -> Table:
    """The data sets, and whether they can be loaded.

    Args:
        root: The folder for downloads.

    Returns:
        A row for each.
    """
    table = _table("data set", "files", "what it is")
    for name, load in DATASETS.items():
        absent = "to be copied there" if name in NOT_DOWNLOADED else "to be downloaded"
        table.add_row(name, "available" if is_available(name, root) else absent, _sentence(load))
    return table


def score_table() -> Table:
    """The scores, what each needs, and its published number of rounds."""
    table = _table("score", "reads images", "second derivatives", "may be negative", "precision", "rounds")
    for name, score in SCORES.items():
        traits = score.traits
        needs = (traits.needs_data, traits.needs_second_derivative, traits.signed)
        precision = "float64" if traits.precision == "float64" else "the network's"
        rounds = str(score.published_rounds)
        table.add_row(name, *("yes" if need else "no" for need in needs), precision, rounds)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _sentence(component: object) -> str:
    """The first line of a component's docstring; empty without one."""
    return (getattr(component, "__doc__", None) or "").strip().split("\n")[0]
