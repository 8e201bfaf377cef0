"""The command that answers a fixed question."""

from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    HOME,
    AddressOption,
    ConcurrencyOption,
    DatasetOption,
    HomeOption,
    ModelOption,
    ScoreCacheOption,
    StorageOption,
    TrackingOption,
    otherwise,
)

OWN = "the experiment's"


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            help="The experiment: cops_pairs, freezenet, headline or iterated_snip.",
            autocompletion=complete.experiments,
        ),
    ],
    seeds: Annotated[int | None, typer.Option(min=2, help="Seeds that judge.", show_default=OWN)] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each trial.", show_default=OWN)] = None,
    rates: Annotated[
        str | None, typer.Option(help="Freezing rates, e.g. 0.99,0.995.", show_default=OWN)
    ] = None,
    dataset: Annotated[str | None, otherwise(DatasetOption, OWN)] = None,
    model: Annotated[str | None, otherwise(ModelOption, OWN)] = None,
    concurrency: ConcurrencyOption = None,
    score_cache: ScoreCacheOption = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
) -> None:
    """Answer a fixed question: choose on validation, judge on test. Goes on where it was cut off.

    Each part is a study of its own, named after the experiment. The answer is
    printed, and written as results.md with its figures into the storage.
    """
    from rich.console import Console

    from cops_core.cache import DEFAULT_CACHE
    from search_spaces.question import Rates
    from study.papers.experiments.base import Asked
    from study.papers.experiments.run import make_experiment, run_experiment
    from study.settings import make_settings, parse_rates

    asked = Asked(dataset, model, seeds, epochs, None if rates is None else parse_rates(rates))
    chosen = make_experiment(name, asked)
    settings = make_settings(
        space=name,
        name=name,
        trials=1,
        question=Rates(chosen.rates),
        concurrency=concurrency,
        score_cache=score_cache or DEFAULT_CACHE,
        home=home,
        storage=storage,
        tracking_uri=tracking_uri,
        address=address,
    )
    run_experiment(name, chosen, settings, Console())
