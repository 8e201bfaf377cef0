"""`cops experiment`: run what a question needs, write the table that answers it."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.data import DATASETS
from cops_core.errors import lookup
from cops_core.models import MODELS
from study.experiments import EXPERIMENTS
from study.experiments.base import Experiment
from study.experiments.fixed import run_fixed
from study.preflight import check_data, check_home
from study.settings import Settings
from study.store import StudyStore
from study.trial import StudyTrial


def make_experiment(
    name: str,
    *,
    dataset: str,
    model: str | None = None,
    seeds: int,
    epochs: int | None,
    rates: tuple[Decimal, ...] | None,
) -> Experiment:
    """The experiment called `name`, with some of its settings changed."""
    default = lookup("experiment", name, EXPERIMENTS)()
    training = default.training if epochs is None else default.training.model_copy(update={"epochs": epochs})
    lookup("data set", dataset, DATASETS)
    lookup("model", model or default.model, MODELS)
    return replace(
        default,
        dataset=dataset,
        model=model or default.model,
        judge_seeds=seeds,
        training=training,
        rates=rates or default.rates,
    )


def run_experiment(name: str, experiment: Experiment, settings: Settings, console: Console) -> str:
    """Run every part, each as a study of its own, and return the answer as Markdown.

    Resumable: what has been finished before is not run again.
    """
    check_home(settings.home)
    stores: list[StudyStore] = []

    def run(part: str, configs: Sequence[TrialConfig]) -> list[StudyTrial]:
        check_data(configs[0], settings.data_root)
        asked = settings.model_copy(update={"name": f"{name}-{part}"})
        stores.append(StudyStore(asked.storage_uri, asked.name))
        return run_fixed(configs, asked, console)

    table = experiment.answer(run)
    stores[-1].write("results.md", table.encode())
    console.print(table, markup=False, soft_wrap=True)
    console.print(f"written to {stores[-1].path}/results.md", soft_wrap=True)
    return table
