"""Commands about components: compare scores, list spaces, check contracts."""

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
        int, typer.Option(help="Seed of the initial weights, the split and the scoring batch.")
    ] = 0,
    score: Annotated[
        list[str] | None,
        typer.Option(
            help="A score; repeat the option for more.",
            show_default="magnitude, snip, grasp, synflow, random",
            autocompletion=complete.scores,
        ),
    ] = None,
    density: Annotated[
        list[str] | None,
        typer.Option(
            help="Share of the weights that is kept; repeat the option for more.",
            show_default="0.1, 0.01, 0.001",
        ),
    ] = None,
    samples_per_class: Annotated[
        int, typer.Option(help="Training images of each class in the scoring batch.")
    ] = 10,
    initialization: Annotated[
        str,
        typer.Option(
            help="Distribution of the initial weights: xavier_normal or kaiming_normal.",
            autocompletion=complete.initializations,
        ),
    ] = "xavier_normal",
    validation_fraction: Annotated[
        str, typer.Option(help="Share of the training images that is held out for validation.")
    ] = "0.1",
    convention: Annotated[
        str,
        typer.Option(
            help="How scores are computed: as in the paper, or as in a widely used code base.",
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
    listed: Annotated[bool, typer.Option("--list", help="List the scores, and compute nothing.")] = False,
) -> None:
    """Compare scores without training: ranks, masks, layers, the price of control.

    Tables are printed. Tables and figures are written into a folder of the home,
    which is named after network, data set and seed.
    """
    from rich.console import Console

    if listed:
        from study.networks.registered import score_table

        use_plugins(plugin)
        Console().print(score_table())
        return

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
    space: Annotated[
        str | None,
        typer.Argument(
            help="A search space: its name, or its Python file. It is checked with all that it uses.",
            show_default="components are checked",
            autocompletion=complete.spaces,
        ),
    ] = None,
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
            help="With --address: the data set that is sent to every node.", autocompletion=complete.datasets
        ),
    ] = "digits",
    device: DeviceOption = "auto",
    home: HomeOption = HOME,
    tracking_uri: TrackingOption = None,
    score_cache: ScoreCacheOption = None,
    plugin: PluginOption = None,
    data: Annotated[
        bool,
        typer.Option("--data", help="Check the registered data sets too; downloads those that are missing."),
    ] = False,
    data_root: DataRootOption = None,
) -> None:
    """Check components by their contracts, a search space with all that it uses, or every node of a cluster.

    With SPACE, its networks are tried with its scores and arms on its data, as
    cops launch does. With --plugin, the components of these plugins are checked;
    without it, all registered ones. With --address, the nodes are checked. Each
    problem is one line, and the exit code is then not 0.
    """
    from rich.console import Console

    from cops_core.errors import InputError
    from cops_core.trial import DEFAULT_DATA_ROOT

    root = (data_root or DEFAULT_DATA_ROOT).expanduser()
    console = Console()
    if space is not None and address is not None:
        raise InputError("check a space or a cluster: leave out SPACE or --address")
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
    from study.networks.check import check_all, check_plugins, check_space

    if space is not None:
        raise typer.Exit(check_space(space, use_plugins(plugin), root, console))
    raise typer.Exit(
        check_plugins(plugin, root, console) if plugin else check_all(root, console, with_data=data)
    )


def spaces(plugin: PluginOption = None) -> None:
    """List the search spaces, with the trials, the question and the content of each.

    Spaces of plugins are listed too.
    """
    from rich.console import Console
    from rich.table import Table

    from search_spaces import SEARCH_SPACES

    use_plugins(plugin)
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("space", "trials", "question", "what it searches"):
        table.add_column(heading)
    for space in SEARCH_SPACES.values():
        table.add_row(space.name, str(space.trials), space.question.name, space.description)
    Console().print(table)
