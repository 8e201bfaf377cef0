"""A study before it runs: its plan, with what is recorded of it; nothing is connected or written yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from study.records.library import Library
from study.records.store import StudyStore
from study.records.trial import FAILURES, StudyTrial
from study.run.identify import Identifier
from study.run.study_run import StudyRun
from study.search.plan import Plan
from study.settings import Settings

# Makes a study's plan, given what is recorded of it.
MakePlan = Callable[[Sequence[StudyTrial]], Plan]


@dataclass(frozen=True, kw_only=True)
class PreparedStudy:
    """A study that can run.

    settings: as asked for, with as many trials as the plan has. run: with the recorded trials.
    identifier: knows the data. library: of the results of all studies in the storage.
    """

    settings: Settings
    store: StudyStore
    run: StudyRun
    identifier: Identifier
    library: Library


def prepare(make_plan: MakePlan, settings: Settings, store: StudyStore) -> PreparedStudy:
    """Make the plan and repeat what is recorded to it.

    Raises InputError if the plan is not the recorded one's, or if a recorded trial is another one today.
    """
    recorded = reopened(store.trials()) if settings.retry else store.trials()
    identifier, library = Identifier(settings), Library(settings.storage_uri, settings.name)
    run = StudyRun(
        make_plan(recorded),
        identifier,
        reuse=None if settings.fresh else ResultReuse(library, store),
        failure_share=settings.failure_share,
    )
    run.recall(recorded)
    return PreparedStudy(
        settings=settings.model_copy(update={"trials": run.plan.configurations}),
        store=store,
        run=run,
        identifier=identifier,
        library=library,
    )


def reopened(trials: Sequence[StudyTrial]) -> list[StudyTrial]:
    """Recorded trials, those that failed being open again."""
    failed = (trial for trial in trials if trial.status in FAILURES)
    opened = {
        trial.number: replace(trial, status="running", finish_sequence=None, log="") for trial in failed
    }
    return [opened.get(trial.number, trial) for trial in trials]


class ResultReuse:
    """Gives a trial the result that it has in this or another study of the storage."""

    def __init__(self, library: Library, store: StudyStore) -> None:
        self.library = library
        self.store = store

    def __call__(self, trial: StudyTrial) -> bool:
        """Whether there was such a result; the trial then has it."""
        found = self.library.find(trial.identity)
        if found is not None:
            self.library.adopt(trial, found, self.store)
        return found is not None
