"""A search space: a function from an Optuna trial to a configuration, and the question it asks."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import BaseTrial

from cops_core.config import TrialConfig
from cops_core.errors import InputError, near_path, nearest
from search_spaces.question import Question, Rates

SampleFunction = Callable[[BaseTrial], TrialConfig]


@dataclass(frozen=True)
class SearchSpace:
    """What a study searches.

    sample: define-by-run; leaves density None and seed 0, which are the study's to set. The same
    function serves the search and a replay with fixed parameters.
    question: asked unless the user asks another. trials: how many, unless the user says. file: of a
    user's own space.
    """

    name: str
    sample: SampleFunction
    question: Question
    trials: int
    file: Path | None = None

    @property
    def reference(self) -> str:
        """By which it is found again: its name, or its file's whole path."""
        return self.name if self.file is None else str(self.file.resolve())

    @property
    def description(self) -> str:
        """The first line of the function's docstring."""
        return (self.sample.__doc__ or "").strip().split("\n")[0]


def load_space_file(path: Path) -> SearchSpace:
    """A user's own space: a Python file with a function `space(trial) -> TrialConfig`.

    It may also set `question` (a `Question`) and `trials` (a number).
    """
    if not path.is_file():
        advice = near_path(path) or ": write the path of a Python file with a function space(trial)"
        raise InputError(f"{path} is not a file{advice}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    sample = getattr(module, "space", None)
    if not callable(sample):
        functions = [name for name, value in vars(module).items() if callable(value)]
        near = nearest("space", functions)
        advice = f"rename {near}" if near else "write one that returns a TrialConfig"
        raise InputError(f"{path} has no function space(trial): {advice}")
    question = getattr(module, "question", Rates())
    if not isinstance(question, Question):
        raise InputError(f"{path}: question must be Rates(...), Pareto() or Smallest(...), not {question!r}")
    trials = getattr(module, "trials", 60)
    if not isinstance(trials, int):
        raise InputError(f"{path}: trials must be a whole number, not {trials!r}")
    return SearchSpace(path.stem, sample, question, trials, path)
