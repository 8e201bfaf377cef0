"""`cops experiment`: runs the trials of an experiment and writes the tables of its results."""

import time
from collections.abc import Sequence

from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.data import DATASETS
from cops_core.errors import lookup
from cops_core.models import find_model
from study.console import print_line
from study.papers.experiments import EXPERIMENTS
from study.papers.experiments.base import Experiment, ExperimentChanges
from study.papers.experiments.fixed import run_fixed
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.run.preflight import check_data, check_home, check_score_cache
from study.settings import Settings


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
    stores: list[StudyStore] = []

    def run(part: str, configs: Sequence[TrialConfig]) -> list[StudyTrial]:
        check_data(configs, settings.data_root)
        own = settings.model_copy(update={"name": f"{name}-{part}"})
        stores.append(StudyStore(own.storage_uri, own.name))
        return run_fixed(configs, own, console, started)

    answer = experiment.answer(run)
    for file, content in {"results.md": answer.markdown.encode(), **answer.figures}.items():
        stores[-1].write(file, content)
    print_line(console, answer.markdown)
    written = ", ".join(["results.md", *answer.figures])
    print_line(console, f"{written} in {stores[-1].path}")
    return answer.markdown
