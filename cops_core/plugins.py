"""Plugins: scores, models, data sets, trainers and search spaces of a user, with the project unchanged.

A plugin is a Python module or a single .py file. It defines some of the dicts `SCORES`, `MODELS`,
`DATASETS`, `TRAINERS` and `SEARCH_SPACES`: its components by name, as in the project's registries.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.abc import ExecutionLoader
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from cops_core.data import DATASETS
from cops_core.errors import InputError, did_you_mean, listed, near_path, nearest
from cops_core.generators import seeded_generators
from cops_core.imported_code import imported_code, is_followed
from cops_core.models import MODELS
from cops_core.scores import SCORES, Score
from cops_core.trainers import TRAINERS
from cops_core.trainers import complaint as trainer_complaint

# Installed distributions announce their plugins by entry points of this group; the value is a module.
ENTRY_POINTS = "cops_study.plugins"


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found, not yet loaded.

    Attributes:
        name: The module's name, or the file's without its suffix.
        sha256: Of the file, or of all .py files of a package, and of the code that it imports from elsewhere
            (see `cops_core.imported_code`).
        source: A file's text, from which machines without the file load it; None for an installed module.
    """

    name: str
    sha256: str
    source: str | None = None


@dataclass(frozen=True)
class Registry:
    """A registry that plugins add to.

    Attributes:
        kind: What the components are, for messages, e.g. "score".
        components: The components by name.
        complaint: Returns what is wrong with (name, component), or an empty text.
    """

    kind: str
    components: dict[str, Any]
    complaint: Callable[[str, object], str]


def find_plugins(names: Iterable[str] = (), *, announced: bool = True) -> tuple[Plugin, ...]:
    """The plugins that installed distributions announce, then the named ones, each once.

    Args:
        names: Modules (`my_scores`, `package.module`), or paths of .py files. `my_scores` also means the file
            my_scores.py of the working directory, if no installed module has this name.
        announced: Whether to include the plugins that installed distributions announce.

    Returns:
        The plugins, not yet loaded.

    Raises:
        InputError: A plugin does not exist, cannot be read, or has the name of another one.
    """
    found: dict[str, Plugin] = {}
    modules = sorted(entry.module for entry in entry_points(group=ENTRY_POINTS)) if announced else ()
    for name in (*modules, *names):
        plugin = _find(name)
        if found.setdefault(plugin.name, plugin) != plugin:
            raise InputError(f"two plugins have the name {plugin.name!r}: rename one of the files")
    return tuple(found.values())


def load_plugin(plugin: Plugin, registries: Mapping[str, Registry]) -> dict[str, tuple[str, ...]]:
    """Run a plugin and add its components to the registries, all or none. A second call changes nothing.

    Args:
        plugin: The plugin.
        registries: The names of the dicts that a plugin may define, and the registry of each.

    Returns:
        {name of its dict: names of its components}.

    Raises:
        InputError: The plugin cannot be imported, defines none of the dicts, or has a component of a wrong
            type or with a name that already exists.
    """
    module = _module(plugin)
    added = {}
    for name in vars(module):
        meant = nearest(name, registries) if name.isupper() and name not in registries else None
        if meant is not None and meant not in vars(module) and isinstance(getattr(module, name), Mapping):
            raise InputError(f"plugin {plugin.name!r}: unknown dict {name!r}: did you mean {meant!r}?")
    for attribute, registry in registries.items():
        components = getattr(module, attribute, {})
        if complaint := _complaint(attribute, components, registry):
            raise InputError(f"plugin {plugin.name!r}: {complaint}")
        added[attribute] = dict(components)
    if not any(added.values()):
        raise InputError(
            f"plugin {plugin.name!r} registers nothing: define one of the dicts {', '.join(registries)}"
        )
    for attribute, components in added.items():
        registries[attribute].components.update(components)
    return {attribute: tuple(components) for attribute, components in added.items() if components}


