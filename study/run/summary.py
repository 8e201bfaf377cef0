"""The lines that are printed before and after a study."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from study.console import print_line
from study.places import find_flags
from study.records.runs import read_runs
from study.records.store import StudyStore
from study.records.trial import FAILURES, OPEN, StudyTrial
from study.run.progress.json_lines import write_event
from study.run.study_run import StudyRun
from study.search.search_plan import SearchPlan
from study.settings import Settings
from study.views.answer import print_best
from study.views.status import summary

MOST_FAILURES = 10
MOST_SEEDS = 5


def print_plan(console: Console, settings: Settings, plan: SearchPlan) -> None:
    """Print the settings, the data, the network and the trials in their order, for `--dry-run`.

    Args:
        console: Receives the lines.
        settings: The study's.
        plan: With the recorded trials.
    """
    base, count = plan.proposals.base, plan.configurations
    size = f"{count} trials"
    if settings.seeds > 1 or plan.size > count:
        size = f"{count} configurations with {settings.seeds} seeds, at most {plan.size} trials"
    print_line(console, f"study {settings.name}: space {settings.space}, seed {settings.seed}, {size}")
    seeds = [str(plan.seeds.value(index)) for index in range(settings.seeds)]
    shown = ", ".join(seeds[:MOST_SEEDS]) + (", ..." if len(seeds) > MOST_SEEDS else "")
    print_line(
        console,
        f"  {base.model} on {base.dataset}, {settings.epochs or base.training.epochs} epochs, "
        f"trial seed{'s' if len(seeds) > 1 else ''} {shown}",
    )
    print_line(console, f"  question: {plan.proposals.question}")
    print_line(console, f"  records in {settings.storage_uri}/{settings.name}, MLflow at {settings.tracking}")
    if plan.proposals.question.strata or settings.sampler == "grid":
        _print_methods(console, plan)
        return
    for number, config in enumerate(plan.baselines):
        print_line(console, f"  baseline: {StudyTrial(number=number, config=config).title}")
    left = count - sum(plan.is_baseline(slot) for slot in plan.queue.left)
    print_line(console, f"  then {left} proposals")


def _print_methods(console: Console, plan: SearchPlan) -> None:
    """Print each method with the number of its configurations, and what follows."""
    rates = len(plan.proposals.question.rates)
    counts = Counter(slot.group[0] for slot in plan.queue.left if slot.judges is None)
    for method in plan.proposals.methods.every:
        each = counts[method.name] if method.is_dense else counts[method.name] // rates
        where = f" at each of {rates} rates" if rates > 1 and not method.is_dense else ""
        print_line(console, f"  {method.name}: {each} configuration{'s' if each > 1 else ''}{where}")
    if plan.seeds.judging:
        print_line(console, f"  then the best of each on {plan.seeds.judging} fresh seeds, evaluated on test")


def print_summary(
    console: Console, store: StudyStore, settings: Settings, run: StudyRun, seconds: float
) -> None:
    """Print the results of a study, and the next commands.

    Args:
        console: Receives the lines.
        store: The study's folder.
        settings: The study's.
        run: The study, after its run.
        seconds: How long this launch ran.
    """
    trials = run.trials
    home = find_flags(settings.home)
    status = f"cops status {settings.name}{find_flags(settings.home, settings.storage)}"
    counts = f"{_progress(trials, settings.trials)} in {seconds:.0f} s: {_counts(trials, settings.name)}"
    print_line(console, f"{settings.name}: {counts}")
    print_failures(console, trials, status)
    print_artifacts(console, trials)
    reasons, resume = early_ends(run), resume_command(settings)
    for reason in reasons:
        print_line(console, f"the study ended early: {reason}")
    print_best(console, trials, settings, read_runs(store))
    print_scoring(console, trials)
    if any(trial.status in OPEN for trial in trials) and not any(resume in reason for reason in reasons):
        print_line(console, Text.assemble("resume with: ", (resume, "bold")))
    served = settings.tracking_uri is not None and settings.tracking_uri.startswith("http")
    browse = settings.tracking if served else f"cops ui{home}"
    print_line(
        console, Text.assemble("next: ", (browse, "bold"), " to browse every trial, ", (status, "bold"))
    )


def write_summary(
    events: TextIO,
    store: StudyStore,
    settings: Settings,
    run: StudyRun,
    seconds: float,
    problems: Sequence[str],
    exit_code: int,
) -> None:
    """Write the last JSON line: the study as `cops status NAME --json` shows it, and how this launch ended.

    Args:
        events: Receives the line.
        store: The study's folder.
        settings: The study's.
        run: The study, after its run.
        seconds: How long this launch ran.
        problems: What could not be written, a line for each problem.
        exit_code: Of the command.
    """
    ended: dict[str, Any] = {
        "seconds": seconds,
        "exit_code": exit_code,
        "ended_early": early_ends(run),
        "problems": list(problems),
        "resume_command": resume_command(settings) if exit_code else None,
    }
    write_event(events, "summary", **summary(store, run.trials), **ended)


def resume_command(settings: Settings) -> str:
    """The command that resumes the study."""
    address = "" if settings.address is None else f" --address {settings.address}"
    return f"cops resume {settings.name}{find_flags(settings.home, settings.storage)}{address}"


def early_ends(run: StudyRun) -> list[str]:
    """Why the study ended before its plan was complete; each reason once.

    Args:
        run: The study, after its run.
    """
    reasons = (str(run.space_error or ""), run.plan.blocked, run.stopped_because)
    return [reason for reason in dict.fromkeys(reasons) if reason]


def _progress(trials: Sequence[StudyTrial], planned: int) -> str:
    """`24 of 24 trials`; with several seeds `30 trials of 12 of 12 configurations`."""
    configurations = len({trial.configuration for trial in trials if trial.judges is None})
    if any(trial.seed_index for trial in trials):
        return f"{len(trials)} trials of {configurations} of {planned} configurations"
    return f"{len(trials)} of {planned} trials"


def _counts(trials: Sequence[StudyTrial], name: str) -> str:
    """`20 finished, 3 stopped (6 reused from other studies)`. name: the study's."""
    counts = ", ".join(f"{count} {status}" for status, count in Counter(t.status for t in trials).items())
    sources = [trial.reused_from.split("/")[0] for trial in trials if trial.reused_from]
    own = sources.count(name)
    parts = [
        f"{len(sources) - own} reused from other studies" if len(sources) > own else "",
        f"{own} repeated within the study" if own else "",
    ]
    reused = ", ".join(part for part in parts if part)
    return counts + (f" ({reused})" if reused else "")


