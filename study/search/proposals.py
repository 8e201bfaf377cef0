"""Which trial comes next: the anchors first, then a sampler's proposals, one history per rate.

A configuration is asked for once and has a trial for each of the study's seeds, the same seeds for
all: what the sampler is told is their mean. With racing, later seeds are only for configurations that
can still win.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import optuna
from optuna.trial import Trial

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.streams import derive_seed
from search_spaces.anchors import anchor_config, base_config, first_config, in_space
from search_spaces.base import SearchSpace
from search_spaces.question import HIGHEST_DENSITY, LOWEST_DENSITY, suggest_density
from study.records.trial import StudyTrial
from study.search.configuration import Configuration
from study.search.errors import check_choices, difference, recordable, space_errors
from study.search.given import check_given
from study.search.outcome import tell_sampler
from study.search.plan import Ahead, Plan
from study.search.samplers import SAMPLERS, standin
from study.search.seeds import can_still_win
from study.search.slots import Slot, anchor_count, slots
from study.search.stopping import Races, rungs
from study.settings import Settings

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Proposer(Plan):
    """Holds one Optuna study per rate where the rate is an axis, else a single one.

    A proposal's random stream is derived from the study's seed and the proposal's number.
    """

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.space = space
        self.settings = settings
        self.question = settings.question
        with space_errors(space.name):
            first = first_config(space, settings.seed)
        check_choices(space.name, self.question, first)
        for place, parameters in enumerate(settings.first, start=1):
            check_given(space, self.question, parameters, f"configuration {place} of those given")
        self.base = base_config(first)
        self.proposed: list[Configuration] = []
        self._slots = deque(slots(self.question, settings.trials))
        self._trials = 0
        self._sampler = SAMPLERS[settings.sampler]
        histories = self.question.rates if self.question.axis else (None,)
        self._studies = {
            history: optuna.create_study(directions=self.question.directions) for history in histories
        }
        self._epochs = settings.epochs or self.base.training.epochs
        # Later seeds of configurations that race over seeds have won their place already.
        self._races = Races(
            settings.stopping, self._epochs, f"{space.name} {settings.seed}", later_seeds=not self.racing
        )
        self.configurations = settings.trials
        self.size = settings.trials * settings.seeds

    @property
    def anchors(self) -> list[TrialConfig]:
        """The configurations that every study of this question begins with, without a seed."""
        return [self._plain(slot) for slot in list(slots(self.question, anchor_count(self.question)))]

    @property
    def histories(self) -> dict[str, optuna.Study]:
        """What the sampler knows, by rate as text; `all` where the rate is no axis."""
        return {"all" if rate is None else str(rate): study for rate, study in self._studies.items()}

    @property
    def example(self) -> TrialConfig:
        """The dense anchor: no trial of its network needs more."""
        return self.anchors[0]

    @property
    def dense(self) -> Configuration | None:
        """The dense anchor, once it has been asked for."""
        return self.proposed[0] if self.proposed else None

    @property
    def exhausted(self) -> bool:
        """Whether every configuration has been asked for and has all the seeds that it will get."""
        return not self._slots and all(c.told for c in self.proposed)

    @property
    def waiting(self) -> bool:
        """Whether the next trial must wait: for the dense one, or for a race between seeds."""
        if next(self._granted(), None) is not None:
            return False
        if self.question.needs_dense and self.dense is not None and not self.dense.told:
            return True
        return not self._slots

    @property
    def hopeless(self) -> str:
        """Why no further trial makes sense; empty as long as one does."""
        dense = self.dense if self.question.needs_dense else None
        if dense is None or not dense.told or dense.accuracies:
            return ""
        ends = ", ".join(trial.status for trial in dense.trials)
        return f"the dense trial {ends}: there is no accuracy to keep a share of"

    @property
    def ahead(self) -> Ahead:
        """Seeds that have been granted and anchors are certain; proposals are not known yet."""
        seeds, anchors = self.settings.seeds, [slot for slot in self._slots if slot.anchor is not None]
        granted = [c for c in self.proposed if not c.told for _ in range(c.granted - len(c.trials))]
        certain = [self._plain(slot) for slot in anchors for _ in range(seeds)]
        unknown = len(self._slots) - len(anchors)
        return Ahead(
            certain=[self._seeded(config, 0) for config in (*(c.config for c in granted), *certain)],
            unknown=unknown if self.racing else unknown * seeds,
            further=[seeds - c.granted for c in self.proposed if not c.told and c.granted < seeds],
            most=seeds - 1 if self.racing else 0,
            rungs=rungs(self.settings.stopping, self._epochs) if self.question.axis else (),
        )

    def ask(self) -> StudyTrial:
        """The next trial: of a configuration that may have another seed, else of a new one.

        Raises InputError if the space fails on the sampler's parameters.
        """
        configuration = next(self._granted(), None)
        if configuration is None:
            configuration = self._propose(self._slots.popleft(), None)
        trial = StudyTrial(
            number=self._trials,
            configuration=configuration.number,
            seed_index=len(configuration.trials),
            config=self._seeded(configuration.config, len(configuration.trials)),
            anchor=configuration.slot.anchor is not None,
            rate=configuration.slot.history,
            parameters=configuration.parameters,
        )
        self._enter(configuration, trial)
        return trial

    def recall(self, trial: StudyTrial) -> None:
        """A recorded trial, in place of `ask`: the sampler's state and the races become what they were.

        Raises InputError if the space gives another configuration for the recorded parameters.
        """
        known = len(self.proposed)
        if trial.configuration > known or (trial.configuration == known and trial.seed_index > 0):
            raise InputError(
                f"the record of configuration {known} of {self.settings.name!r} is missing: put it back, or"
                " choose another --name"
            )
        if trial.seed_index == 0:
            configuration = self._propose(self._slots.popleft(), trial.parameters)
        else:
            configuration = self.proposed[trial.configuration]
            configuration.granted = max(configuration.granted, trial.seed_index + 1)
        expected = self._seeded(configuration.config, trial.seed_index)
        if expected != trial.config:
            raise InputError(
                f"space {self.space.name!r} has changed since trial {trial.number} of {self.settings.name!r}"
                f" was recorded ({difference(trial.config, expected)}): choose another --name"
            )
        self._enter(configuration, trial)

    def _granted(self) -> Iterator[Configuration]:
        """Configurations that may have another seed now, in order."""
        return (c for c in self.proposed if not c.told and len(c.trials) < c.granted)

    def _enter(self, configuration: Configuration, trial: StudyTrial) -> None:
        configuration.trials.append(trial)
        self._trials = max(self._trials, trial.number + 1)
        self._races.enter(trial)

    def _propose(self, slot: Slot, recorded: dict[str, Any] | None) -> Configuration:
        """The next configuration: an anchor, or the sampler's. recorded: its parameters, when recalled."""
        number = len(self.proposed)
        study = self._studies.get(slot.history)
        asked, parameters = None, {}
        if study is None or (slot.anchor is not None and not self._in_history(slot)):
            config = self._plain(slot)
        else:
            config, asked = self._ask_sampler(number, slot, study, recorded)
            parameters = dict(asked.params)
            asked.set_user_attr("configuration", number)
        anchor = slot.anchor is not None
        granted = self.settings.seeds if anchor or not self.racing else 1
        configuration = Configuration(number, slot, config, parameters, asked, granted)
        self.proposed.append(configuration)
        return configuration

    def _ask_sampler(
        self, number: int, slot: Slot, study: optuna.Study, recorded: dict[str, Any] | None
    ) -> tuple[TrialConfig, Trial]:
        if recorded is not None:
            study.enqueue_trial(recorded)
        elif slot.anchor is not None:
            density = {} if slot.density is None else {"density": float(slot.density)}
            study.enqueue_trial({**slot.anchor, **density})
        elif (given := self._given(number)) is not None:
            study.enqueue_trial(given)
        if recorded is not None and not self._sampler.replays:
            study.sampler = standin()
        else:
            seed = self.settings.seed
            study.sampler = self._sampler.make(derive_seed(seed, "proposal", number), seed)
        asked = study.ask()
        with space_errors(self.space.name):
            config = self.space.sample(asked)
        check_choices(self.space.name, self.question, config)
        if config.arm != "dense" and config.density is None:
            config = config.changed(density=slot.density if self.question.axis else suggest_density(asked))
        recordable(self.space.name, asked.params)
        return config, asked

    def _given(self, number: int) -> dict[str, Any] | None:
        """What the settings give for this proposal: each of `first` at each rate, after the anchors."""
        place = number - anchor_count(self.question)
        if self.question.axis:
            place //= len(self.question.rates)
        return self.settings.first[place] if 0 <= place < len(self.settings.first) else None

    def _plain(self, slot: Slot) -> TrialConfig:
        """The configuration of an anchor that is outside the sampler's history."""
        config = anchor_config(self.base, slot.anchor) if slot.anchor else self.base
        return config.changed(density=slot.density)

    def _seeded(self, config: TrialConfig, index: int) -> TrialConfig:
        """`config` with the study's seed of that index, and the study's epochs."""
        epochs = self.settings.epochs or config.training.epochs
        training = config.training.model_copy(update={"epochs": epochs})
        return config.changed(seed=self.trial_seed(index), training=training)

    def trial_seed(self, index: int) -> int:
        """The 32-bit seed that every configuration's trial of that index has."""
        return derive_seed(self.settings.seed, "trial", index)

    def _in_history(self, slot: Slot) -> bool:
        """Whether the sampler can learn from this anchor: it must lie within the space."""
        if not slot.anchor or slot.density is None:
            return False
        searched = self.question.axis or LOWEST_DENSITY <= float(slot.density) <= HIGHEST_DENSITY
        with space_errors(self.space.name):
            return searched and in_space(self.space, self.base, slot.anchor)

    @property
    def racing(self) -> bool:
        """Whether later seeds are only for configurations that can still win."""
        return self.settings.racing and self.settings.seeds > 1 and self.question.axis

    def report(self, trial: StudyTrial, row: dict[str, float]) -> bool:
        """Whether the trial has lost its race with this epoch."""
        return self._races.report(trial, row)

    def tell(self, trial: StudyTrial) -> None:
        """Grant the configuration another seed, or tell the sampler how it did."""
        self._races.leave(trial)
        configuration = self.proposed[trial.configuration]
        if any(not other.over for other in configuration.trials):
            return
        if configuration.granted < self.settings.seeds and self._goes_on(configuration):
            configuration.granted += 1
        if len(configuration.trials) < configuration.granted:
            return
        configuration.told = True
        if configuration.asked is not None:
            tell_sampler(
                self._studies[configuration.slot.history],
                configuration.asked,
                configuration.trials,
                self.question,
                raced_out=len(configuration.trials) < self.settings.seeds,
                dense=() if self.dense is None else self.dense.trials,
            )

    def _goes_on(self, configuration: Configuration) -> bool:
        """Whether a configuration whose seeds so far have all ended can still win within its rate."""
        if len(configuration.accuracies) < len(configuration.trials):
            return False
        rate = configuration.slot.history
        others = [
            other.accuracies
            for other in self.proposed
            if other.slot.history == rate and other is not configuration
        ]
        return can_still_win(configuration.accuracies, others, self.settings.seeds)
