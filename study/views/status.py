"""`cops status`: studies as their records describe them."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from cops_core.trainers import ACCURACY, IMAGES, Measure
from search_spaces.question.rates import best_per_method
from study.analysis.ablations import study_ablations
from study.analysis.comparisons import comparisons
from study.analysis.configurations import ConfigurationResult, by_configuration, choosing, comparable
from study.analysis.fairness import Choice, choices
from study.analysis.fairness_words import warnings
from study.analysis.judged import MethodTable, study_methods
from study.console import print_line
from study.records.evaluations import read_evaluations
from study.records.lease import holder
from study.records.runs import read_runs
from study.records.store import StudyStore, find_study, studies
from study.records.tables import additions
from study.records.trial import FAILURES, StudyTrial
from study.settings import Settings, parse_settings
from study.views.ablations import ablations_content
from study.views.answer import print_best
from study.views.methods import methods_content
from study.views.tables import failure_table

# running: a process runs it now. complete: every trial of the plan has ended. unfinished: it can be
# resumed. closed: its best configurations have been evaluated on the test images.
State = Literal["running", "complete", "unfinished", "closed"]


def show_status(
    console: Console, storage_uri: str, name: str | None, *, as_json: bool, logs: bool = False
) -> None:
    """Print all studies of a storage, or one of them.

    Args:
        console: Where they are printed.
        storage_uri: A folder or a URI.
        name: The study; None for all.
        as_json: Whether one JSON object is printed, instead of tables.
        logs: Whether the log of each failure is printed, with its traceback. Only for one study.

    Raises:
        InputError: The study does not exist.
    """
    if name is not None:
        store = find_study(storage_uri, name)
        trials = store.trials()
        content = summary(store, trials)
        if as_json:
            print_json(console, {**content, **details(store, trials)})
        else:
            _show_one(
                console,
                content,
                trials,
                parse_settings(store.record()["settings"]),
                read_runs(store),
                logs=logs,
            )
        return
    summaries = [summary(store, store.trials()) for store in studies(storage_uri)]
    if as_json:
        print_json(console, {"studies": summaries})
    else:
        if summaries:
            console.print(_overview(summaries))
        else:
            print_line(console, f"no studies in {storage_uri}")


def summary(store: StudyStore, trials: Sequence[StudyTrial]) -> dict[str, Any]:
    """Summarise a study as JSON values.

    Args:
        store: The study's folder.
        trials: All of its trials.

    Returns:
        Among others `trials`: the number of planned configurations. `ended`: how many of them have no trial
        that is running or can be resumed. `status`: the number of trials by status. `best`: see
        `choice_content`, with the Holm-adjusted `p_value` of the comparison with the rate's best; None for
        the best itself, with fewer than two common seeds, and between unequal numbers of configurations.
        `not_equal`: what is not equal between them, a line each. `methods`: see `methods_content`, only of
        studies that compare methods; `ablations`: see `ablations_content`, only of those of `cops ablate`.
        Both have no p-values of validation accuracies.
    """
    record, configurations = store.record(), by_configuration(trials)
    settings, running = parse_settings(record["settings"]), holder(store)
    evaluations, methods = read_evaluations(store), study_methods(configurations, settings)
    best = choices(best_per_method(comparable(configurations)), configurations)
    ablations = study_ablations(configurations, settings)
    compared = comparisons(best) if methods is None and ablations is None else []
    p_values, runs = {each.other.number: _finite(each.p_value) for each in compared}, read_runs(store)
    content: dict[str, Any] = {
        "name": store.name,
        "space": settings.space,
        "question": record["settings"]["question"],
        "state": state(settings, configurations, running=running is not None, closed=bool(evaluations)),
        "holder": running,
        "test_evaluations": evaluations,
        "started": record["started"],
        "trials": settings.trials,
        "seeds": settings.seeds,
        "ended": sum(all(trial.has_ended for trial in each.trials) for each in choosing(configurations)),
        "status": dict(Counter(trial.status for trial in trials)),
        "best": [
            {**choice_content(each, runs), "p_value": p_values.get(each.result.number)} for each in best
        ],
        "not_equal": warnings(best),
    }
    if ablations is not None:
        content["ablations"] = ablations_content(ablations, runs)
    return content if methods is None else {**content, "methods": methods_content(methods, runs)}


def details(store: StudyStore, trials: Sequence[StudyTrial]) -> dict[str, Any]:
    """Every configuration and every trial of a study, as JSON values."""
    more = additions(store)
    return {
        "configurations": [configuration_content(each, more.runs) for each in by_configuration(trials)],
        "all": [
            {
                **trial_content(trial),
                "run_id": more.runs.get(trial.name),
                "test_accuracy": more.tests.get(trial.name, trial.test_accuracy),
            }
            for trial in trials
        ],
    }


def state(
    settings: Settings, configurations: Sequence[ConfigurationResult], *, running: bool, closed: bool
) -> State:
    """The state of a study.

    Args:
        settings: The study's settings.
        configurations: All of its configurations.
        running: Whether a process runs it.
        closed: Whether it was evaluated on the test images.
    """
    if running:
        return "running"
    if closed:
        return "closed"
    methods = study_methods(configurations, settings)
    if methods is not None:
        return "complete" if _is_judged(settings, configurations, methods) else "unfinished"
    complete = len(configurations) >= settings.trials and all(
        all(trial.has_ended for trial in each.trials)
        and (
            len(each.trials) >= settings.seeds
            or each.status == "rejected"
            or (settings.racing and _races(each))
        )
        for each in configurations
    )
    return "complete" if complete else "unfinished"


def _is_judged(
    settings: Settings, configurations: Sequence[ConfigurationResult], methods: MethodTable
) -> bool:
    """Whether every configuration has been tried, and what was chosen has been trained on all fresh seeds."""
    if any(not trial.has_ended for each in configurations for trial in each.trials):
        return False
    if methods.is_judged:  # a method may have fewer configurations than planned
        return methods.is_complete
    tried = len(choosing(configurations)) >= settings.trials
    return tried and all(row.chosen is None for row in methods.rows)  # nothing can be chosen


def _races(each: ConfigurationResult) -> bool:
    """Whether it may have fewer seeds: not a baseline, and only if the rate is an axis."""
    return each.rate is not None and not each.trials[0].baseline


def choice_content(each: Choice, runs: Mapping[str, str]) -> dict[str, Any]:
    """A chosen configuration as JSON values, with how many were tried, and how many of these were stopped.

    Args:
        each: The configuration, with those from which it was chosen.
        runs: The ids of MLflow's runs by the trial's name.
    """
    return {
        **configuration_content(each.result, runs),
        "tried": each.budget,
        "stopped": each.stopped,
        "conditions": {name: each.shown(name) for name in each.conditions},
    }


def configuration_content(each: ConfigurationResult, runs: Mapping[str, str]) -> dict[str, Any]:
    """A configuration as JSON values, with its mean accuracy, deviation and 95 % interval over the seeds.

    With a trainer of one's own these are values of its `measure`. `judges`: the number of the configuration
    that it trains again on fresh seeds; null for a configuration from which validation chooses.
    `parameters`: what the sampler proposed. `learning_rate`: None with a trainer of one's own.

    Args:
        each: The configuration.
        runs: The ids of MLflow's runs by the trial's name.
    """
    found, first = each.interval, each.trials[0]
    several = found is not None and found.count > 1
    images = first.config.trainer == IMAGES and not first.rejected
    return {
        "configuration": each.number,
        "title": each.title,
        "rate": None if each.rate is None else str(each.rate),
        "method": each.method,
        "judges": each.judges,
        "status": each.status,
        "learning_rate": first.config.training.learning_rate if images else None,
        "parameters": first.parameters,
        "trials": [trial.name for trial in each.trials],
        "trial_numbers": [trial.number for trial in each.trials],
        "run_ids": [runs.get(trial.name) for trial in each.trials],
        "seeds": len(each.accuracies),
        "accuracies": {str(seed): accuracy for seed, accuracy in each.accuracies.items()},
        "validation_accuracy": _finite(each.mean),
        "measure": asdict(each.measure),
        "deviation": found.deviation if found is not None and several else None,
        "interval": (
            [found.mean - found.half_width, found.mean + found.half_width]
            if found is not None and several
            else None
        ),
        "density": _finite(each.density),
        "stored_bytes": _finite(each.stored_bytes),
        "trained_parameters": each.trained_parameters,
    }


def trial_content(trial: StudyTrial) -> dict[str, Any]:
    """A trial as JSON values."""
    return {
        "number": trial.number,
        "trial": trial.name,
        "configuration": trial.configuration,
        "seed_index": trial.seed_index,
        "judges": trial.judges,
        "status": trial.status,
        "reason": trial.reason,
        "log": trial.log or None,
        "reused_from": trial.reused_from or None,
        "method": trial.method,
        "validation_accuracy": _finite(trial.accuracy),
        "test_accuracy": trial.test_accuracy,
        "density": _finite(trial.density),
        "trained_parameters": trial.trained_parameters,
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def print_json(console: Console, content: dict[str, Any]) -> None:
    """Print JSON values."""
    # Without rich, which needs 12 s to lay out 5,000 trials.
    console.file.write(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _show_one(
    console: Console,
    content: dict[str, Any],
    trials: Sequence[StudyTrial],
    settings: Settings,
    runs: Mapping[str, str],
    *,
    logs: bool,
) -> None:
    console.print(_overview([content]))
    if content["holder"] is not None:
        print_line(console, f"running: {content['holder']}")
    if content["test_evaluations"]:
        count = len(content["test_evaluations"])
        times = "once" if count == 1 else f"{count} times"
        print_line(console, f"closed: evaluated on the test images {times}")
    failures = [trial for trial in trials if trial.status in FAILURES]
    if failures:
        console.print(failure_table(failures))
    for trial in failures if logs else ():
        console.rule(f"trial {trial.number}", align="left")
        print_line(console, trial.log.rstrip() or "no log")
    print_best(console, trials, settings, runs)


def _best(found: Sequence[dict[str, Any]]) -> tuple[dict[str, Any] | None, Measure]:
    """The best of some configurations, and the measure of all."""
    measure = Measure(**found[0]["measure"]) if found else ACCURACY
    return max(found, key=lambda row: measure.quality(row["validation_accuracy"]), default=None), measure


def _overview(summaries: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("study", "space", "state", "started", "ended", "status", "best"):
        table.add_column(heading)
    for study in summaries:
        counts = ", ".join(f"{count} {status}" for status, count in study["status"].items())
        best, measure = _best(study["best"])
        shown = "" if best is None else f"{best['method']} {best['validation_accuracy']:{measure.spec}}"
        table.add_row(
            study["name"],
            study["space"],
            study["state"],
            study["started"][:16].replace("T", " "),
            f"{study['ended']}/{study['trials']}",
            counts,
            shown,
        )
    return table