def print_failures(console: Console, trials: Sequence[StudyTrial], status: str) -> None:
    """Print the first failures with their reasons, a line each.

    Args:
        console: Receives the lines.
        trials: Of the study.
        status: The command that shows all failures.
    """
    failures = [trial for trial in trials if trial.status in FAILURES]
    for trial in failures[:MOST_FAILURES]:
        reason = " ".join(trial.reason.split())
        print_line(console, f"  trial {trial.number} ({trial.title}) {trial.status}: {reason}")
    if len(failures) > MOST_FAILURES:
        print_line(console, f"  and {len(failures) - MOST_FAILURES} more: {status}")


def print_artifacts(console: Console, trials: Sequence[StudyTrial]) -> None:
    """Print how many trained networks could not be stored, with the first reason."""
    missing = [trial.artifact_missing for trial in trials if trial.artifact_missing is not None]
    if missing:
        networks = "1 trained network" if len(missing) == 1 else f"{len(missing)} trained networks"
        print_line(console, f"{networks} could not be stored: {missing[0]}")


def print_scoring(console: Console, trials: Sequence[StudyTrial]) -> None:
    """Print how often the scores of a network were computed, and how often they came from the cache."""
    known = [trial.facts for trial in trials if trial.facts is not None]
    computed = sum(sum(facts["scores_computed"].values()) for facts in known)
    cached = sum(sum(facts["scores_cached"].values()) for facts in known)
    if computed or cached:
        print_line(console, f"scores: {computed} computed, {cached} from the cache")
