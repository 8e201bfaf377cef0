"""Commands that run a study: launch it, go on with it."""

from pathlib import Path
from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    HOME,
    MACHINE,
    QUESTION,
    SEARCH,
    AddressOption,
    ConcurrencyOption,
    DataRootOption,
    DeviceOption,
    EpochsOption,
    GpusOption,
    HomeOption,
    NameArgument,
    PluginOption,
    ScoreCacheOption,
    StorageOption,
    TrackingOption,
    TrialsOption,
    otherwise,
    use_plugins,
)

CheckpointOption = Annotated[
    float,
    typer.Option(help="Seconds between the checkpoints of a trial that runs.", rich_help_panel=MACHINE),
]
FailureOption = Annotated[
    float,
    typer.Option(help="More failures than this share of all trials end the study.", rich_help_panel=MACHINE),
]
CpusOption = Annotated[
    int, typer.Option(help="CPU cores, and torch threads, for each trial.", rich_help_panel=MACHINE)
]
# Of what a resumed study is not told anew.
BEFORE = "as before"
FreshOption = Annotated[
    bool,
    typer.Option(
        "--fresh",
        help="Run every trial, also those that another study has finished.",
        rich_help_panel=SEARCH,
    ),
]
EventsOption = Annotated[
    bool, typer.Option("--json", help="On stdout each event as one line of JSON, and nothing else.")
]


def launch(
    space: Annotated[
        str,
        typer.Argument(
            help="A space's name (see `cops spaces`), or the path of a space.py.",
            autocompletion=complete.spaces,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="The study's name.", show_default="the space's", rich_help_panel=QUESTION),
    ] = None,
    trials: TrialsOption = None,
    seed: Annotated[
        int, typer.Option(help="Every random draw of the study derives from it.", rich_help_panel=SEARCH)
    ] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            help="Trials of each configuration, on seeds that are the same for all.", rich_help_panel=QUESTION
        ),
    ] = 1,
    racing: Annotated[
        bool,
        typer.Option(
            "--racing/--no-racing",
            help="Later seeds only for configurations that can still win.",
            rich_help_panel=SEARCH,
        ),
    ] = True,
    sampler: Annotated[
        str,
        typer.Option(
            help="Who proposes: tpe, random, qmc, nsga2 or gp.",
            rich_help_panel=SEARCH,
            autocompletion=complete.samplers,
        ),
    ] = "tpe",
    stopping: Annotated[
        str | None,
        typer.Option(
            help="Early stopping of trials at the same rate: asha, hyperband or none.",
            show_default="asha",
            rich_help_panel=SEARCH,
            autocompletion=complete.stoppings,
        ),
    ] = None,
    epochs: EpochsOption = None,
    rates: Annotated[
        str | None,
        typer.Option(
            help="Freezing rates, e.g. 0.95,0.99: methods are compared within each.",
            show_default="the space's",
            rich_help_panel=QUESTION,
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="pareto: accuracy and --cost together. smallest: fewest weights that keep --keep.",
            show_default="the space's",
            rich_help_panel=QUESTION,
            autocompletion=complete.objectives,
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            help="Share of the dense accuracy, with --objective smallest.",
            show_default="0.99",
            rich_help_panel=QUESTION,
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            help="With --objective pareto: density, or bytes as stored.",
            show_default="density",
            rich_help_panel=QUESTION,
            autocompletion=complete.costs,
        ),
    ] = None,
    fresh: FreshOption = False,
    concurrency: ConcurrencyOption = None,
    gpus_per_trial: GpusOption = None,
    device: DeviceOption = "auto",
    cpus_per_trial: CpusOption = 1,
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
    json: EventsOption = False,
) -> None:
    """Run a study: anchors first, then proposals. The same again goes on where it was cut off.

    The space says what is searched. Trials run side by side on this machine, or
    on a cluster with --address; each is written down as it runs, and shown by
    cops status and cops ui. Ctrl-C ends the study cleanly, and nothing that has
    ended is run twice.
    """
    import sys

    from rich.console import Console

    from cops_core.cache import DEFAULT_CACHE
    from cops_core.errors import InputError
    from cops_core.trial import DEFAULT_DATA_ROOT
    from search_spaces import find_space
    from study.run.launch import launch as run_study
    from study.settings import (
        check_stopping,
        choose_question,
        make_settings,
        parse_decimal,
        parse_rates,
        parse_share,
    )

    if dry_run and json:
        raise InputError("--json is of a study that runs, --dry-run runs none: write one of them")
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
    events = sys.stdout if json else None
    raise typer.Exit(run_study(found, settings, Console(stderr=json), dry_run=dry_run, events=events))


def resume(
    name: NameArgument,
    trials: Annotated[int | None, otherwise(TrialsOption, BEFORE)] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run the trials that failed again.")] = False,
    fresh: FreshOption = False,
    concurrency: Annotated[int | None, otherwise(ConcurrencyOption, BEFORE)] = None,
    gpus_per_trial: Annotated[str | None, otherwise(GpusOption, BEFORE)] = None,
    device: Annotated[str | None, otherwise(DeviceOption, BEFORE)] = None,
    cpus_per_trial: Annotated[int | None, otherwise(CpusOption, BEFORE)] = None,
    checkpoint_every: Annotated[float | None, otherwise(CheckpointOption, BEFORE)] = None,
    failure_share: Annotated[float | None, otherwise(FailureOption, BEFORE)] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: Annotated[str | None, otherwise(TrackingOption, BEFORE)] = None,
    address: AddressOption = None,
    data_root: Annotated[Path | None, otherwise(DataRootOption, BEFORE)] = None,
    score_cache: Annotated[Path | None, otherwise(ScoreCacheOption, BEFORE)] = None,
    plugin: PluginOption = None,
    json: EventsOption = False,
) -> None:
    """Go on with a study where it was cut off, or with more trials; nothing is run twice.

    What a study is asked stays what it was; how much is run, on what and where
    may change. Trials that have ended stay, those that ran go on from their last
    checkpoint.
    """
    import sys

    from rich.console import Console

    from study.run.resume import resume as resume_study
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
            console=Console(stderr=json),
            events=sys.stdout if json else None,
        )
    )
