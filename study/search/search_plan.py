"""The plan of a search: baselines first, then a sampler's proposals, each with its seeds.

A configuration is proposed once and has a trial for each of the study's seeds, the same seeds for all:
the sampler receives their mean. With racing, later seeds are only for configurations that can still win.
"""

import optuna

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.facts import MetricRow
from search_spaces.base import SearchSpace
from study.records.trial import StudyTrial
from study.search.configuration import Configuration
from study.search.errors import difference
from study.search.plan import Forecast, Plan
from study.search.proposals import Proposals
from study.search.queue import ConfigurationQueue
from study.search.seeds import Seeds
from study.search.stopping import Races, rungs
from study.settings import Settings


class SearchPlan(Plan):
    """Hands out the trials of a search over a space.

    proposals: which configuration stands at each place. queue: the configurations so far, and the
    places that are left. seeds: the study's seeds, and which configurations get more of them.

    Raises InputError if the space does not fit the question, or if there are too few trials.
    """

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.settings = settings
        self.proposals = Proposals(space, settings)
        self.seeds = Seeds(settings)
        self.queue = ConfigurationQueue(self.proposals, self.seeds, settings.trials)
        self.configurations = settings.trials
        self.size = settings.trials * settings.seeds
        self._next_number = 0
        self._epochs = settings.epochs or self.proposals.base.training.epochs
        # Later seeds of configurations that race over seeds have won their place already.
        self._races = Races(
            settings.stopping,
            self._epochs,
            f"{space.name} {settings.seed}",
            later_seeds=not self.seeds.racing,
        )

    @property
    def histories(self) -> dict[str, optuna.Study]:
        """What the sampler knows: Optuna studies by rate as text, `all` where the rate is no axis."""
        return self.proposals.histories.by_rate

    @property
    def example(self) -> TrialConfig:
        """The dense baseline: no trial of its network needs more."""
        return self.proposals.baselines[0]

    @property
    def exhausted(self) -> bool:
        """Whether every configuration has been proposed and has all the seeds that it will get."""
        return not self.queue.left and not self.queue.open

    @property
    def waiting(self) -> bool:
        """Whether the next trial must wait: for the dense one, or for a race between seeds."""
        if self.queue.awaiting_seed is not None:
            return False
        dense = self._dense_needed
        if dense is not None and not dense.finished:
            return True
        return not self.queue.left

    @property
    def blocked(self) -> str:
        """Why no further trial makes sense; empty as long as one does."""
        dense = self._dense_needed
        if dense is None or not dense.finished or dense.accuracies:
            return ""
        ends = ", ".join(trial.status for trial in dense.trials)
        return f"the dense trial {ends}: there is no accuracy to keep a share of"

    @property
    def _dense_needed(self) -> Configuration | None:
        """The dense baseline, once it has been proposed, where the question is asked relative to it."""
        return self.queue.dense if self.proposals.question.needs_dense else None

    @property
    def forecast(self) -> Forecast:
        """Seeds that have been granted and baselines are certain; proposals are not known yet."""
        seeds, racing = self.seeds.count, self.seeds.racing
        baselines = [slot for slot in self.queue.left if slot.baseline is not None]
        granted = [c.config for c in self.queue.open for _ in range(c.granted - len(c.trials))]
        certain = [self.proposals.plain(slot) for slot in baselines for _ in range(seeds)]
        unknown = len(self.queue.left) - len(baselines)
        return Forecast(
            certain=[self.trial_config(config, 0) for config in (*granted, *certain)],
            unknown=unknown if racing else unknown * seeds,
            further=[seeds - c.granted for c in self.queue.open if c.granted < seeds],
            most=seeds - 1 if racing else 0,
            rungs=rungs(self.settings.stopping, self._epochs) if self.proposals.question.axis else (),
        )

    def ask(self) -> StudyTrial:
        """The next trial: of a configuration that may have another seed, else of a new one.

        Raises InputError if the space fails on the sampler's parameters.
        """
        configuration = self.queue.awaiting_seed or self.queue.propose()
        seed_index = len(configuration.trials)
        trial = StudyTrial(
            number=self._next_number,
            configuration=configuration.number,
            seed_index=seed_index,
            config=self.trial_config(configuration.config, seed_index),
            baseline=configuration.slot.baseline is not None,
            rate=configuration.slot.history,
            parameters=configuration.parameters,
        )
        self._enter(configuration, trial)
        return trial

    def recall(self, trial: StudyTrial) -> None:
        """A recorded trial, in place of `ask`: the sampler's state and the races become what they were.

        Raises InputError if the space gives another configuration for the recorded parameters.
        """
        name, known = self.settings.name, len(self.queue.proposed)
        if trial.configuration > known or (trial.configuration == known and trial.seed_index > 0):
            raise InputError(
                f"the record of configuration {known} of {name!r} is missing: put it back, or"
                " choose another --name"
            )
        configuration = self.queue.recall(trial)
        expected = self.trial_config(configuration.config, trial.seed_index)
        if expected != trial.config:
            raise InputError(
                f"space {self.proposals.space.name!r} has changed since trial {trial.number} of {name!r}"
                f" was recorded ({difference(trial.config, expected)}): choose another --name"
            )
        self._enter(configuration, trial)

    def trial_config(self, config: TrialConfig, seed_index: int) -> TrialConfig:
        """`config` with the study's seed of that index, and the study's epochs."""
        epochs = self.settings.epochs or config.training.epochs
        training = config.training.model_copy(update={"epochs": epochs})
        return config.changed(seed=self.seeds.value(seed_index), training=training)

    def _enter(self, configuration: Configuration, trial: StudyTrial) -> None:
        configuration.trials.append(trial)
        self._next_number = max(self._next_number, trial.number + 1)
        self._races.enter(trial)

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Whether the trial has lost its race with this epoch."""
        return self._races.report(trial, row)

    def tell(self, trial: StudyTrial) -> None:
        """Grant the configuration another seed, or tell the sampler how it did."""
        self._races.leave(trial)
        configuration = self.queue.proposed[trial.configuration]
        if any(not other.has_ended for other in configuration.trials):
            return
        if self.seeds.deserves_another(configuration, self.queue.rivals(configuration)):
            configuration.granted += 1
        if len(configuration.trials) < configuration.granted:
            return
        configuration.finished = True
        self.proposals.histories.tell(configuration, self.queue.dense)
