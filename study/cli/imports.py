"""The command that takes in what was exported, or other people's configurations."""

from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    HOME,
    EpochsOption,
    HomeOption,
    PluginOption,
    StorageOption,
    TrackingOption,
    TrialsOption,
    otherwise,
    use_plugins,
)

SPACE = "With --space"


def import_(
    source: Annotated[
        str, typer.Argument(help="The SQLite file of an Optuna study, or sqlite:///FILE.", metavar="SOURCE")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="The new study's name.", show_default="that of the study that was exported"),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="Try the configurations of any Optuna study in a new study of this space.",
            show_default="restore what cops export wrote",
            autocompletion=complete.spaces,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="Which Optuna study of the file.", show_default="the only one", rich_help_panel=SPACE
        ),
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="So many of its configurations, the best.",
            show_default="all",
            metavar="K",
            rich_help_panel=SPACE,
        ),
    ] = None,
    trials: Annotated[int | None, otherwise(TrialsOption, "the space's, or as needed", SPACE)] = None,
    rates: Annotated[
        str | None,
        typer.Option(
            help="Freezing rates, e.g. 0.95,0.99.", show_default="the space's", rich_help_panel=SPACE
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="pareto or smallest, as with cops launch.",
            show_default="the space's",
            rich_help_panel=SPACE,
            autocompletion=complete.objectives,
        ),
    ] = None,
    epochs: Annotated[int | None, otherwise(EpochsOption, "the space's", SPACE)] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Every random draw derives from it.", show_default="0", rich_help_panel=SPACE),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Trials of each configuration.", show_default="1", rich_help_panel=SPACE),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="Who proposes what comes after: tpe, random, qmc, nsga2 or gp.",
            show_default="tpe",
            rich_help_panel=SPACE,
            autocompletion=complete.samplers,
        ),
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    plugin: PluginOption = None,
) -> None:
    """Restore a study that was exported; or, with --space, try another Optuna study's configurations.

    A restored study goes on with cops resume as if it had never been moved; its
    networks are not in the file. Other configurations become the first proposals
    of a new study, which measures them itself: their values stay behind.
    """
    from rich.console import Console

    from cops_core.errors import InputError

    plugins = use_plugins(plugin)
    chosen = {"epochs": epochs, "seed": seed, "seeds": seeds, "sampler": sampler}
    new = {"study": study, "best": best, "trials": trials, "rates": rates, "objective": objective, **chosen}
    if space is None:
        from study.exchange.import_study import import_study

        if given := [option for option, value in new.items() if value is not None]:
            raise InputError(f"--{given[0]} belongs to --space: write both, or neither")
        import_study(
            source, name=name, home=home, storage=storage, tracking_uri=tracking_uri, console=Console()
        )
        return
    from search_spaces import find_space
    from study.exchange.import_configurations import import_configurations
    from study.settings import choose_question, parse_rates

    if name is None:
        raise InputError("--space makes a new study: write its --name, too")
    found = find_space(space)
    question = choose_question(found.question, None if rates is None else parse_rates(rates), objective, None)
    values = {
        **{option: value for option, value in chosen.items() if value is not None},
        "home": home,
        "storage": storage,
        "tracking_uri": tracking_uri,
        "name": name,
        "trials": trials,
        "question": question,
        "plugins": plugins,
    }
    import_configurations(source, study=study, best=best, space=found, values=values, console=Console())


import_.__name__ = "import"  # the command's, which is a word of Python's
