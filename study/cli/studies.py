"""The command line. Thin: each command checks its words and makes one call."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from study.options import (
    HOME,
    DataRootOption,
    HomeOption,
    PluginOption,
    ScoreCacheOption,
    StorageOption,
    TrackingOption,
)

app = typer.Typer(
    help="Studies of pruning and freezing before training: COPS and FreezeNet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def launch(
    space: Annotated[
        str, typer.Argument(help="A space's name (see `cops spaces`), or the path of a space.py.")
    ],
    name: Annotated[str | None, typer.Option(help="The study's name. [default: the space's]")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Configurations in all, the anchors included. [default: the space's]")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Trials at a time. [default: as many as the machine carries]")
    ] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(help="GPUs for each trial, e.g. 0.5. [default: 1 where there is one]")
    ] = None,
    cpus_per_trial: Annotated[int, typer.Option(help="CPU cores, and torch threads, for each trial.")] = 1,
    seed: Annotated[int, typer.Option(help="Every random draw of the study derives from it.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each trial. [default: the space's]")] = None,
    rates: Annotated[
        str | None, typer.Option(help="Freezing rates, e.g. 0.95,0.99: methods are compared within each.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="pareto: accuracy and density together. smallest: fewest weights that keep --keep."
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(help="Share of the dense accuracy, with --objective smallest. [default: 0.99]"),
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster, e.g. auto. [default: this machine alone]")
    ] = None,
    data_root: DataRootOption = None,
    score_cache: ScoreCacheOption = None,
    plugin: PluginOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run; start and write nothing.")
    ] = False,
) -> None:
    """Run a study: anchors first, then what Optuna proposes, until all trials have ended."""
    from rich.console import Console

    from cops_core.cache import DEFAULT_CACHE
    from cops_core.plugins import find_plugins
    from cops_core.trainable import DEFAULT_DATA_ROOT
    from search_spaces import find_space
    from search_spaces.plugins import load_plugins
    from study.launch import launch as run_study
    from study.preflight import free_name
    from study.settings import choose_question, make_settings, parse_decimal, parse_rates, storage_uri

    plugins = find_plugins(plugin or ())
    load_plugins(plugins)
    found = find_space(space)
    question = choose_question(
        found.question,
        None if rates is None else parse_rates(rates),
        objective,
        None if keep is None else parse_decimal("--keep", keep),
    )
    settings = make_settings(
        space=space,
        name=name or free_name(found.name, storage_uri(home, storage)),
        trials=found.trials if trials is None else trials,
        question=question,
        seed=seed,
        epochs=epochs,
        concurrency=concurrency,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        home=home,
        storage=storage,
        tracking_uri=tracking_uri,
        address=address,
        data_root=data_root or DEFAULT_DATA_ROOT,
        score_cache=score_cache or DEFAULT_CACHE,
        plugins=plugins,
    )
    raise typer.Exit(run_study(found, settings, Console(), dry_run=dry_run))


@app.command()
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
    address: Annotated[str | None, typer.Option(help="A running Ray cluster, e.g. auto.")] = None,
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


@app.command()
def scores(
    model: Annotated[str, typer.Option(help="Network.")] = "lenet_300_100",
    dataset: Annotated[str, typer.Option(help="Data set.")] = "digits",
    seed: Annotated[int, typer.Option(help="Of the initial weights, the split and the scoring batch.")] = 0,
    score: Annotated[
        list[str] | None,
        typer.Option(help="A score; repeat for more. [default: magnitude, snip, grasp, synflow, random]"),
    ] = None,
    density: Annotated[
        list[str] | None,
        typer.Option(help="Kept share of the weights; repeat for more. [default: 0.1, 0.01, 0.001]"),
    ] = None,
    samples_per_class: Annotated[int, typer.Option(help="Training images of each class to score on.")] = 10,
    initialization: Annotated[
        str, typer.Option(help="Of the weights: xavier_normal, kaiming_normal.")
    ] = "xavier_normal",
    validation_fraction: Annotated[
        str, typer.Option(help="Share of the training images that is held out.")
    ] = "0.1",
    convention: Annotated[
        str, typer.Option(help="How scores are computed: paper, or as a widely used code base does it.")
    ] = "paper",
    device: Annotated[str, typer.Option(help="cpu, cuda or e.g. cuda:1.")] = "cpu",
    home: HomeOption = HOME,
    data_root: DataRootOption = None,
    score_cache: ScoreCacheOption = None,
    plugin: PluginOption = None,
) -> None:
    """Compare scores without training: ranks, masks, layers, the price of control."""
    from rich.console import Console

    from cops_core.cache import DEFAULT_CACHE
    from cops_core.plugins import find_plugins
    from cops_core.trainable import DEFAULT_DATA_ROOT
    from search_spaces.plugins import load_plugins
    from study.scores.question import make_score_study
    from study.scores.run import run_scores
    from study.settings import parse_decimal

    plugins = find_plugins(plugin or ())
    load_plugins(plugins)
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


@app.command()
def check(
    plugin: PluginOption = None,
    data: Annotated[
        bool, typer.Option("--data", help="The registered data sets too; fetches those that are not there.")
    ] = False,
    data_root: DataRootOption = None,
) -> None:
    """Hold components to their contracts: those of the plugins, without any all that are registered."""
    from rich.console import Console

    from cops_core.trainable import DEFAULT_DATA_ROOT
    from study.check import check_all, check_plugins

    root = (data_root or DEFAULT_DATA_ROOT).expanduser()
    console = Console()
    raise typer.Exit(
        check_plugins(plugin, root, console) if plugin else check_all(root, console, with_data=data)
    )


@app.command()
def spaces(plugin: PluginOption = None) -> None:
    """List the search spaces."""
    from rich.console import Console
    from rich.table import Table

    from cops_core.plugins import find_plugins
    from search_spaces import SEARCH_SPACES
    from search_spaces.plugins import load_plugins

    load_plugins(find_plugins(plugin or ()))
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("space", "trials", "asks", "what it searches"):
        table.add_column(heading)
    for space in SEARCH_SPACES.values():
        table.add_row(space.name, str(space.trials), type(space.question).__name__.lower(), space.description)
    Console().print(table)


@app.command()
def status(
    name: Annotated[
        str | None, typer.Argument(help="A study's name; all studies where it is left out.")
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Show the studies of a home, or one study's trials and best results."""
    from rich.console import Console

    from cops_core.plugins import find_plugins
    from search_spaces.plugins import load_plugins
    from study.settings import storage_uri
    from study.status import show_status

    load_plugins(find_plugins(plugin or ()))
    show_status(Console(), storage_uri(home, storage), name, as_json=json)


