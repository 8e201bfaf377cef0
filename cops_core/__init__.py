"""Scores, COPS and FreezeNet as trainable components: a trial that runs in a plain Python shell.

As a library: `import cops_core as cops`, then `cops.select(...)` and the other names of `PUBLIC`. They are
imported when they are first used.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cops_core.config import Floor as Floor
    from cops_core.errors import DriftError as DriftError
    from cops_core.errors import InfeasibleError as InfeasibleError
    from cops_core.errors import InputError as InputError
    from cops_core.library.arms import freeze as freeze
    from cops_core.library.arms import prune as prune
    from cops_core.library.arms import scale as scale
    from cops_core.library.audit import audit as audit
    from cops_core.library.candidates import candidates as candidates
    from cops_core.library.explain import explain as explain
    from cops_core.library.file import load as load
    from cops_core.library.file import save as save
    from cops_core.library.initialize import initialize as initialize
    from cops_core.library.select import select as select
    from cops_core.mask import Mask as Mask
    from cops_core.masked.apply import materialize as materialize
    from cops_core.scores.family import Member as Member
    from cops_core.scores.steps import Steps as Steps

# Each public name, and what imports the module that defines it. No module of this package may have one of
# these names: its import would hide the function.
PUBLIC: Mapping[str, Callable[[], ModuleType]] = {
    "DriftError": lambda: import_module("cops_core.errors"),
    "Floor": lambda: import_module("cops_core.config.selection"),
    "InfeasibleError": lambda: import_module("cops_core.errors"),
    "InputError": lambda: import_module("cops_core.errors"),
    "Mask": lambda: import_module("cops_core.mask"),
    "Member": lambda: import_module("cops_core.scores.family"),
    "Steps": lambda: import_module("cops_core.scores.steps"),
    "audit": lambda: import_module("cops_core.library.audit"),
    "candidates": lambda: import_module("cops_core.library.candidates"),
    "explain": lambda: import_module("cops_core.library.explain"),
    "freeze": lambda: import_module("cops_core.library.arms"),
    "initialize": lambda: import_module("cops_core.library.initialize"),
    "load": lambda: import_module("cops_core.library.file"),
    "materialize": lambda: import_module("cops_core.masked.apply"),
    "prune": lambda: import_module("cops_core.library.arms"),
    "save": lambda: import_module("cops_core.library.file"),
    "scale": lambda: import_module("cops_core.library.arms"),
    "select": lambda: import_module("cops_core.library.select"),
}

__all__ = [*PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(PUBLIC[name](), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
