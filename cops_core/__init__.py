"""Scores, COPS and FreezeNet as trainable components: a trial that runs in a plain Python shell.

As a library: `import cops_core as cops`, then `cops.select(...)` and the other names of `PUBLIC`. They are
imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cops_core.library.candidates import candidates as candidates
    from cops_core.library.explain import explain as explain
    from cops_core.library.select import select as select
    from cops_core.mask import Mask as Mask
    from cops_core.scores.family import Member as Member

# Each public name, and the module that defines it. No module of this package may have one of these names: its
# import would hide the function.
PUBLIC = {
    "Mask": "cops_core.mask",
    "Member": "cops_core.scores.family",
    "candidates": "cops_core.library.candidates",
    "explain": "cops_core.library.explain",
    "select": "cops_core.library.select",
}

__all__ = [*PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