@app.command()
def unpack(
    source: Annotated[
        str, typer.Argument(help="An artefact's file, or the id of a trial's MLflow run.", metavar="FILE|RUN")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The new file. [default: SOURCE.dense.safetensors, here]")
    ] = None,
    home: HomeOption = HOME,
    tracking_uri: TrackingOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write the network of a trial as a plain dense state_dict (safetensors), for use elsewhere."""
    from rich.console import Console

    from cops_core.plugins import find_plugins
    from search_spaces.plugins import load_plugins
    from study.unpack import unpack as unpack_network

    plugins = find_plugins(plugin or ())
    load_plugins(plugins)
    extensions = {plugin.name: plugin.sha256 for plugin in plugins}
    unpack_network(
        source, out, home=home, tracking_uri=tracking_uri, extensions=extensions, console=Console()
    )


@app.command()
def ui(
    home: HomeOption = HOME,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000,
) -> None:
    """Browse every trial in MLflow's UI, on http://127.0.0.1:PORT, until Ctrl-C."""
    from study.ui import serve_ui

    serve_ui(home, port)


def main() -> None:
    """The console script: wrong input is one line on stderr and exit code 2, never a traceback."""
    from cops_core.errors import InputError

    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        message = " ".join(error.format_message().split())
        typer.echo(f"error: {message} (see cops --help, cops COMMAND --help)", err=True)
        sys.exit(2)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
