"""Search spaces: each is a function `space(trial) -> TrialConfig`, one file per space."""

from pathlib import Path

from cops_core.errors import InputError, lookup
from search_spaces.arms import arms
from search_spaces.base import SearchSpace, load_space_file
from search_spaces.cifar10 import cifar10
from search_spaces.fashion_mnist import fashion_mnist
from search_spaces.freezing_rates import freezing_rates
from search_spaces.gss import gss
from search_spaces.presets import PRESETS
from search_spaces.question import Pareto, Rates
from search_spaces.quickstart import quickstart
from search_spaces.score_pairs import score_pairs

__all__ = ["SEARCH_SPACES", "SearchSpace", "find_space"]

SEARCH_SPACES: dict[str, SearchSpace] = {
    "quickstart": SearchSpace("quickstart", quickstart, Rates(), trials=24),
    "score_pairs": SearchSpace("score_pairs", score_pairs, Rates(), trials=60),
    "arms": SearchSpace("arms", arms, Rates(), trials=60),
    "freezing_rates": SearchSpace("freezing_rates", freezing_rates, Pareto(), trials=60),
    "gss": SearchSpace("gss", gss, Pareto(), trials=150),
    "fashion_mnist": SearchSpace("fashion_mnist", fashion_mnist, Rates(), trials=60),
    "cifar10": SearchSpace("cifar10", cifar10, Rates(), trials=60),
}


def find_space(name: str) -> SearchSpace:
    """The search space with this name, or the one in a Python file.

    Args:
        name: A key of `SEARCH_SPACES`, or the path of a Python file (see `load_space_file`).

    Returns:
        The search space.

    Raises:
        InputError: An unknown name, the name of a preset, or a file that defines no space.
    """
    if name.endswith(".py") or "/" in name:
        return load_space_file(Path(name))
    if name in PRESETS:
        raise InputError(f"{name} is a preset, not a search space: write cops table {name}")
    file = Path(f"{name}.py")
    if name not in SEARCH_SPACES and file.is_file():
        raise InputError(f"unknown space {name!r}: did you mean {str(file)!r}?")
    return lookup("space", name, SEARCH_SPACES)
