"""The plan of a search: baselines first, then a sampler's proposals, each with its seeds.

A configuration is proposed once and has a trial for each of the study's seeds, the same seeds for all:
the sampler receives their mean. With racing, later seeds are only for configurations that can still win.
"""

from collections.abc import Iterable, Sequence

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

    Args:
        space: The space.
        settings: The study's settings.

    Attributes:
        proposals: Makes the configuration of each slot.
        queue: The configurations so far, and the slots that are left.
        seeds: The study's seeds, and which configurations get more of them.

    Raises:
        InputError: The space does not fit the question, or there are too few trials.
    """

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.settings = settings
        space = space.with_fields(settings.fields)
        self.proposals = Proposals(space, settings)
        self.seeds = Seeds(settings)
        self.queue = ConfigurationQueue(self.proposals, self.seeds, settings.trials)
        self.configurations = settings.trials
        self.size = settings.trials * settings.seeds
        self._next_number = 0
        self._epochs = settings.epochs or self.proposals.base.training.epochs
        # If configurations race for further seeds, a trial with a later seed is not stopped early.
        self._races = Races(
            settings.stopping,
            self._epochs,
            f"{space.name} {settings.seed}",
            later_seeds=not self.seeds.racing,
        )

    @property
    def histories(self) -> dict[str, optuna.Study]:
        """What the sampler knows: Optuna studies by rate as text; `all` if the rate is not an axis."""
        return self.proposals.histories.by_rate

    @property
    def example(self) -> TrialConfig:
        """The dense baseline: no trial of its network needs more resources."""
        return self.proposals.baselines[0]

    @property
    def samples(self) -> Sequence[TrialConfig]:
        """The baselines and random configurations of the space."""
        return *self.proposals.baselines, *self.proposals.first_draws

    def with_seeds(self, configs: Iterable[TrialConfig]) -> list[TrialConfig]:
        """Each of the configurations with each of the study's seeds."""
        return [self.trial_config(config, seed) for config in configs for seed in range(self.seeds.count)]

    @property
    def exhausted(self) -> bool:
        """Whether every configuration has been proposed, and has all seeds that it will get."""
        return not self.queue.left and not self.queue.open

    @property
    def waiting(self) -> bool:
        """Whether the next trial must wait for the dense trial, or for a race over seeds."""
        if self.queue.awaiting_seed is not None:
            return False
        dense = self._dense_needed
        if dense is not None and not dense.finished:
            return True
        return not self.queue.left

    @property
    def blocked(self) -> str:
        """Why no further trial makes sense; empty if one does."""
        dense = self._dense_needed
        if dense is None or not dense.finished or dense.accuracies:
            return ""
        ends = ", ".join(trial.status for trial in dense.trials)
        return f"the dense trial {ends}: without its accuracy the question cannot be answered"

    @property
    def _dense_needed(self) -> Configuration | None:
        """The dense baseline, if the question refers to it; None before it has been proposed."""
        return self.queue.dense if self.proposals.question.needs_dense else None

    @property
    def forecast(self) -> Forecast:
        """Baselines and the seeds that were granted are certain; proposals are not known yet."""
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
        """Hand out the next trial: of a configuration that may have another seed, else of a new one.

        Returns:
            The trial.

        Raises:
            InputError: The space fails on the sampler's parameters.
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
            rejected=configuration.rejected,
        )
        self._enter(configuration, trial)
        return trial

    def recall(self, trial: StudyTrial) -> None:
        """Receive a recorded trial, in place of `ask`. The sampler and the races are updated as they were.

        Args:
            trial: The trial.

        Raises:
            InputError: A record is missing; or the space now returns another configuration for the recorded
                parameters.
        """
        name, known = self.settings.name, len(self.queue.proposed)
        if trial.configuration > known or (trial.configuration == known and trial.seed_index > 0):
            raise InputError(
                f"the record of configuration {known} of {name!r} is missing: restore it, or"
                " choose another --name"
            )
        configuration = self.queue.recall(trial)
        expected = self.trial_config(configuration.config, trial.seed_index)
        changes = difference(trial.config, expected)
        if configuration.rejected and not trial.rejected:
            changes = f"it rejects the parameters now: {configuration.rejected}"
        elif trial.rejected and not configuration.rejected:
            changes = "it does not reject the parameters any more"
        if changes:
            raise InputError(
                f"space {self.proposals.space.name!r} has changed since trial {trial.number} of {name!r}"
                f" was recorded ({changes}): choose another --name"
            )
        self._enter(configuration, trial)

    def trial_config(self, config: TrialConfig, seed_index: int) -> TrialConfig:
        """A trial of a configuration.

        Args:
            config: The configuration without a seed.
            seed_index: Which of the study's seeds.

        Returns:
            The configuration with this seed and the study's epochs.
        """
        epochs = self.settings.epochs or config.training.epochs
        training = config.training
        if epochs != training.epochs:  # the warm-up stays the same share of the training
            warmup = training.warmup_epochs * epochs / training.epochs
            training = training.model_copy(update={"epochs": epochs, "warmup_epochs": warmup})
        return config.changed(seed=self.seeds.value(seed_index), training=training)

    def _enter(self, configuration: Configuration, trial: StudyTrial) -> None:
        configuration.trials.append(trial)
        self._next_number = max(self._next_number, trial.number + 1)
        self._races.enter(trial)

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Receive the metrics of an epoch.

        Args:
            trial: The trial.
            row: The metrics.

        Returns:
            Whether the trial has lost its race with this epoch.
        """
        return self._races.report(trial, row)

    def tell(self, trial: StudyTrial) -> None:
        """Receive a trial's end: its configuration gets another seed, or its result goes to the sampler.

        Args:
            trial: The trial, with its status.
        """
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
