"""What is printed before and after a study."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from search_spaces.question import Pareto, Smallest
from study.live import best_table
from study.proposals import Proposer
from study.results import best_per_method, pareto_front
from study.run import StudyRun
from study.settings import DEFAULT_HOME, Settings
from study.trial import StudyTrial


def print_plan(console: Console, settings: Settings, proposer: Proposer) -> None:
    """What `--dry-run` says: the settings, the data and network, and the trials in order."""
    base = proposer.base
    slots = list(proposer.slots())
    console.print(f"study {settings.name}: space {settings.space}, seed {settings.seed}, {len(slots)} trials")
    console.print(
        f"  {base.model} on {base.dataset}, {settings.epochs or base.training.epochs} epochs, "
        f"trial seed {proposer.trial_seed}"
    )
    console.print(f"  question: {proposer.question}")
    console.print(f"  records in {settings.storage_uri}/{settings.name}, MLflow at {settings.tracking}")
    for _ in range(proposer.anchors):
        console.print(f"  anchor: {proposer.ask().title}")
    console.print(f"  then {len(slots) - proposer.anchors} proposals")


def print_summary(console: Console, settings: Settings, run: StudyRun, seconds: float) -> None:
    """What came out of a study, and what to type next."""
    counts = ", ".join(f"{count} {status}" for status, count in Counter(t.status for t in run.trials).items())
    console.print(
        f"{settings.name}: {len(run.trials)} of {settings.trials} trials in {seconds:.0f} s: {counts}"
    )
    for trial in run.trials:
        if trial.status == "failed":
            console.print(f"  trial {trial.number} ({trial.title}) failed: {trial.reason}", markup=False)
    if run.space_error is not None:
        console.print(f"the study ended early: {run.space_error}", markup=False)
    if run.plan.hopeless:
        console.print(f"the study ended early: {run.plan.hopeless}")
    print_best(console, run.trials, settings.record()["question"])
    print_scoring(console, run.trials)
    home = "" if settings.home == DEFAULT_HOME else f" --home {settings.home}"
    console.print(
        f"next: [bold]cops ui{home}[/] to browse every trial, [bold]cops status {settings.name}{home}[/]",
        soft_wrap=True,
    )


def print_scoring(console: Console, trials: Sequence[StudyTrial]) -> None:
    """How often scores of whole networks were computed, and how often one was there already."""
    computed, cached = (
        sum(sum(trial.facts.get(which, {}).values()) for trial in trials)
        for which in ("scores_computed", "scores_cached")
    )
    if computed or cached:
        console.print(f"scores: {computed} computed, {cached} times one that was there already")


def print_best(console: Console, trials: Sequence[StudyTrial], question: dict[str, Any]) -> None:
    """The answer to the study's question."""
    if question["kind"] == Pareto.__name__.lower():
        console.print(best_table(pareto_front(trials), "no trial beats these in both accuracy and density"))
    elif question["kind"] == Smallest.__name__.lower():
        print_smallest(console, trials, float(question["keep"]))
    else:
        console.print(
            best_table(
                best_per_method(trials), "best of each method by validation accuracy, within each rate"
            )
        )


def print_smallest(console: Console, trials: Sequence[StudyTrial], keep: float) -> None:
    """The trials that keep the asked share of the dense accuracy, sparsest first."""
    dense = next(
        (trial for trial in trials if trial.config.arm == "dense" and trial.status == "finished"), None
    )
    if dense is None:
        return
    level = keep * dense.accuracy
    kept = [trial for trial in trials if trial.status == "finished" and trial.accuracy >= level]
    kept.sort(key=lambda trial: trial.density)
    title = f"fewest weights that keep {keep:.1%} of the dense accuracy {dense.accuracy:.2%}"
    console.print(best_table(kept[:10], title))
