"""Which trial comes next: the anchors first, then Optuna's proposals, one history per rate."""

import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import optuna
from optuna.trial import Trial, TrialState
from pydantic import ValidationError

from cops_core.config import TrialConfig
from cops_core.errors import InputError, one_line
from cops_core.streams import derive_seed
from search_spaces.anchors import ANCHOR_PARAMETERS, anchor_config, base_config, first_config, in_space
from search_spaces.base import SearchSpace
from search_spaces.question import HIGHEST_DENSITY, LOWEST_DENSITY, suggest_density
from study.plan import Plan
from study.settings import Settings
from study.trial import StudyTrial

# TPE begins to model once this many trials of a history have ended; before, it draws at random.
# A rate of the quickstart has eight trials in all: Optuna's own ten would never model anything.
STARTUP_TRIALS = 5

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Slot:
    """A place in the study's plan. history: the rate whose sampler history it belongs to.

    anchor: the anchor's parameters, empty for the dense one; None for a proposal.
    """

    history: Decimal | None = None
    anchor: Mapping[str, Any] | None = None
    density: Decimal | None = None


class Proposer(Plan):
    """Asked for one trial after the other, told how each ended.

    Holds one Optuna study per rate where the rate is an axis, else a single one. A proposal's
    random stream is derived from the study's seed and the proposal's number.
    """

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.space = space
        self.settings = settings
        self.question = settings.question
        self.trial_seed = derive_seed(settings.seed, "trial", 0)
        with _space_errors(space.name):
            first = first_config(space, settings.seed)
        self._check_density(first)
        self.base = base_config(first)
        self.dense: StudyTrial | None = None
        histories = self.question.rates if self.question.axis else (None,)
        self._studies = {
            history: optuna.create_study(directions=self.question.directions) for history in histories
        }
        self._asked: dict[int, tuple[optuna.Study, Trial]] = {}
        self._number = 0
        self._slots = deque(self.slots())
        self.races = self.question.rates if self.question.axis else ()
        self.epochs = settings.epochs or self.base.training.epochs
        self.size = settings.trials

    @property
    def anchors(self) -> int:
        """How many trials are anchors: the dense one, and those of each rate."""
        return 1 + len(ANCHOR_PARAMETERS) * len(self.question.rates)

    def slots(self) -> Iterator[Slot]:
        """All trials of the study in order: dense, each rate's anchors, then proposals in turn."""
        rates, trials = self.question.rates, self.settings.trials
        if trials < self.anchors:
            raise InputError(
                f"--trials {trials} is fewer than the {self.anchors} anchors (dense, and"
                f" {len(ANCHOR_PARAMETERS)} at each of {len(rates)} rates): write {self.anchors} or more"
            )
        yield Slot(anchor={})
        for anchor in ANCHOR_PARAMETERS:
            for rate in rates:
                yield Slot(rate if self.question.axis else None, anchor, 1 - rate)
        for index in range(trials - self.anchors):
            if self.question.axis:
                rate = rates[index % len(rates)]
                yield Slot(rate, density=1 - rate)
            else:
                yield Slot()

    @property
    def waiting(self) -> bool:
        """Whether the next trial must wait for the dense one."""
        return self.question.needs_dense and self.dense is not None and self.dense.status == "running"

    @property
    def hopeless(self) -> str:
        """Why no further trial makes sense; empty as long as one does."""
        if (
            self.question.needs_dense
            and self.dense is not None
            and self.dense.status not in ("running", "finished")
        ):
            return f"the dense trial {self.dense.status}: there is no accuracy to keep a share of"
        return ""

    @property
    def exhausted(self) -> bool:
        """Whether every trial of the plan has been asked for."""
        return not self._slots

    def ask(self) -> StudyTrial:
        """The next trial of the plan. Raises InputError if the space fails on the sampler's parameters."""
        slot = self._slots.popleft()
        number, self._number = self._number, self._number + 1
        study = self._studies.get(slot.history)
        if slot.anchor is not None and (study is None or not self._in_history(slot)):
            config = anchor_config(self.base, slot.anchor) if slot.anchor else self.base
            trial = self._trial(number, slot, config.changed(density=slot.density), {})
        else:
            assert study is not None
            trial = self._ask_sampler(number, slot, study)
        if slot.anchor == {}:
            self.dense = trial
        return trial

    def _ask_sampler(self, number: int, slot: Slot, study: optuna.Study) -> StudyTrial:
        if slot.anchor is not None:
            parameters = dict(slot.anchor)
            if slot.density is not None:
                parameters["density"] = float(slot.density)
            study.enqueue_trial(parameters)
        study.sampler = _sampler(derive_seed(self.settings.seed, "proposal", number))
        asked = study.ask()
        with _space_errors(self.space.name):
            config = self.space.sample(asked)
        self._check_density(config)
        if config.arm != "dense" and config.density is None:
            density = slot.density if self.question.axis else suggest_density(asked)
            config = config.changed(density=density)
        self._asked[number] = (study, asked)
        return self._trial(number, slot, config, asked.params)

    def _trial(self, number: int, slot: Slot, config: TrialConfig, parameters: dict[str, Any]) -> StudyTrial:
        epochs = self.settings.epochs or config.training.epochs
        training = config.training.model_copy(update={"epochs": epochs})
        return StudyTrial(
            number=number,
            config=config.changed(seed=self.trial_seed, training=training),
            anchor=slot.anchor is not None,
            rate=slot.history,
            parameters=parameters,
        )

    def _check_density(self, config: TrialConfig) -> None:
        if self.question.axis and config.density is not None:
            name = self.space.name
            raise InputError(f"space {name!r} chooses the density: leave it out, or ask --objective pareto")

    def _in_history(self, slot: Slot) -> bool:
        """Whether the sampler can learn from this anchor: it must lie within the space."""
        if not slot.anchor or slot.density is None:
            return False
        searched = self.question.axis or LOWEST_DENSITY <= float(slot.density) <= HIGHEST_DENSITY
        with _space_errors(self.space.name):
            return searched and in_space(self.space, self.base, slot.anchor)

    def tell(self, trial: StudyTrial) -> None:
        """Tell the sampler how a trial ended: its value, or that it was stopped early, or failed."""
        if trial.number not in self._asked:
            return
        study, asked = self._asked.pop(trial.number)
        if trial.status in ("failed", "interrupted") or not trial.rows:
            study.tell(asked, state=TrialState.FAIL)
            return
        dense_accuracy = None if self.dense is None else self.dense.accuracy
        shortfall = self.question.constraint(trial.accuracy, dense_accuracy)
        asked.set_constraint("diverged", 1.0 if trial.status == "diverged" else 0.0)
        if shortfall is not None:
            asked.set_constraint("accuracy", shortfall)
        if trial.status == "stopped":
            asked.report(trial.accuracy, int(trial.rows[-1]["epoch"]))
            study.tell(asked, state=TrialState.PRUNED)
        else:
            study.tell(asked, self.question.values(trial.accuracy, trial.density))


def _sampler(seed: int) -> optuna.samplers.TPESampler:
    """TPE over all parameters together, grouped by the conditions under which they exist."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True, group=True
        )


@contextmanager
def _space_errors(name: str) -> Iterator[None]:
    """Turns what a space raises into an InputError of one line."""
    try:
        yield
    except ValidationError as error:
        raise InputError(f"space {name!r} gives a wrong configuration: {one_line(error)}") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"space {name!r} fails: {type(error).__name__}: {error}") from error
