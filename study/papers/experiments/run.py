"""`cops experiment`: runs the trials of an experiment and writes the tables of its results."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.data import DATASETS
from cops_core.errors import lookup
from cops_core.models import find_model
from search_spaces.base import SearchSpace
from search_spaces.question import Compare
from study.console import print_line
from study.papers.experiments import EXPERIMENTS
from study.papers.experiments.base import Experiment, ExperimentChanges
from study.papers.experiments.comparison import run_comparison
from study.papers.experiments.fixed import run_fixed
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.run.preflight import check_data, check_home, check_score_cache
from study.settings import Settings, make_settings


def make_experiment(name: str, changes: ExperimentChanges) -> Experiment:
    """The experiment called `name`, with some of its settings changed.

    Raises:
        InputError: There is no such experiment, data set or model.
    """
    default = lookup("experiment", name, EXPERIMENTS)()
    if changes.dataset is not None:
        lookup("data set", changes.dataset, DATASETS)
    if changes.model is not None:
        find_model(changes.model)
    return default.changed(changes)


def run_experiment(name: str, experiment: Experiment, settings: Settings, console: Console) -> str:
    """Run every part as a study of its own, and write and return the results as Markdown.

    A further call resumes the experiment: finished trials are not run again.

    Args:
        name: The experiment's. The study of a part is called `{name}-{part}`.
        experiment: With its changes.
        settings: Of every part, apart from the name.
        console: Receives the results.

    Raises:
        InputError: The home, the score cache or the data cannot be used, or trials were not finished.
    """
    started = time.monotonic()
    check_home(settings.home)
    check_score_cache(settings.score_cache.expanduser())
    parts = _Parts(name, settings, console, started)
    answer = experiment.answer(parts)
    store = parts.stores[-1]
    for file, content in {"results.md": answer.markdown.encode(), **answer.figures}.items():
        store.write(file, content)
    print_line(console, answer.markdown)
    written = ", ".join(["results.md", *answer.figures])
    print_line(console, f"{written} in {store.path}")
    return answer.markdown


class _Parts:
    """Runs the parts of an experiment.

    Args:
        name: The experiment's.
        settings: Of every part, apart from the name.
        console: Shows the progress.
        started: When the command started.

    Attributes:
        stores: The folders of the parts so far.
    """

    def __init__(self, name: str, settings: Settings, console: Console, started: float) -> None:
        self.stores: list[StudyStore] = []
        self._name = name
        self._settings = settings
        self._console = console
        self._started = started

    def trials(self, part: str, configs: Sequence[TrialConfig]) -> list[StudyTrial]:
        """See `RunParts.trials`."""
        check_data(configs, self._settings.data_root)
        return run_fixed(configs, self._part(part, {}), self._console, self._started)

    def compare(
        self, part: str, space: SearchSpace, question: Compare, values: Mapping[str, Any]
    ) -> list[StudyTrial]:
        """See `RunParts.compare`."""
        more = {**values, "space": space.reference, "question": question, "seeds": question.choosing_seeds}
        own = self._part(part, more)
        return run_comparison(space, own, self._console, self._started)

    def _part(self, part: str, values: Mapping[str, Any]) -> Settings:
        own = make_settings(**{**dict(self._settings), **values, "name": f"{self._name}-{part}"})
        self.stores.append(StudyStore(own.storage_uri, own.name))
        return own
