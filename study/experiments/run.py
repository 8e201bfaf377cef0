"""`cops experiment`: choose on validation, judge on the test part, write the table."""

from dataclasses import replace
from decimal import Decimal

from rich.console import Console

from cops_core.data import DATASETS
from cops_core.errors import lookup
from study.experiments import EXPERIMENTS
from study.experiments.cops_pairs import CopsPairs, markdown, verdicts
from study.experiments.fixed import run_fixed
from study.preflight import check_data, check_home
from study.settings import Settings
from study.store import StudyStore


def make_experiment(
    name: str, *, dataset: str, seeds: int, epochs: int | None, rates: tuple[Decimal, ...] | None
) -> CopsPairs:
    """The experiment called `name`, with some of its settings changed."""
    default = lookup("experiment", name, EXPERIMENTS)()
    training = default.training if epochs is None else default.training.model_copy(update={"epochs": epochs})
    lookup("data set", dataset, DATASETS)
    return replace(
        default, dataset=dataset, judge_seeds=seeds, training=training, rates=rates or default.rates
    )


def run_experiment(name: str, experiment: CopsPairs, settings: Settings, console: Console) -> str:
    """Run both parts, each as a study of its own, and return the table as Markdown.

    Resumable: what has been finished before is not run again.
    """
    check_home(settings.home)
    candidates = experiment.selection_trials()
    check_data(candidates[0], settings.data_root)
    selecting = settings.model_copy(update={"name": f"{name}-selection"})
    selection = run_fixed(candidates, selecting, console)
    chosen = experiment.choose(selection)
    judging = settings.model_copy(update={"name": f"{name}-judging"})
    judged = run_fixed(experiment.judge_trials(chosen), judging, console)
    table = markdown(experiment, verdicts(selection, judged))
    store = StudyStore(settings.storage_uri, judging.name)
    store.write("results.md", table.encode())
    console.print(table, markup=False, soft_wrap=True)
    console.print(f"written to {store.path}/results.md", soft_wrap=True)
    return table
