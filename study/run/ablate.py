"""`cops ablate`: trains a trial and its ablations on fresh seeds, and says what carries its result."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pydantic import ValidationError
from rich.console import Console

from cops_core.ablation import MASK_ABLATIONS
from cops_core.config import Selection, TrialConfig
from cops_core.errors import InputError
from cops_core.plugins import Plugin
from cops_core.streams import derive_seed
from search_spaces.question import Ablate
from study.console import print_line
from study.networks.close import check_plugins, check_same_data
from study.places import DEFAULT_HOME, storage_uri
from study.records.named_trial import named_trial
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.run.driver import run_study
from study.run.launch import check_resumable
from study.run.outcome import COMPLETE
from study.run.preflight import check_data, check_home, check_score_cache
from study.run.summary import print_summary, write_summary
from study.search.repeated_plan import RepeatedPlan
from study.settings import Settings, make_settings, parse_settings, setting_flags

SEEDS = 5  # unless a launch says how many
LEAST_SEEDS = 2  # for an interval


def ablation_settings(
    name: str, seeds: int, given: Mapping[str, Any], plugins: tuple[Plugin, ...]
) -> Settings:
    """The settings of a study of a trial's ablations.

    Args:
        name: The trial: `STUDY/NUMBER`.
        seeds: The number of fresh seeds, at least 2.
        given: Settings by name, as the user wrote them: the study's name, the machine, the places. Those of
            the machine and the places that a resumed study keeps are those of the trial's study.
        plugins: The loaded plugins.

    Returns:
        The settings. Their seed is that of the trial's study.

    Raises:
        InputError: There is no such trial, it has no ablations, or a value is wrong.
    """
    if seeds < LEAST_SEEDS:
        raise InputError(f"--seeds {seeds} has no interval: write {LEAST_SEEDS} or more")
    store, trial = named_trial(name, storage_uri(given.get("home", DEFAULT_HOME), given.get("storage")))
    (unchanged, *_) = configs = ablations_of(store.name, trial)
    before = parse_settings(store.record()["settings"])
    kept = {key: getattr(before, key) for key, flag in setting_flags().items() if flag.changes == "kept"}
    sizes = {"trials": len(configs), "seeds": seeds, "racing": False, "per_method": None}
    reference = f"{store.name}/{trial.number}"
    assert unchanged.freezing_rate is not None
    own = {
        "kind": "ablate",
        "space": reference,
        "name": f"ablate-{store.name}-{trial.number}",
        "question": Ablate((unchanged.freezing_rate,), reference),
        "seed": before.seed,
        "plugins": plugins,
    }
    return make_settings(**{**kept, **sizes, **own, **given})


def ablations_of(study: str, trial: StudyTrial) -> list[TrialConfig]:
    """The configurations of a trial and of its ablations, evaluated on the test part.

    Args:
        study: The name of the trial's study.
        trial: The trial.

    Returns:
        The unchanged configuration first, then one for each ablation with which its selection can be
        combined. Their seeds are to be set.

    Raises:
        InputError: The trial has no mask, removes nothing, is an ablation, or did not finish.
    """
    name, config = f"trial {trial.number} of {study!r}", trial.config
    selection = config.selection
    if trial.status != "finished":
        raise InputError(f"{name} is {trial.status.replace('_', ' ')}: name a trial that has finished")
    if selection is None:
        raise InputError(f"{name} is dense, without a mask that could be changed: name a trial with a mask")
    if selection.ablation != "none":
        raise InputError(
            f"{name} is itself an ablation ({selection.ablation}): name the trial that it changes"
        )
    if config.density == 1:
        raise InputError(f"{name} keeps every weight, so that its mask has no places: name a sparser trial")
    made = (_changed(config, selection, ablation) for ablation in MASK_ABLATIONS)
    return [each for each in made if each is not None]


def _changed(config: TrialConfig, selection: Selection, ablation: str) -> TrialConfig | None:
    """The configuration with this ablation; None if its selection cannot be combined with it.

    So weights that are rewound to a later epoch have no other initial values.
    """
    try:
        changed = Selection.model_validate({**dict(selection), "ablation": ablation})
    except ValidationError:
        return None
    return config.changed(selection=changed, test=True)


def ablate(
    settings: Settings, console: Console, *, dry_run: bool = False, events: TextIO | None = None
) -> int:
    """Run a study of a trial's ablations to its end, or resume it. Failed trials are run again.

    Args:
        settings: The study's, see `ablation_settings`.
        console: Shows the progress and the results.
        dry_run: Print what would run; start and write nothing.
        events: See `launch`.

    Returns:
        The exit code (see `study.run.outcome`).

    Raises:
        InputError: The trial cannot be repeated here, or the study of this name has other settings or is run
            by another process. Raised before any trial starts.
    """
    started = time.monotonic()
    store = StudyStore(settings.storage_uri, settings.name)
    assert isinstance(settings.question, Ablate)
    source, trial = named_trial(settings.question.trial, settings.storage_uri)
    configs = ablations_of(source.name, trial)
    check_plugins(trial, {plugin.name: plugin.sha256 for plugin in settings.plugins})

    def make_plan(recorded: Sequence[StudyTrial]) -> RepeatedPlan:
        check_resumable(store, settings)
        plan = RepeatedPlan(settings.name, configs, ablation_seeds(settings))
        if not dry_run:
            check_same_data([trial], settings.data_root)
            check_data(plan.every, settings.data_root)
        return plan

    if dry_run:
        _print_plan(console, settings, trial, make_plan(()), store.trials() if store.exists else ())
        return COMPLETE
    check_home(settings.home)
    check_score_cache(settings.score_cache)
    again = settings.model_copy(update={"retry": True})
    outcome = run_study(make_plan, again, store, console, events, started)
    seconds = time.monotonic() - started
    if events is not None:
        write_summary(events, store, settings, outcome.run, seconds, outcome.problems, outcome.exit_code)
    else:
        print_summary(console, store, settings, outcome.run, seconds)
        outcome.print_problems(console)
    return outcome.exit_code


def ablation_seeds(settings: Settings) -> list[int]:
    """The 32-bit seeds of all trials: no other trial of a study has them, neither to choose nor to be judged.

    Args:
        settings: The ablation study's.
    """
    return [derive_seed(settings.seed, "ablated trial", index) for index in range(settings.seeds)]


def _print_plan(
    console: Console,
    settings: Settings,
    trial: StudyTrial,
    plan: RepeatedPlan,
    recorded: Sequence[StudyTrial],
) -> None:
    """Print what would run."""
    left = plan.size - sum(each.has_ended for each in recorded)
    config = trial.config
    seeds = ", ".join(str(seed) for seed in ablation_seeds(settings))
    lines = [
        f"study {settings.name}: {settings.space} and its ablations, {left} of {plan.size} trials to run",
        f"  {trial.title}: {config.subject}, {config.training.epochs} epochs",
        f"  {settings.seeds} fresh seeds, the same for all, evaluated on test: {seeds}",
        f"  records in {settings.storage_uri}/{settings.name}, MLflow at {settings.tracking}",
        *(f"  {each.detailed_method}" for each in plan.samples),
    ]
    for line in lines:
        print_line(console, line)
