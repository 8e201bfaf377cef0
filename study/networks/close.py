"""`cops close`: the only evaluation on the test images, of configurations that validation chose."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cops_core.artifact import load_artifact
from cops_core.data import Part, load_split
from cops_core.errors import InputError
from cops_core.freeze_net import FreezeNet
from cops_core.own_trial import evaluate_stored
from cops_core.placement import placement_of
from cops_core.train import evaluate
from cops_core.trainers import IMAGES, Measure, trainer_of
from study.analysis.configurations import ConfigurationResult, by_configuration, comparable
from study.analysis.fairness import Choice, choices
from study.analysis.fairness_words import trial_numbers
from study.analysis.statistics import interval
from study.console import print_line
from study.provenance import git_commit
from study.records.evaluations import EVALUATIONS, EvaluatedTrial, Evaluation, read_evaluations
from study.records.lease import Lease
from study.records.store import StudyStore, no_study
from study.records.trial import COMPARABLE, OPEN, StudyTrial
from study.views.answer import print_unequal


def close_study(
    store: StudyStore, *, top: int, data_root: Path, extensions: Mapping[str, str], console: Console
) -> list[EvaluatedTrial]:
    """Evaluate the best configurations and all baselines on the test images, and record the results.

    A study that was closed before is evaluated once more; the output then says so.

    Args:
        store: The study's folder.
        top: How many of the best configurations at each rate are evaluated, at least 1.
        data_root: The folder for downloads.
        extensions: Names and SHA-256 of the loaded plugins.
        console: Receives the results.

    Returns:
        The result of each evaluated trial.

    Raises:
        InputError: There is no such study, it runs or has trials that have not ended, no trial finished,
            or the data or a plugin differs from those that the trials used.
    """
    if top < 1:
        raise InputError(f"--top {top} chooses nothing: write 1 or more")
    if not store.exists:
        raise no_study(store)
    with Lease(store):
        trials = store.trials()
        check_ended(store.name, trials)
        configurations = by_configuration(trials)
        chosen = choose(configurations, top)
        if not chosen:
            raise InputError(
                f"study {store.name!r} has no finished trial to evaluate: see `cops status {store.name}`"
            )
        results, left_out = _evaluate_all(store, chosen, data_root.expanduser(), extensions)
        evaluation = _write_evaluation(store, top, results, left_out)
    _print_evaluation(console, evaluation, choices(chosen, configurations), left_out)
    planned = store.record()["settings"]["trials"]
    started = len({trial.configuration for trial in trials})
    if started < planned:
        print_line(console, f"the study ends with {started} of its {planned} planned configurations")
    return results


def check_ended(name: str, trials: Sequence[StudyTrial]) -> None:
    """Check that every trial of a study has ended.

    Raises:
        InputError: Some have not.
    """
    waiting = sum(trial.status in OPEN for trial in trials)
    if waiting:
        raise InputError(
            f"study {name!r} has not ended, {waiting} of its trials are unfinished:"
            f" finish it with `cops resume {name}`, then close it"
        )


def choose(configurations: Sequence[ConfigurationResult], top: int) -> list[ConfigurationResult]:
    """Choose the best configurations of each rate by mean validation accuracy or measure, and all baselines.

    Only complete trainings with the most seeds are compared. Of the configurations of a baseline, and of the
    dense network, the best one is chosen: so the dense ones do not displace the others in a study without
    rates.

    Args:
        configurations: Of the study, in their order.
        top: How many of each group are chosen.

    Returns:
        The chosen configurations, in their order.
    """
    groups: dict[tuple[Any, bool], list[ConfigurationResult]] = {}
    baselines: dict[tuple[Any, str], list[ConfigurationResult]] = {}
    for found in configurations:
        if found.status == "rejected":
            continue  # it has no configuration
        dense = found.trials[0].config.arm == "dense"
        groups.setdefault((found.rate, dense), []).append(found)
        if found.trials[0].baseline:
            baselines.setdefault((found.freezing_rate, found.method), []).append(found)
    numbers = {(_ranked(group) or group)[0].number for group in baselines.values()}
    for (_, dense), group in groups.items():
        numbers |= {found.number for found in _ranked(group)[: 1 if dense else top]}
    return [found for found in configurations if found.number in numbers]


def _ranked(group: Sequence[ConfigurationResult]) -> list[ConfigurationResult]:
    """The comparable ones, the best on validation first; of equals the first."""
    return sorted(comparable(group), key=lambda found: -found.quality)


def _evaluate_all(
    store: StudyStore, chosen: Sequence[ConfigurationResult], root: Path, extensions: Mapping[str, str]
) -> tuple[list[EvaluatedTrial], dict[str, str]]:
    """The test accuracies of the trials, in their order; and why trials have none, by name."""
    trials = [trial for found in chosen for trial in found.trials]
    left_out = {t.name: f"it is {t.status}" for t in trials if t.status not in COMPARABLE}
    ready = [trial for trial in trials if trial.name not in left_out]
    check_same_data(ready, root)
    accuracies: dict[str, float] = {}
    for trial in (trial for trial in ready if trial.config.trainer != IMAGES):
        if isinstance(stored := _artifact(store, trial), str):
            left_out[trial.name] = stored
        else:
            check_plugins(trial, extensions)
            accuracies[trial.name] = evaluate_stored(trial.config, stored, "test")
    ready = [trial for trial in ready if trial.config.trainer == IMAGES]
    # All trials of a seed use the same test part, since the normalisation depends on the seed.
    for _, group in groupby(sorted(ready, key=_split_key), key=_split_key):
        same = list(group)
        config = same[0].config
        split = load_split(config.dataset, root, config.seed, config.validation_fraction)
        part: Part | None = None
        for trial in same:
            if trial.status == "collapsed":  # its output is the same for every image
                accuracies[trial.name] = 1 / split.data.classes
            elif isinstance(content := _artifact(store, trial), str):
                left_out[trial.name] = content
            else:
                part = part or split.test()
                accuracies[trial.name] = _accuracy(store, trial, content, part, extensions)
    evaluated = (trial for trial in trials if trial.name in accuracies)
    return [_result(trial, accuracies[trial.name]) for trial in evaluated], left_out


def _split_key(trial: StudyTrial) -> tuple[Any, ...]:
    return trial.config.dataset, trial.config.seed, trial.config.validation_fraction


def check_same_data(trials: Iterable[StudyTrial], root: Path) -> None:
    """Check that data sets are those that trials used.

    Args:
        trials: The trials.
        root: The folder for downloads.

    Raises:
        InputError: A data set or a trainer's data differ, or cannot be loaded.
    """
    for trial in trials:
        config = trial.config
        if config.trainer == IMAGES:
            split = load_split(config.dataset, root, config.seed, config.validation_fraction)
            sha256 = split.data.sha256
        else:
            sha256 = trainer_of(config.trainer, config.settings).data_sha256()
        if sha256 != trial.data_sha256 and config.trainer != IMAGES:
            raise InputError(
                f"the data of trainer {config.trainer!r} are not those that trial {trial.number} used (their"
                " SHA-256 differs): evaluate where they are the same"
            )
        if sha256 != trial.data_sha256:
            raise InputError(
                f"data set {config.dataset!r} in {root} is not the one that trial {trial.number} used (its"
                " SHA-256 differs): write the right --data-root"
            )


def check_plugins(trial: StudyTrial, extensions: Mapping[str, str]) -> None:
    """Check that plugins are those that a trial used.

    Args:
        trial: The trial.
        extensions: Names and SHA-256 of the loaded plugins.

    Raises:
        InputError: One has another version.
    """
    for name, sha256 in trial.plugins.items():
        if extensions.get(name, sha256) != sha256:
            raise InputError(
                f"trial {trial.number} used another version of the plugin {name!r}: load that one"
            )


def _artifact(store: StudyStore, trial: StudyTrial) -> bytes | str:
    """The trial's artefact, or why there is none."""
    kept = trial.artifact
    if kept is None:
        return f"no artefact ({trial.artifact_missing or 'none was written'})"
    try:
        content = store.read(kept["file"])
    except FileNotFoundError:
        return f"no artefact ({kept['file']} is gone)"
    return content if hashlib.sha256(content).hexdigest() == kept["sha256"] else "its artefact was altered"


