"""The command that runs a fixed experiment."""

from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    RUN_FLAGS,
    DatasetOption,
    Given,
    ModelOption,
    PluginOption,
    otherwise,
    use_plugins,
    with_flags,
)

OWN = "the experiment's"


@with_flags(*RUN_FLAGS)
def experiment(
    name: Annotated[
        str,
        typer.Argument(
            help="The experiment: headline or iterated_snip.",
            autocompletion=complete.experiments,
        ),
    ],
    given: Given,
    seeds: Annotated[
        int | None, typer.Option(min=2, help="Seeds of the evaluation on the test images.", show_default=OWN)
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each trial.", show_default=OWN)] = None,
    rates: Annotated[
        str | None, typer.Option(help="Freezing rates, e.g. 0.99,0.995.", show_default=OWN)
    ] = None,
    dataset: Annotated[str | None, otherwise(DatasetOption, OWN)] = None,
    model: Annotated[str | None, otherwise(ModelOption, OWN)] = None,
    plugin: PluginOption = None,
) -> None:
    """Run a fixed experiment: choose on validation, evaluate on test. Run it again to resume it.

    Each part is a separate study, named after the experiment. The results are
    printed, and written with their figures as results.md into the storage.
    """
    from rich.console import Console

    from search_spaces.question import Rates
    from study.launch_settings import parse_rates
    from study.papers.experiments.base import ExperimentChanges
    from study.papers.experiments.run import make_experiment, run_experiment
    from study.settings import make_settings

    plugins = use_plugins(plugin)
    changes = ExperimentChanges(dataset, model, seeds, epochs, None if rates is None else parse_rates(rates))
    chosen = make_experiment(name, changes)
    own = {"kind": "experiment", "space": name, "name": name, "trials": 1, "question": Rates(chosen.rates)}
    settings = make_settings(**{**own, **given, "plugins": plugins})
    run_experiment(name, chosen, settings, Console())
