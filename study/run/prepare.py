"""A study before it runs: its plan and its recorded trials. Nothing is connected or written yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from cops_core.contracts.network_use import unusable_score
from cops_core.facts import DrawnWeights, UnusableScore
from study.networks.trial_checks import CheckedTrials, because, check_trials
from study.records.library import Library
from study.records.store import StudyStore
from study.records.trial import FAILURES, StudyTrial
from study.run.identify import Identifier
from study.run.study_run import StudyRun
from study.search.plan import Plan
from study.settings import Settings

# Makes a study's plan from its recorded trials.
MakePlan = Callable[[Sequence[StudyTrial]], Plan]


@dataclass(frozen=True, kw_only=True)
class PreparedStudy:
    """A study that is ready to run.

    Attributes:
        settings: Of the launch, with the plan's number of trials.
        store: The study's folder.
        run: With the recorded trials.
        identifier: Computes identities, and has the data sets.
        library: The results of all studies in the storage.
        checked: What was checked for this launch.
        unusable: Scores that cannot be computed for a network of the study.
        drawn: For each network of a plugin, its initial weights that the project draws.
        is_new: Whether this is the study's first launch.
    """

    settings: Settings
    store: StudyStore
    run: StudyRun
    identifier: Identifier
    library: Library
    checked: CheckedTrials
    unusable: Sequence[UnusableScore]
    drawn: Sequence[DrawnWeights]
    is_new: bool


def prepare(make_plan: MakePlan, settings: Settings, store: StudyStore, console: Console) -> PreparedStudy:
    """Make the plan, check its networks, scores and arms, and repeat the recorded events.

    Args:
        make_plan: Makes the plan from the recorded trials.
        settings: Of the launch.
        store: The study's folder.
        console: Shows what is being checked.

    Raises:
        InputError: A network, its data or an arm does not work. The plan differs from the recorded one, or a
            recorded trial has another identity now.
    """
    recorded = reopened(store.trials()) if settings.retry else store.trials()
    identifier, library = Identifier(settings), Library(settings.storage_uri, settings.name)
    plan = make_plan(recorded)
    checked = check_trials(plan.samples, settings.plugins, settings.data_root, settings.score_cache, console)
    unusable: Sequence[UnusableScore] = checked.unusable
    drawn: Sequence[DrawnWeights] = checked.drawn
    is_new = not store.exists
    if not is_new:  # what was decided before holds: a resumed study must propose the same trials
        record = store.record()
        unusable = record.get("unusable_scores", unusable)
        drawn = record.get("drawn_weights", drawn)
    reuse = [] if settings.fresh else [ResultReuse(library, store)]
    run = StudyRun(
        plan,
        identifier,
        settle=[end_rejected, UnusableScores(unusable), *reuse],
        failure_share=settings.failure_share,
    )
    run.recall(recorded)
    return PreparedStudy(
        settings=settings.model_copy(update={"trials": run.plan.configurations}),
        store=store,
        run=run,
        identifier=identifier,
        library=library,
        checked=checked,
        unusable=unusable,
        drawn=drawn,
        is_new=is_new,
    )


def reopened(trials: Sequence[StudyTrial]) -> list[StudyTrial]:
    """The recorded trials; failed ones are open again."""
    failed = (trial for trial in trials if trial.status in FAILURES)
    opened = {
        trial.number: replace(trial, status="running", finish_sequence=None, log="") for trial in failed
    }
    return [opened.get(trial.number, trial) for trial in trials]


def end_rejected(trial: StudyTrial) -> bool:
    """End a trial whose parameters the space rejected; returns whether it is one."""
    if trial.rejected:
        trial.status, trial.reason = "rejected", trial.rejected
    return bool(trial.rejected)


class UnusableScores:
    """Ends a trial as infeasible, without training, if one of its scores cannot be computed.

    Args:
        unusable: The scores.
    """

    def __init__(self, unusable: Sequence[UnusableScore]) -> None:
        self.unusable = unusable

    def __call__(self, trial: StudyTrial) -> bool:
        """Whether the trial is infeasible; it then has this status, with the reason."""
        found = unusable_score(trial.config, self.unusable)
        if found is not None:
            trial.status, trial.reason = "infeasible", because(found)
        return found is not None


class ResultReuse:
    """Reuses the result that a trial already has, in this or another study of the storage.

    Args:
        library: The results of all studies in the storage.
        store: The folder of the study that receives the result.
    """

    def __init__(self, library: Library, store: StudyStore) -> None:
        self.library = library
        self.store = store

    def __call__(self, trial: StudyTrial) -> bool:
        """Copy the result into the trial if there is one; returns whether there is."""
        found = self.library.find(trial.identity)
        if found is not None:
            self.library.adopt(trial, found, self.store)
        return found is not None