def _accuracy(
    store: StudyStore, trial: StudyTrial, content: bytes, part: Part, extensions: Mapping[str, str]
) -> float:
    """The accuracy of an artefact's network, computed as after each epoch of the training."""
    assert trial.artifact is not None  # its content is there
    model = load_artifact(content, extensions, name=f"{store.path}/{trial.artifact['file']}").model
    # The model has all weights already, so that no mask is needed.
    precision = trial.config.training.precision
    memory_format = placement_of(part.labels.device, model, precision).memory_format
    return evaluate(FreezeNet(model, None), part, precision, memory_format)[1]


def _result(trial: StudyTrial, accuracy: float) -> EvaluatedTrial:
    return {
        "trial": trial.name,
        "configuration": trial.configuration,
        "seed_index": trial.seed_index,
        "method": trial.config.method,
        "rate": None if trial.rate is None else str(trial.rate),
        "validation_accuracy": trial.accuracy,
        "test_accuracy": accuracy,
    }


def _write_evaluation(
    store: StudyStore, top: int, results: Sequence[EvaluatedTrial], left_out: Mapping[str, str]
) -> Evaluation:
    """Record this evaluation after the earlier ones."""
    earlier = read_evaluations(store)
    evaluation: Evaluation = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "evaluation": len(earlier) + 1,
        "top": top,
        "commit": git_commit(),
        "results": list(results),
        "not_evaluated": dict(left_out),
    }
    store.write_json(EVALUATIONS, [*earlier, evaluation])
    return evaluation


