"""Search spaces: each is a function `space(trial) -> TrialConfig`, one file per space."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cops_core.errors import InputError, lookup
from search_spaces.arms import arms
from search_spaces.base import SETTABLE, SampleFunction, SearchSpace, load_space_file
from search_spaces.baselines import DENSE
from search_spaces.cifar10 import cifar10
from search_spaces.fashion_mnist import fashion_mnist
from search_spaces.freezing_rates import freezing_rates
from search_spaces.gss import gss
from search_spaces.headline import METHODS as HEADLINE_METHODS
from search_spaces.headline import QUESTION as HEADLINE
from search_spaces.headline import headline
from search_spaces.presets import PRESETS
from search_spaces.question import Pareto, Question, Rates
from search_spaces.quickstart import quickstart
from search_spaces.score_pairs import score_pairs
from search_spaces.survey import METHODS as SURVEY_METHODS
from search_spaces.survey import QUESTION as SURVEY
from search_spaces.survey import survey

__all__ = ["SEARCH_SPACES", "SearchSpace", "find_space"]


def _space(name: str, sample: SampleFunction, question: Question, trials: int) -> SearchSpace:
    """A space of this project: data set, network and learning rate may be set."""
    return SearchSpace(name, sample, question, trials, settable=tuple(SETTABLE))


def _comparison(
    name: str, sample: SampleFunction, question: Question, methods: Mapping[str, Mapping[str, Any]]
) -> SearchSpace:
    """A space of named methods: data set and network may be set, learning rates are the methods' own."""
    return SearchSpace(
        name, sample, question, 60, settable=("dataset", "model"), methods=methods, baselines=(DENSE,)
    )


SEARCH_SPACES: dict[str, SearchSpace] = {
    "quickstart": _space("quickstart", quickstart, Rates(), 24),
    "score_pairs": _space("score_pairs", score_pairs, Rates(), 60),
    "arms": _space("arms", arms, Rates(), 60),
    "freezing_rates": _space("freezing_rates", freezing_rates, Pareto(), 60),
    "gss": _space("gss", gss, Pareto(), 150),
    "fashion_mnist": _space("fashion_mnist", fashion_mnist, Rates(), 60),
    "cifar10": _space("cifar10", cifar10, Rates(), 60),
    "headline": _comparison("headline", headline, HEADLINE, HEADLINE_METHODS),
    "survey": _comparison("survey", survey, SURVEY, SURVEY_METHODS),
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
