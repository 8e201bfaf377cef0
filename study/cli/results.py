"""Commands about results: compare them, show one in full, take them elsewhere and back."""

from typing import Annotated

import typer

from study.cli.options import HOME, HomeOption, PluginOption, StorageOption, TrackingOption, use_plugins

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
