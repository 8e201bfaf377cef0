"""Commands that run a study: launch it, go on with it."""

from typing import Annotated

import typer

from study.cli.options import (
    HOME,
    AddressOption,
    DataRootOption,
    DeviceOption,
    GpusOption,
    HomeOption,
    NameArgument,
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
