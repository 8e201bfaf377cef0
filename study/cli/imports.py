"""The command that restores an exported study, or imports the configurations of an Optuna study."""

from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    HOME,
    Given,
    HomeOption,
    PluginOption,
    StorageOption,
    TrackingOption,
    use_plugins,
    with_flags,
)

SPACE = "With --space"
# Options of a new study, apart from its space and name.
SETTINGS = ("trials", "epochs", "seed", "seeds", "sampler")
QUESTION = ("rates", "objective", "cost", "keep")


@with_flags(*SETTINGS, *QUESTION, panel=SPACE)
def import_(
    source: Annotated[
        str, typer.Argument(help="The SQLite file of an Optuna study, or sqlite:///FILE.", metavar="SOURCE")
    ],
    given: Given,
    name: Annotated[
        str | None,
        typer.Option(help="The new study's name.", show_default="that of the exported study"),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="Run the configurations of any Optuna study in a new study of this space.",
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
            help="How many of its configurations, the best first.",
            show_default="all",
            metavar="K",
            rich_help_panel=SPACE,
        ),
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    plugin: PluginOption = None,
) -> None:
    """Restore an exported study; or, with --space, run the configurations of any Optuna study.

    cops resume continues a restored study as if it had never been moved; its
    networks are not in the file. Imported configurations become the first
    proposals of a new study, which runs them itself: their values are not used.
    """
    from rich.console import Console

    from cops_core.errors import InputError

    plugins = use_plugins(plugin)
    new = {"study": study, "best": best, **given}
    if space is None:
        from study.exchange.import_study import import_study

        if unasked := [option for option, value in new.items() if value is not None]:
            raise InputError(f"--{unasked[0]} needs --space: write both, or neither")
        import_study(
            source, name=name, home=home, storage=storage, tracking_uri=tracking_uri, console=Console()
        )
        return
    from search_spaces import find_space
    from study.exchange.import_configurations import import_configurations
    from study.launch_settings import question_from

    if name is None:
        raise InputError("--space makes a new study: write its --name too")
    found = find_space(space)
    values = {
        **{flag: value for flag, value in given.items() if flag in SETTINGS},
        "home": home,
        "storage": storage,
        "tracking_uri": tracking_uri,
        "name": name,
        "question": question_from(found, {flag: given.get(flag) for flag in QUESTION}),
        "plugins": plugins,
    }
    import_configurations(source, study=study, best=best, space=found, values=values, console=Console())


import_.__name__ = "import"  # the command's name, which is a keyword of Python
