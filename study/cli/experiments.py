"""The command that answers a fixed question."""

from typing import Annotated

import typer

from study.cli.options import HOME, AddressOption, HomeOption, ScoreCacheOption, StorageOption, TrackingOption


def experiment(
    name: Annotated[
        str,
        typer.Argument(help="cops_pairs, freezenet or iterated_snip; see docs/results.md."),
    ],
    seeds: Annotated[
        int | None, typer.Option(min=2, help="Seeds that judge. [default: the experiment's]")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of each trial. [default: the experiment's]")
    ] = None,
    rates: Annotated[
        str | None, typer.Option(help="Freezing rates, e.g. 0.99,0.995. [default: the experiment's]")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set. [default: the experiment's]")] = None,
    model: Annotated[str | None, typer.Option(help="Network. [default: the experiment's]")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Trials at a time.")] = None,
    score_cache: ScoreCacheOption = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
) -> None:
    """Answer a fixed question: choose on validation, judge on test. Goes on where it was cut off."""
    from rich.console import Console

    from cops_core.cache import DEFAULT_CACHE
    from search_spaces.question import Rates
    from study.experiments.base import Asked
    from study.experiments.run import make_experiment, run_experiment
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
