"""Scores, COPS and FreezeNet as trainable components: a trial that runs in a plain Python shell.

As a library: `import cops_core as cops`, then `cops.select(...)` and the other names of `PUBLIC`. They are
imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Each public name, and the module that defines it. No module of this package may have one of these names: its
# import would hide the function.
PUBLIC = {
    "DriftError": "cops_core.errors",
    "InfeasibleError": "cops_core.errors",
    "InputError": "cops_core.errors",
    "Mask": "cops_core.mask",
    "Member": "cops_core.scores.family",
    "audit": "cops_core.library.audit",
    "candidates": "cops_core.library.candidates",
    "explain": "cops_core.library.explain",
    "freeze": "cops_core.library.arms",
    "initialize": "cops_core.library.initialize",
    "load": "cops_core.library.file",
    "materialize": "cops_core.masked.apply",
    "prune": "cops_core.library.arms",
    "save": "cops_core.library.file",
    "scale": "cops_core.library.arms",
    "select": "cops_core.library.select",
}

__all__ = [*PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