def _print_evaluation(
    console: Console,
    evaluation: Evaluation,
    chosen: Sequence[Choice],
    left_out: Mapping[str, str],
) -> None:
    """Print validation and test accuracies by rate, the best on validation first, and what is not equal."""
    if evaluation["evaluation"] > 1:
        print_line(
            console,
            f"this is evaluation {evaluation['evaluation']} on the test images:"
            " they are not a fair test of a choice that depends on an earlier evaluation",
        )
    table = Table(
        title="chosen on validation, evaluated on test",
        title_justify="left",
        box=None,
        header_style="dim",
        pad_edge=False,
    )
    for heading in ("rate", "method", "tried", "validation", "test", "trials"):
        table.add_column(heading, no_wrap=heading not in ("method", "trials"), overflow="fold")
    by_number: dict[int, list[float]] = {}
    for one in evaluation["results"]:
        by_number.setdefault(one["configuration"], []).append(one["test_accuracy"])
    ranked = sorted((each for each in chosen if each.result.number in by_number), key=_place)
    for each in ranked:
        found = each.result
        table.add_row(
            "" if found.rate is None else str(found.rate),
            found.title if found.rate is None else found.detailed_method,
            each.shown_budget,
            _shown(list(found.accuracies.values()), found.measure),
            _shown(by_number[found.number], found.measure),
            trial_numbers(each),
        )
    console.print(table)
    print_unequal(console, ranked)
    for name, reason in left_out.items():
        print_line(console, f"not evaluated: {name}, {reason}")


def _place(each: Choice) -> tuple[float, float]:
    """Its place in the table: by rate, then the best on validation first."""
    found = each.result
    return -1.0 if found.rate is None else float(found.rate), -found.quality


def _shown(values: Sequence[float], measure: Measure) -> str:
    """A mean with its interval; a single value as it is."""
    spec = measure.spec
    return f"{interval(values):{spec}}" if len(values) > 1 else f"{values[0]:{spec}}"
