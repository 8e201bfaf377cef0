"""Commands about results: compare them, show one in full, take them elsewhere and back."""

from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import HOME, HomeOption, PluginOption, StorageOption, TrackingOption, use_plugins

NameArgument = Annotated[str, typer.Argument(help="The study's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            help="Two or more studies, or methods as tables print them: 'STUDY:freeze snip'.",
            metavar="STUDY[:METHOD] ...",
        ),
    ],
    home: HomeOption = HOME,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Hold studies or methods side by side at each rate: the best of each, and how far they are apart."""
    from rich.console import Console

    from study.compare import compare as compare_studies
    from study.compare_view import comparison_content, print_comparison
    from study.places import storage_uri
    from study.status import print_json

    use_plugins(plugin)
    found = compare_studies(studies, storage_uri(home, storage))
    if json:
        print_json(Console(), comparison_content(found))
    else:
        print_comparison(Console(), found)


def show(
    run: Annotated[
        str,
        typer.Argument(help="STUDY/NUMBER, e.g. quickstart/12, or the id of its MLflow run.", metavar="RUN"),
    ],
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Show one trial in full: what it was, how it went, what it costs, how to run it again."""
    from rich.console import Console

    from study.show import find_trial, show_content
    from study.show_view import print_trial
    from study.status import print_json

    use_plugins(plugin)
    found = find_trial(run, home=home, storage=storage, tracking_uri=tracking_uri)
    if json:
        print_json(Console(), show_content(found, home))
    else:
        print_trial(Console(), found, home)


def export(
    name: NameArgument,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="parquet or csv: a row per trial, and per epoch. optuna: an Optuna study.",
            metavar="FORMAT",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder, or file. [default: NAME-FORMAT or NAME.optuna.db, here]"),
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write a study as tables, or as an Optuna study that cops import restores, record by record."""
    from rich.console import Console

    from study.export import export_study
    from study.ledger.store import find_study
    from study.places import storage_uri

    use_plugins(plugin)
    export_study(find_study(storage_uri(home, storage), name), kind, out, Console())


def import_(
    source: Annotated[
        str, typer.Argument(help="The SQLite file of an Optuna study, or sqlite:///FILE.", metavar="SOURCE")
    ],
    name: Annotated[
        str | None, typer.Option(help="The new study's name. [default: that of the study that was exported]")
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(help="Try the configurations of any Optuna study in a new study of this space."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="With --space: which Optuna study, where the file holds several.")
    ] = None,
    best: Annotated[
        int | None, typer.Option(min=1, help="With --space: only so many of its best. [default: all]")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(help="With --space: configurations in all. [default: the space's, or as needed]"),
    ] = None,
    rates: Annotated[
        str | None, typer.Option(help="With --space: freezing rates, as with cops launch.")
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="With --space: pareto or smallest, as with cops launch.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="With --space: epochs of each trial. [default: the space's]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="With --space: every random draw derives from it. [default: 0]")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="With --space: trials of each configuration. [default: 1]")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="With --space: who proposes what comes after. [default: tpe]")
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    plugin: PluginOption = None,
) -> None:
    """Restore a study that was exported; or, with --space, try another Optuna study's configurations."""
    from rich.console import Console

    from cops_core.errors import InputError

    plugins = use_plugins(plugin)
    chosen = {"epochs": epochs, "seed": seed, "seeds": seeds, "sampler": sampler}
    new = {"study": study, "best": best, "trials": trials, "rates": rates, "objective": objective, **chosen}
    if space is None:
        from study.import_study import import_study

        if given := [option for option, value in new.items() if value is not None]:
            raise InputError(f"--{given[0]} belongs to --space: write both, or neither")
        import_study(
            source, name=name, home=home, storage=storage, tracking_uri=tracking_uri, console=Console()
        )
        return
    from search_spaces import find_space
    from study.import_configurations import import_configurations
    from study.settings import choose_question, parse_rates

    if name is None:
        raise InputError("--space makes a new study: write its --name, too")
    found = find_space(space)
    question = choose_question(found.question, None if rates is None else parse_rates(rates), objective, None)
    places = {"home": home, "storage": storage, "tracking_uri": tracking_uri}
    values = {
        **{option: value for option, value in chosen.items() if value is not None},
        **places,
        "name": name,
        "trials": trials,
        "question": question,
        "plugins": plugins,
    }
    import_configurations(source, study=study, best=best, space=found, values=values, console=Console())
