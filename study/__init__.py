"""Studies: Ray Tune distributes the trials, Optuna proposes them, MLflow logs each of them.

For notebooks: `study.launch("quickstart", trials=24)` runs a study, or resumes it, and
`study.load("quickstart")` returns its table. `study.ablate("quickstart/5")` says what carries the result of a
trial. See `study.api`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import ablate as ablate
    from study.api import launch as launch
    from study.api import load as load

__all__ = ["ablate", "launch", "load"]


def __getattr__(name: str) -> Any:
    """Import the API when it is first used: most of the package needs neither Ray nor MLflow."""
    if name in __all__:
        from study import api

        return getattr(api, name)
    raise AttributeError(f"module 'study' has no attribute {name!r}")
