"""The class of search spaces: a function from an Optuna trial to a configuration, and a question."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.trial import BaseTrial
from pydantic import ValidationError

from cops_core.config import TrialConfig
from cops_core.errors import InputError, near_path, nearest, one_line
from search_spaces.baselines import BASELINES, Baseline
from search_spaces.fields import WithFields
from search_spaces.question import Question, Rates

SampleFunction = Callable[[BaseTrial], TrialConfig]
# The fields of configurations that a space may let a study set, with their flags.
SETTABLE: Mapping[str, str] = {"dataset": "--dataset", "model": "--model", "learning_rate": "--lr"}


@dataclass(frozen=True)
class SearchSpace:
    """What a study searches.

    Attributes:
        name: A key of `SEARCH_SPACES`, or the file's name without its suffix.
        sample: The function, define-by-run. It leaves density None and seed 0, which the study sets. The
            same function is used by the search and by a replay with fixed parameters.
        question: The question of a study that does not choose another.
        trials: The number of configurations of a study that does not choose another, at least 1.
        file: The Python file of a user's own space; None for a space of this project or of a plugin.
        settable: Which fields of its configurations a study may set for all trials, keys of `SETTABLE`.
        fields: Those that are set, with their values.
        methods: What a study that compares methods compares: by name the parameters that are fixed. None:
            the methods are found, by trying every choice.
        baselines: The methods that every study of the space runs for comparison.
    """

    name: str
    sample: SampleFunction
    question: Question
    trials: int
    file: Path | None = None
    settable: tuple[str, ...] = ()
    fields: tuple[tuple[str, Any], ...] = ()
    methods: Mapping[str, Mapping[str, Any]] | None = None
    baselines: tuple[Baseline, ...] = BASELINES

    def with_fields(self, fields: Mapping[str, Any]) -> "SearchSpace":
        """This space with some fields set for all trials. A parameter of that name is not searched.

        Args:
            fields: Values by the field's name.

        Returns:
            The space.

        Raises:
            InputError: The space does not let a field be set, or a value is wrong.
        """
        for name in fields:
            if name not in self.settable:
                words = name.replace("_", " ")
                raise InputError(
                    f"space {self.name!r} does not let its {words} be set: leave {SETTABLE[name]} out, or"
                    f" write settable = ({name!r},) in the space's file"
                )
        if not fields:
            return self
        own = replace(self, fields=tuple(fields.items()))
        try:
            own.fixed(TrialConfig())
        except ValidationError as error:
            raise InputError(one_line(error)) from None
        return replace(own, sample=WithFields(self.sample, own.fixed, dict(fields)))

    def fixed(self, config: TrialConfig) -> TrialConfig:
        """A configuration with the values of the fields that are set."""
        values = dict(self.fields)
        if not values:
            return config
        training = {name: values.pop(name) for name in ("learning_rate",) if name in values}
        return config.changed(**values, training=config.training.model_copy(update=training))

    @property
    def reference(self) -> str:
        """What `find_space` takes to find it again: its name, or the absolute path of its file."""
        return self.name if self.file is None else str(self.file.resolve())

    @property
    def description(self) -> str:
        """The first line of the function's docstring."""
        return (self.sample.__doc__ or "").strip().split("\n")[0]


def load_space_file(path: Path) -> SearchSpace:
    """A user's own space: a Python file with a function `space(trial) -> TrialConfig`.

    The file may also define `question` (a `Question`), `trials` (a whole number), `settable` (the fields
    that the command line may set, see `SETTABLE`), `methods` and `baselines` (see `SearchSpace`).

    Args:
        path: The Python file.

    Returns:
        The space, named as the file is.

    Raises:
        InputError: The file does not exist, cannot be imported, or does not define a space.
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
        raise InputError(
            f"{path}: question must be Rates(...), Pareto(), Smallest(...) or Compare(...), not {question!r}"
        )
    trials = getattr(module, "trials", 60)
    if not isinstance(trials, int):
        raise InputError(f"{path}: trials must be a whole number, not {trials!r}")
    settable = getattr(module, "settable", ())
    if not isinstance(settable, tuple) or not set(settable) <= set(SETTABLE):
        raise InputError(f"{path}: settable must be a tuple of {', '.join(SETTABLE)}, not {settable!r}")
    methods = getattr(module, "methods", None)
    if methods is not None and not (
        methods and isinstance(methods, Mapping) and all(map(_is_method, methods.items()))
    ):
        raise InputError(f"{path}: methods must be {{NAME: {{PARAMETER: VALUE}}}}, not {methods!r}")
    baselines = getattr(module, "baselines", BASELINES)
    if not isinstance(baselines, tuple) or not all(isinstance(each, Baseline) for each in baselines):
        raise InputError(f"{path}: baselines must be a tuple of Baseline(...), not {baselines!r}")
    if len({each.name for each in baselines}) < len(baselines):
        raise InputError(f"{path}: two baselines have the same name: write each once")
    return SearchSpace(
        path.stem, sample, question, trials, path, settable, methods=methods, baselines=baselines
    )


def _is_method(entry: tuple[object, object]) -> bool:
    """Whether this is a name, and values by the parameter's name."""
    name, fixed = entry
    return (
        isinstance(name, str)
        and bool(name.strip())
        and isinstance(fixed, Mapping)
        and all(isinstance(parameter, str) for parameter in fixed)
    )