def _find(name: str) -> Plugin:
    """The plugin that `name` means."""
    if name.endswith(".py") or "/" in name:
        return _file(Path(name))
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            f"plugin {name!r} is not a module name: write e.g. my_scores, or the path of a .py file"
        )
    spec = _spec(name)
    # `python -m` has the working directory on its path, a console script does not.
    here = Path(f"{name}.py")
    if here.is_file() and (spec is None or Path(spec.origin or "").resolve() == here.resolve()):
        return _file(here)
    if spec is None:
        advice = ": write the name of an installed module, or the path of a .py file"
        raise InputError(f"plugin {name!r} does not exist{_near_plugin(name) or advice}")
    sha256, code = _module_code(spec)
    _check_unchanged(name, code)
    return Plugin(name, sha256)


def _near_plugin(name: str) -> str:
    """A suggestion: one of the working directory's files or of the announced plugins."""
    here = (path.stem for path in Path().glob("*.py"))
    return did_you_mean(name, (*here, *(entry.module for entry in entry_points(group=ENTRY_POINTS))))


def _file(path: Path) -> Plugin:
    if not (path.suffix == ".py" and path.stem.isidentifier()):
        raise InputError(f"plugin {str(path)!r} is not a module: write a name such as my_scores.py")
    try:
        source = path.read_bytes()
        sha256, code = _file_code(source)
        _check_unchanged(path.stem, code)
        return Plugin(path.stem, sha256, source.decode())
    except (OSError, UnicodeDecodeError) as error:
        advice = ("" if path.exists() else near_path(path)) or ": write the path of a .py file"
        raise InputError(f"plugin {str(path)!r} cannot be read ({type(error).__name__}){advice}") from error


def _spec(name: str) -> ModuleSpec | None:
    """From where Python would import `name`; None if it does not exist. Imports its parent packages."""
    try:
        return find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise _failed(name, error) from error
    except Exception as error:
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> InputError:
    words = " ".join(str(error).split())
    return InputError(f"plugin {name!r} cannot be imported: {type(error).__name__}: {words}")


# The code that this process has imported, by module name: Python does not import it again after a change.
_RUN: dict[str, str] = {}


def _file_code(source: bytes) -> tuple[str, dict[str, str]]:
    """A plugin's SHA-256 from its text, and the code that it imports."""
    found = imported_code([source])
    return _with_imports(hashlib.sha256(source).hexdigest(), found), found


def _module_code(spec: ModuleSpec) -> tuple[str, dict[str, str]]:
    """A plugin's SHA-256 from its module, and the code that counts: its own, and what it imports."""
    own, locations = _sha256(spec), spec.submodule_search_locations
    files = [file for folder in locations or () for file in sorted(Path(folder).rglob("*.py"))]
    if locations is None and Path(spec.origin or "").is_file():
        files = [Path(spec.origin or "")]
    package = spec.name if locations is not None else spec.name.rpartition(".")[0]
    # To import a module runs its parent packages, too.
    texts = [f"import {spec.name}".encode(), *(file.read_bytes() for file in files)]
    found = imported_code(texts, package, spec.name)
    return _with_imports(own, found), {**found, spec.name: own}


def _with_imports(own: str, imports: Mapping[str, str]) -> str:
    """The hash of a plugin's own code, if it imports nothing that counts; else one of both."""
    return hashlib.sha256(json.dumps([own, imports], sort_keys=True).encode()).hexdigest() if imports else own


def _check_unchanged(name: str, code: Mapping[str, str]) -> None:
    """Raise InputError if this process has imported code that has changed since then."""
    for module, sha256 in code.items():
        if module in sys.modules and _RUN.get(module, sha256) != sha256:
            raise InputError(
                f"plugin {name!r}: the file of module {module!r} has changed since this process imported it:"
                " start Python again"
            )


def _sha256(spec: ModuleSpec) -> str:
    """SHA-256 of a module's file; of a package the names and contents of all its .py files."""
    digest = hashlib.sha256()
    for folder in map(Path, spec.submodule_search_locations or ()):
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{file.relative_to(folder).as_posix()}:".encode())
            digest.update(file.read_bytes())
    if spec.submodule_search_locations is None and Path(spec.origin or "").is_file():
        digest.update(Path(spec.origin or "").read_bytes())
    return digest.hexdigest()


