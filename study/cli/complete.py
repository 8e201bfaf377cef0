"""Completions for a shell, within a fraction of a second: nothing here imports torch, Ray or Optuna.

Names come from the registries, which are literal: their files are parsed, not run. Names that plugins add are
not completed.
"""

import ast
import os
from collections.abc import Callable
from pathlib import Path

import typer

from study.arguments import SETTINGS

ROOT = Path(__file__).parents[2]
HOME = Path(str(SETTINGS["home"].value))


def names_in(file: str, registry: str) -> list[str]:
    """The names in a literal dict, tuple or `Literal`.

    Args:
        file: A module, relative to the project's root.
        registry: The variable that the module assigns.

    Raises:
        LookupError: The module does not assign it.
    """
    for statement in ast.parse((ROOT / file).read_text()).body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name == registry:
                return _literals(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == registry:
                return _literals(value)
    raise LookupError(f"{file} assigns no {registry}")


def _literals(value: ast.expr) -> list[str]:
    """The strings in a literal; of a dict, its keys."""
    match value:
        case ast.Dict(keys=parts) | ast.Tuple(elts=parts) | ast.Subscript(slice=ast.Tuple(elts=parts)):
            return [str(part.value) for part in parts if isinstance(part, ast.Constant)]
    return []


def registered(file: str, registry: str) -> Callable[[], list[str]]:
    """A function that completes the names of a registry (see `names_in`)."""
    return lambda: names_in(file, registry)


scores = registered("cops_core/scores/__init__.py", "SCORES")
conventions = registered("cops_core/scores/conventions.py", "CONVENTIONS")
models = registered("cops_core/models/__init__.py", "MODELS")
datasets = registered("cops_core/data/__init__.py", "DATASETS")
initializations = registered("cops_core/initialization.py", "INITIALIZATIONS")
experiments = registered("study/papers/experiments/__init__.py", "EXPERIMENTS")
formats = registered("study/exchange/export.py", "FORMATS")
devices = registered("cops_core/placement.py", "DEVICES")
presets = registered("search_spaces/presets/__init__.py", "PRESETS")


def spaces(incomplete: str) -> list[str]:
    """The project's spaces, and Python files. The shell itself completes folders."""
    files = sorted(Path().glob(f"{incomplete}*.py")) if incomplete and ".." not in incomplete else []
    return [*names_in("search_spaces/__init__.py", "SEARCH_SPACES"), *map(str, files)]


def studies(ctx: typer.Context) -> list[str]:
    """The names of the studies in the home, or in the storage if it is a folder."""
    home = Path(ctx.params.get("home") or os.environ.get("COPS_HOME") or HOME)
    storage = ctx.params.get("storage") or os.environ.get("COPS_STORAGE") or str(home / "studies")
    if "://" in storage:
        return []
    try:
        return sorted(path.parent.name for path in Path(storage).expanduser().glob("*/study.json"))
    except OSError:
        return []
