"""Which code does a plugin run beside its own file? What it imports, found without running it.

Modules outside of installed distributions count by their content, with everything that they import in turn;
distributions count by their version. Not followed are Python's library, this project, and what this project
itself requires: a study is compared and resumed across their versions, and records name them.
"""

import ast
import hashlib
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path

PROJECT = "cops-study"
PACKAGES = ("cops_core", "search_spaces", "study")
INSTALLED_FOLDERS = ("site-packages", "dist-packages")
# Functions that import the module that their first argument names.
IMPORTING = ("import_module", "__import__")


def imported_code(sources: Iterable[bytes], package: str = "", own: str = "") -> dict[str, str]:
    """The code that some source texts import from elsewhere, directly or not.

    Args:
        sources: The texts.
        package: The package to which relative imports of the texts refer.
        own: A package whose modules are left out, with all that is in it.

    Returns:
        By module name, the SHA-256 of its file; by distribution name, its version.
    """
    found: dict[str, str] = {}
    waiting = [(package, text) for text in sources]
    while waiting:
        package, text = waiting.pop()
        for name in imports_of(text, package):
            for spec in _specs(name):
                if spec.name in found or (own and f"{spec.name}.".startswith(f"{own}.")):
                    continue
                by = _installed_by(spec)
                if by is not None:
                    found |= {each: version(each) for each in by}
                    break
                file = Path(spec.origin or "")
                if not file.is_file():  # a folder without __init__.py
                    continue
                content = file.read_bytes()
                found[spec.name] = hashlib.sha256(content).hexdigest()
                if file.suffix == ".py":
                    within = spec.submodule_search_locations is not None
                    waiting.append((spec.name if within else spec.name.rpartition(".")[0], content))
    return dict(sorted(found.items()))


def imports_of(text: bytes, package: str = "") -> Iterator[str]:
    """The names of modules that a source text may import, also in functions; the last part may be no module.

    Args:
        text: The source; one that is no Python has no imports.
        package: To which its relative imports refer.

    Yields:
        Absolute names.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*parents, *([node.module] if node.module else [])])
                yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(module)), *_]
            ) if name in IMPORTING:
                yield module


def is_followed(name: str) -> bool:
    """Whether a module's file counts: it is neither Python's, nor this project's, nor a distribution's."""
    specs = (spec for spec in _specs(name) if spec.name == name)
    return any(Path(spec.origin or "").is_file() and _installed_by(spec) is None for spec in specs)


def _specs(name: str) -> Iterator[ModuleSpec]:
    """The modules that importing `name` runs: its parents, then itself, as far as they exist."""
    top, *rest = name.split(".")
    if top in sys.stdlib_module_names or top in sys.builtin_module_names or top in PACKAGES or not top:
        return
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return
    for part in [*rest, ""]:
        if spec is None:
            return
        yield spec
        if not part or spec.submodule_search_locations is None:
            return
        if part == "*":
            yield from _all_modules(spec)
            return
        spec = _within(spec, part)


def _within(package: ModuleSpec, part: str) -> ModuleSpec | None:
    """A module of a package, which is not imported for it."""
    name, folders = f"{package.name}.{part}", list(package.submodule_search_locations or ())
    try:
        return PathFinder.find_spec(name, folders)
    except KeyError:  # a folder without __init__.py, whose parent Python expects to be imported
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(Path(folder) / part) for folder in folders]
        return spec


def _all_modules(spec: ModuleSpec) -> Iterator[ModuleSpec]:
    """The modules directly in a package: `from package import *` may import each of them."""
    folders = list(spec.submodule_search_locations or ())
    for stem in sorted({file.stem for folder in folders for file in Path(folder).glob("*.py")}):
        within = _within(spec, stem)
        if within is not None and stem != "__init__":
            yield within


def _installed_by(spec: ModuleSpec) -> tuple[str, ...] | None:
    """The distributions whose version stands for a module, none if the project requires it.

    None: the file is outside of all distributions. So is one that is installed as editable: its code changes,
    and its version does not.
    """
    places = [spec.origin, *(spec.submodule_search_locations or ())]
    if not any(_is_installed(Path(place)) for place in places if place):
        return None
    top = spec.name.partition(".")[0]
    if _normal(top) in _required():
        return ()
    by = sorted(set(packages_distributions().get(top, ())))
    return tuple(each for each in by if _normal(each) not in _required()) if by else None


def _is_installed(place: Path) -> bool:
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    return any(place.is_relative_to(folder) for folder in folders) or bool(
        set(INSTALLED_FOLDERS) & set(place.parts)
    )


def _normal(name: str) -> str:
    """A distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _required() -> frozenset[str]:
    """The names of the distributions that this project requires."""
    try:
        lines = requires(PROJECT) or []
    except PackageNotFoundError:
        lines = []
    return frozenset(_normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in lines)
