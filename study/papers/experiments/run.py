"""`cops experiment`: run what a question needs, write the table that answers it."""

from collections.abc import Sequence

from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.data import DATASETS
from cops_core.errors import lookup
from cops_core.models import MODELS
from study.console import print_line
from study.papers.experiments import EXPERIMENTS
from study.papers.experiments.base import Asked, Experiment
from study.papers.experiments.fixed import run_fixed
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.run.preflight import check_data, check_home, check_score_cache
from study.settings import Settings


def make_experiment(name: str, asked: Asked) -> Experiment:
    """The experiment called `name`, with some of its settings changed."""
    default = lookup("experiment", name, EXPERIMENTS)()
    if asked.dataset is not None:
        lookup("data set", asked.dataset, DATASETS)
    if asked.model is not None:
        lookup("model", asked.model, MODELS)
    return default.changed(asked)


def run_experiment(name: str, experiment: Experiment, settings: Settings, console: Console) -> str:
    """Run every part, each as a study of its own, and return the answer as Markdown.

    Resumable: what has been finished before is not run again.
    """
    check_home(settings.home)
    check_score_cache(settings.score_cache.expanduser())
    stores: list[StudyStore] = []

    def run(part: str, configs: Sequence[TrialConfig]) -> list[StudyTrial]:
        check_data(configs[0], settings.data_root)
        asked = settings.model_copy(update={"name": f"{name}-{part}"})
        stores.append(StudyStore(asked.storage_uri, asked.name))
        return run_fixed(configs, asked, console)

    answer = experiment.answer(run)
    for file, content in {"results.md": answer.markdown.encode(), **answer.figures}.items():
        stores[-1].write(file, content)
    print_line(console, answer.markdown)
    written = ", ".join(["results.md", *answer.figures])
    print_line(console, f"{written} in {stores[-1].path}")
    return answer.markdown
