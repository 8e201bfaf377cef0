"""Commands about components: scores, spaces, and the contracts that all of them keep."""

from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    HOME,
    DataRootOption,
    DatasetOption,
    DeviceOption,
    HomeOption,
    ModelOption,
    PluginOption,
    ScoreCacheOption,
    StorageOption,
    TrackingOption,
    use_plugins,
)


def scores(
    model: ModelOption = "lenet_300_100",
    dataset: DatasetOption = "digits",
    seed: Annotated[
        int, typer.Option(help="Decides the initial weights, the split and the scoring batch.")
    ] = 0,
    score: Annotated[
        list[str] | None,
        typer.Option(
            help="A score; repeat for more.",
            show_default="magnitude, snip, grasp, synflow, random",
            autocompletion=complete.scores,
        ),
    ] = None,
    density: Annotated[
        list[str] | None,
        typer.Option(help="Kept share of the weights; repeat for more.", show_default="0.1, 0.01, 0.001"),
    ] = None,
    samples_per_class: Annotated[int, typer.Option(help="Training images of each class to score on.")] = 10,
    initialization: Annotated[
        str,
        typer.Option(
            help="How weights are drawn: xavier_normal or kaiming_normal.",
            autocompletion=complete.initializations,
        ),
    ] = "xavier_normal",
    validation_fraction: Annotated[
        str, typer.Option(help="Share of the training images that is held out.")
    ] = "0.1",
    convention: Annotated[
        str,
        typer.Option(
            help="How scores are computed: paper, or as a widely used code base does it.",
            autocompletion=complete.conventions,
        ),
    ] = "paper",
    device: Annotated[
        str,
        typer.Option(
            help="Where scores are computed: cpu, cuda or e.g. cuda:1.", autocompletion=complete.devices
        ),
    ] = "cpu",
    home: HomeOption = HOME,
    data_root: DataRootOption = None,
    score_cache: ScoreCacheOption = None,
    plugin: PluginOption = None,
) -> None:
    """Compare scores without training: ranks, masks, layers, the price of control.

    Tables are printed and written, with figures, into a folder of the home that
    is named after network, data set and seed.
    """
    from rich.console import Console

    from cops_core.cache import DEFAULT_CACHE
    from cops_core.errors import parse_decimal
    from cops_core.trial import DEFAULT_DATA_ROOT
    from study.scores.question import make_score_study
    from study.scores.run import run_scores

    plugins = use_plugins(plugin)
    asked = make_score_study(
        scores=score,
        densities=density,
        samples_per_class=samples_per_class,
        convention=convention,
        model=model,
        dataset=dataset,
        seed=seed,
        initialization=initialization,
        validation_fraction=parse_decimal("--validation-fraction", validation_fraction),
    )
    run_scores(
        asked,
        home=home,
        data_root=data_root or DEFAULT_DATA_ROOT,
        device=device,
        score_cache=score_cache or DEFAULT_CACHE,
        extensions={plugin.name: plugin.sha256 for plugin in plugins},
        console=Console(),
    )


def check(
    address: Annotated[
        str | None,
        typer.Option(
            help="A running Ray cluster, e.g. auto: its nodes are checked.",
            show_default="components are checked",
        ),
    ] = None,
    storage: StorageOption = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="With --address: a data set that is to reach every node.", autocompletion=complete.datasets
        ),
    ] = "digits",
    device: DeviceOption = "auto",
    home: HomeOption = HOME,
    tracking_uri: TrackingOption = None,
    score_cache: ScoreCacheOption = None,
    plugin: PluginOption = None,
    data: Annotated[
        bool,
        typer.Option("--data", help="Check the registered data sets too; fetches those that are not there."),
    ] = False,
    data_root: DataRootOption = None,
) -> None:
    """With --address: is every node of a cluster fit? Without: do components keep their contracts?

    Of components those of the plugins are checked, without any plugin all that
    are registered. What is wrong is a line each; the exit code is then not 0.
    """
    from rich.console import Console

    from cops_core.trial import DEFAULT_DATA_ROOT

    root = (data_root or DEFAULT_DATA_ROOT).expanduser()
    console = Console()
    if address is not None:
        from cops_core.cache import DEFAULT_CACHE
        from study.places import storage_uri, tracking, whole_path
        from study.run.ray.fitness.command import check_cluster

        raise typer.Exit(
            check_cluster(
                address=address,
                storage=storage_uri(home, storage),
                tracking=tracking(home, tracking_uri),
                home=home,
                data_root=root,
                dataset=dataset,
                score_cache=whole_path(score_cache or DEFAULT_CACHE),
                plugins=use_plugins(plugin),
                device=device,
                console=console,
            )
        )
    from study.networks.check import check_all, check_plugins

    raise typer.Exit(
        check_plugins(plugin, root, console) if plugin else check_all(root, console, with_data=data)
    )


def spaces(plugin: PluginOption = None) -> None:
    """List the search spaces: how many trials each has, what it asks, what it searches.

    Those of plugins are among them.
    """
    from rich.console import Console
    from rich.table import Table

    from search_spaces import SEARCH_SPACES

    use_plugins(plugin)
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("space", "trials", "asks", "what it searches"):
        table.add_column(heading)
    for space in SEARCH_SPACES.values():
        table.add_row(space.name, str(space.trials), space.question.name, space.description)
    Console().print(table)
