"""The command that answers a fixed question."""

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
    seeds: Annotated[int | None, typer.Option(min=2, help="Seeds that judge.", show_default=OWN)] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each trial.", show_default=OWN)] = None,
    rates: Annotated[
        str | None, typer.Option(help="Freezing rates, e.g. 0.99,0.995.", show_default=OWN)
    ] = None,
    dataset: Annotated[str | None, otherwise(DatasetOption, OWN)] = None,
    model: Annotated[str | None, otherwise(ModelOption, OWN)] = None,
    plugin: PluginOption = None,
) -> None:
    """Answer a fixed question: choose on validation, judge on test. Goes on where it was cut off.

    Each part is a study of its own, named after the experiment. The answer is
    printed, and written as results.md with its figures into the storage.
    """
    from rich.console import Console

    from search_spaces.question import Rates
    from study.papers.experiments.base import ExperimentChanges
    from study.papers.experiments.run import make_experiment, run_experiment
    from study.settings import make_settings, parse_rates

    plugins = use_plugins(plugin)
    asked = ExperimentChanges(dataset, model, seeds, epochs, None if rates is None else parse_rates(rates))
    chosen = make_experiment(name, asked)
    own = {"kind": "experiment", "space": name, "name": name, "trials": 1, "question": Rates(chosen.rates)}
    settings = make_settings(**{**own, **given, "plugins": plugins})
    run_experiment(name, chosen, settings, Console())