class _TextLoader(ExecutionLoader):
    """Runs a plugin from its text; tracebacks show its lines, wherever it runs."""

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin

    def get_source(self, fullname: str) -> str:
        return self.plugin.source or ""

    def get_filename(self, fullname: str) -> str:
        return f"{self.plugin.name}.py"


def _module(plugin: Plugin) -> ModuleType:
    """The plugin's module, run once per process. What it draws at random is the same in every process."""
    before = set(sys.modules)
    try:
        with seeded_generators(0, "plugin", plugin.name):
            if plugin.source is not None:
                module = _run(plugin)
            else:
                module = EntryPoint(plugin.name, plugin.name, ENTRY_POINTS).load()
    except Exception as error:
        raise _failed(plugin.name, error) from error
    if plugin.source is not None:
        sha256, code = _file_code(plugin.source.encode())
    else:
        assert module.__spec__ is not None
        sha256, code = _module_code(module.__spec__)
    if sha256 != plugin.sha256:
        raise InputError(
            f"plugin {plugin.name!r} has another version on this machine, or imports another version of some"
            " code: install the study's version"
        )
    imported = (name for name in set(sys.modules) - before if name not in code)
    if unseen := sorted(name for name in imported if not _is_own(name, plugin) and is_followed(name)):
        raise InputError(
            f"plugin {plugin.name!r} imports {listed(unseen)} in a way that its hash cannot follow:"
            " write an import statement"
        )
    for name, sha in code.items():
        _RUN.setdefault(name, sha)
    return module


def _is_own(name: str, plugin: Plugin) -> bool:
    """Whether a module is the plugin's own."""
    return name.startswith("cops_plugin_") or f"{name}.".startswith(f"{plugin.name}.")


def _run(plugin: Plugin) -> ModuleType:
    """A module from the plugin's text, with a name that is unique to the plugin and its text."""
    name = f"cops_plugin_{plugin.name}_{plugin.sha256}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_loader(name, _TextLoader(plugin))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses read it while the module runs
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _complaint(attribute: str, components: object, registry: Registry) -> str:
    """What is wrong with a plugin's dict, or an empty text."""
    if components is registry.components:
        return f"{attribute} is the project's own: write a dict of the plugin's own, {attribute} = {{...}}"
    if not isinstance(components, Mapping):
        return f"{attribute} is of type {type(components).__name__}: write a dict, name: {registry.kind}"
    for name, component in components.items():
        if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
            return f"{registry.kind} {name!r} is not a valid name: use letters, digits and '_'"
        if registry.components.get(name, component) is not component:
            return f"{registry.kind} {name!r} already exists: choose another name"
        if wrong := registry.complaint(name, component):
            return f"{registry.kind} {name!r} {wrong}"
    return ""


def _score_complaint(name: str, score: object) -> str:
    if isinstance(score, Score):
        return ""
    if isinstance(score, type):
        return f"is a class: write an instance, {score.__name__}(...)"
    return f"is of type {type(score).__name__}: write an instance of a Score"


def _model_complaint(name: str, model: object) -> str:
    if callable(model) and not isinstance(model, nn.Module):
        return ""
    return f"is of type {type(model).__name__}: write a function (shape, classes) that builds a network"


def _data_complaint(name: str, data: object) -> str:
    if callable(data):
        return ""
    return f"is of type {type(data).__name__}: write a function (root) that returns an ImageData"


CORE_REGISTRIES: Mapping[str, Registry] = {
    "SCORES": Registry("score", SCORES, _score_complaint),
    "MODELS": Registry("model", MODELS, _model_complaint),
    "DATASETS": Registry("data set", DATASETS, _data_complaint),
    "TRAINERS": Registry("trainer", TRAINERS, trainer_complaint),
}
