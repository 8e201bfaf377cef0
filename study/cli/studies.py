"""Commands about studies: run one, go on with it, stop it, judge it, look at it."""

from typing import Annotated

import typer

from study.cli.options import (
    HOME,
    AddressOption,
    DataRootOption,
    DeviceOption,
    GpusOption,
    HomeOption,
    PluginOption,
    ScoreCacheOption,
    StorageOption,
    TrackingOption,
    use_plugins,
)

CheckpointOption = Annotated[
    float, typer.Option(help="Seconds between the checkpoints of a trial that runs.", show_default=True)
]
FailureOption = Annotated[
    float, typer.Option(help="More failures than this share of all trials end the study.", show_default=True)
]
ConcurrencyOption = Annotated[
    int | None, typer.Option(help="Trials at a time. [default: as many as the machine carries]")
]
NameArgument = Annotated[str, typer.Argument(help="The study's name.")]


def launch(
    space: Annotated[
        str, typer.Argument(help="A space's name (see `cops spaces`), or the path of a space.py.")
    ],
    name: Annotated[str | None, typer.Option(help="The study's name. [default: the space's]")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Configurations in all, the anchors included. [default: the space's]")
    ] = None,
    concurrency: ConcurrencyOption = None,
    gpus_per_trial: GpusOption = None,
    device: DeviceOption = "auto",
    cpus_per_trial: Annotated[int, typer.Option(help="CPU cores, and torch threads, for each trial.")] = 1,
    seed: Annotated[int, typer.Option(help="Every random draw of the study derives from it.")] = 0,
    seeds: Annotated[
        int, typer.Option(help="Trials of each configuration, on seeds that are the same for all.")
    ] = 1,
    racing: Annotated[
        bool,
        typer.Option("--racing/--no-racing", help="Later seeds only for configurations that can still win."),
    ] = True,
    sampler: Annotated[str, typer.Option(help="Who proposes: tpe, random, qmc, nsga2 or gp.")] = "tpe",
    stopping: Annotated[
        str | None,
        typer.Option(
            help="Early stopping of trials at the same rate: asha, hyperband or none. [default: asha]"
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each trial. [default: the space's]")] = None,
    rates: Annotated[
        str | None, typer.Option(help="Freezing rates, e.g. 0.95,0.99: methods are compared within each.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="pareto: accuracy and --cost together. smallest: fewest weights that keep --keep."),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(help="Share of the dense accuracy, with --objective smallest. [default: 0.99]"),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(help="With --objective pareto: density, or bytes as stored. [default: density]"),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every trial, also those that another study has finished.")
    ] = False,
    checkpoint_every: CheckpointOption = 30.0,
    failure_share: FailureOption = 0.25,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    data_root: DataRootOption = None,
    score_cache: ScoreCacheOption = None,
    plugin: PluginOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run; start and write nothing.")
    ] = False,
) -> None:
    """Run a study: anchors first, then proposals. The same again goes on where it was cut off."""
    from rich.console import Console

    from cops_core.cache import DEFAULT_CACHE
    from cops_core.trainable import DEFAULT_DATA_ROOT
    from search_spaces import find_space
    from study.conduct import launch as run_study
    from study.settings import (
        check_stopping,
        choose_question,
        make_settings,
        parse_decimal,
        parse_rates,
        parse_share,
    )

    plugins = use_plugins(plugin)
    found = find_space(space)
    question = choose_question(
        found.question,
        None if rates is None else parse_rates(rates),
        objective,
        None if keep is None else parse_decimal("--keep", keep),
        cost,
    )
    check_stopping(stopping, question)
    settings = make_settings(
        space=found.word,
        name=name or found.name,
        trials=found.trials if trials is None else trials,
        question=question,
        seed=seed,
        seeds=seeds,
        racing=racing,
        sampler=sampler,
        stopping=stopping or "asha",
        epochs=epochs,
        fresh=fresh,
        checkpoint_every=checkpoint_every,
        failure_share=failure_share,
        concurrency=concurrency,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=None if gpus_per_trial is None else parse_share(gpus_per_trial),
        device=device,
        home=home,
        storage=storage,
        tracking_uri=tracking_uri,
        address=address,
        data_root=data_root or DEFAULT_DATA_ROOT,
        score_cache=score_cache or DEFAULT_CACHE,
        plugins=plugins,
    )
    raise typer.Exit(run_study(found, settings, Console(), dry_run=dry_run))


def resume(
    name: NameArgument,
    trials: Annotated[
        int | None, typer.Option(help="Configurations in all, the anchors included. [default: as before]")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run the trials that failed again.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run every trial, also those that another study has finished.")
    ] = False,
    concurrency: ConcurrencyOption = None,
    gpus_per_trial: GpusOption = None,
    device: Annotated[
        str | None, typer.Option(help="auto, or cpu, as with cops launch. [default: as before]")
    ] = None,
    cpus_per_trial: Annotated[
        int | None, typer.Option(help="CPU cores, and torch threads, for each trial. [default: as before]")
    ] = None,
    checkpoint_every: Annotated[
        float | None,
        typer.Option(help="Seconds between the checkpoints of a trial that runs. [default: as before]"),
    ] = None,
    failure_share: Annotated[
        float | None,
        typer.Option(help="More failures than this share of all trials end the study. [default: as before]"),
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    address: AddressOption = None,
    data_root: DataRootOption = None,
    score_cache: ScoreCacheOption = None,
    plugin: PluginOption = None,
) -> None:
    """Go on with a study where it was cut off, or with more trials; nothing is run twice."""
    from rich.console import Console

    from study.resume import resume as resume_study
    from study.settings import parse_share

    plugins = use_plugins(plugin)
    changes = {
        "trials": trials,
        "concurrency": concurrency,
        "gpus_per_trial": None if gpus_per_trial is None else parse_share(gpus_per_trial),
        "device": device,
        "cpus_per_trial": cpus_per_trial,
        "checkpoint_every": checkpoint_every,
        "failure_share": failure_share,
        "tracking_uri": tracking_uri,
        "data_root": data_root,
        "score_cache": score_cache,
    }
    raise typer.Exit(
        resume_study(
            name,
            home=home,
            storage=storage,
            address=address,
            fresh=fresh,
            retry=retry,
            changes={key: value for key, value in changes.items() if value is not None},
            plugins=plugins,
            console=Console(),
        )
    )


def stop(
    name: NameArgument,
    wait: Annotated[float, typer.Option(help="Seconds to wait for it to end.")] = 120.0,
    home: HomeOption = HOME,
    storage: StorageOption = None,
) -> None:
    """End a study that runs elsewhere, cleanly: its trials are kept, and go on when it is resumed."""
    from rich.console import Console

    from study.ledger.store import StudyStore
    from study.places import storage_uri
    from study.stop import request_stop

    ended = request_stop(StudyStore(storage_uri(home, storage), name), Console(), wait)
    raise typer.Exit(0 if ended else 1)


def close(
    name: NameArgument,
    top: Annotated[
        int, typer.Option(min=1, help="The best configurations at each rate that are judged.")
    ] = 3,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    data_root: DataRootOption = None,
    plugin: PluginOption = None,
) -> None:
    """Judge what validation chose on the test images, once, and close the study."""
    from rich.console import Console

    from study.judge import judge

    plugins = use_plugins(plugin)
    judge(
        name,
        top=top,
        home=home,
        storage=storage,
        tracking_uri=tracking_uri,
        data_root=data_root,
        extensions={plugin.name: plugin.sha256 for plugin in plugins},
        console=Console(),
    )


def status(
    name: Annotated[
        str | None, typer.Argument(help="A study's name; all studies where it is left out.")
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    logs: Annotated[
        bool, typer.Option("--logs", help="The log of each failure, tracebacks included.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Show the studies of a home, or one study's trials and best results."""
    from rich.console import Console

    from study.places import storage_uri
    from study.status import show_status

    use_plugins(plugin)
    show_status(Console(), storage_uri(home, storage), name, as_json=json, logs=logs)


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
