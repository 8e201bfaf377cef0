"""The plan of a search: baselines first, then a sampler's proposals, each with its seeds.

A configuration is proposed once and has a trial for each of the study's seeds, the same seeds for all:
the sampler receives their mean. With racing, later seeds are only for configurations that can still win.

A study that compares methods takes turns over them. When all its configurations have ended, the best one of
each method at each rate is trained again, on fresh seeds, and evaluated on the test part.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial

import optuna
from pydantic import ValidationError

from cops_core.config import TrialConfig
from cops_core.errors import InputError, one_line, unknown
from cops_core.facts import MetricRow
from search_spaces.base import SearchSpace
from search_spaces.question import Compare
from study.records.trial import StudyTrial
from study.search.calls import CallsInOrder
from study.search.choice import best_trials, chosen
from study.search.combinations import MOST_COMBINATIONS
from study.search.configuration import Configuration
from study.search.errors import difference
from study.search.methods import check_finite
from study.search.plan import Forecast, Plan
from study.search.proposals import Proposals
from study.search.queue import ConfigurationQueue
from study.search.seeds import Seeds
from study.search.slots import Slot, at_each_rate, compared_slots, slots
from study.search.stopping import Races, rungs
from study.settings import PER_METHOD, Settings


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
        check_baseline(self.proposals)
        planned = self._planned(settings)
        self._calls = CallsInOrder()  # all that use the sampler's histories
        self.queue = ConfigurationQueue(self.proposals, self.seeds, planned, self._calls)
        self.configurations = len(planned)
        groups = len({slot.group for slot in planned}) if self.proposals.question.strata else 0
        self.size = len(planned) * settings.seeds + groups * self.seeds.judging
        self._unjudged = groups
        self._next_number = 0
        self._epochs = settings.epochs or self.proposals.base.training.epochs
        # If configurations race for further seeds, a trial with a later seed is not stopped early.
        self._races = Races(
            settings.stopping,
            self._epochs,
            f"{space.name} {settings.seed}",
            self._race_group,
            later_seeds=not self.seeds.racing,
        )

    def _planned(self, settings: Settings) -> list[Slot]:
        """The slots of the study, without those of judged configurations."""
        question, methods = self.proposals.question, self.proposals.methods
        if settings.sampler == "grid":
            check_finite(self.proposals.space, methods)
            return list(compared_slots(question, methods, MOST_COMBINATIONS))
        if question.strata:
            return list(compared_slots(question, methods, settings.per_method or PER_METHOD))
        return list(slots(question, methods, settings.trials, len(settings.first)))

    def _race_group(self, trial: StudyTrial) -> str | None:
        """With which trials a trial races: those of its rate, or of its method at its rate."""
        slot = self.queue.proposed[trial.configuration].slot
        if slot.judges is not None:
            return None
        if self.proposals.question.strata:
            return " ".join(map(str, filter(None, (slot.rate, slot.group[0]))))
        return None if slot.rate is None else str(slot.rate)

    @property
    def histories(self) -> dict[str, optuna.Study]:
        """What the sampler knows: Optuna studies by name, see `Histories.by_name`.

        Without configurations that were made ahead and have not been handed out.
        """
        studies = self._calls.wait_for(lambda: self.proposals.histories.by_name)
        return {name: handed_out(study, len(self.queue.proposed)) for name, study in studies.items()}

    @property
    def example(self) -> TrialConfig:
        """The dense network: no trial of its network needs more resources."""
        return self.proposals.base

    @property
    def baselines(self) -> Sequence[TrialConfig]:
        """A configuration of each baseline at each rate, with the training in the middle of the space."""
        question = self.proposals.question
        return [
            self.proposals.plain(method, slot.density)
            for method in self.proposals.methods.baselines
            for slot in at_each_rate(question, method, 0)
        ]

    @property
    def samples(self) -> Sequence[TrialConfig]:
        """A configuration of each method that is compared, and random ones of the space."""
        question = self.proposals.question
        methods = self.proposals.methods.every if question.strata else ()
        compared = [
            self.proposals.plain(method, next(at_each_rate(question, method, 0)).density)
            for method in methods
        ]
        return *self.baselines, *compared, *self.proposals.first_draws

    @property
    def densities(self) -> tuple[Decimal, ...]:
        """Those of all selections, if the question sets them."""
        question = self.proposals.question
        return tuple(1 - rate for rate in question.rates) if question.axis else ()

    def with_seeds(self, configs: Iterable[TrialConfig]) -> list[TrialConfig]:
        """Each of the configurations with each of the study's seeds."""
        return [self.trial_config(config, seed) for config in configs for seed in range(self.seeds.count)]

    @property
    def mid_turn(self) -> bool:
        """Whether some methods have more configurations than others so far."""
        if not self.in_turns:
            return False
        if self.queue.awaiting_seed is not None:
            return True
        following = next(iter(self.queue.left), None)
        last = self.queue.proposed[-1].slot if self.queue.proposed else None
        return following is not None and last is not None and last.place == following.place

    @property
    def in_turns(self) -> bool:
        """Whether methods are compared and get their configurations; not while they are judged."""
        return self.proposals.question.strata and not any(
            each.slot.judges is not None for each in self.queue.proposed[-1:]
        )

    @property
    def exhausted(self) -> bool:
        """Whether every configuration has been proposed, and has all seeds that it will get."""
        return not self.queue.left and not self.queue.open

    @property
    def waiting(self) -> bool:
        """Whether the next trial must wait for the dense trial, or for a race over seeds."""
        if self.queue.awaiting_seed is not None:
            return False
        if any(not dense.finished for dense in self._dense_needed):
            return True
        return not self.queue.left

    @property
    def blocked(self) -> str:
        """Why no further trial makes sense; empty if one does."""
        dense = self._dense_needed
        if not dense or any(not each.finished or each.accuracies for each in dense):
            return ""
        ends = ", ".join(trial.status for each in dense for trial in each.trials)
        return f"the dense trial {ends}: without its accuracy the question cannot be answered"

    @property
    def _dense_needed(self) -> list[Configuration]:
        """The configurations of the dense network so far, if the question refers to it."""
        return self.queue.dense if self.proposals.question.needs_dense else []

    @property
    def forecast(self) -> Forecast:
        """Baselines and the seeds that were granted are certain; proposals are not known yet."""
        seeds, racing = self.seeds.count, self.seeds.racing
        left = self.queue.left
        known = [(s.method, s.density) for s in left if s.method is not None and s.judges is None]
        judged = [self.queue.proposed[s.judges].config for s in left if s.judges is not None]
        granted = [c.config for c in self.queue.open for _ in range(c.granted - len(c.trials))]
        certain = [self.proposals.plain(*each) for each in known for _ in range(seeds)]
        certain += [config for config in judged for _ in range(self.seeds.judging)]
        unknown = len(left) - len(known) - len(judged)
        return Forecast(
            certain=[self.trial_config(config, 0) for config in (*granted, *certain)],
            unknown=unknown * (1 if racing else seeds) + self._unjudged * self.seeds.judging,
            further=[seeds - c.granted for c in self.queue.open if c.granted < seeds] if racing else [],
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
            config=self._trial_config(configuration, seed_index),
            baseline=self.is_baseline(configuration.slot),
            rate=configuration.slot.rate,
            parameters=configuration.parameters,
            rejected=configuration.rejected,
            named=self._named(configuration),
            judges=configuration.slot.judges,
        )
        self._enter(configuration, trial)
        return trial

    def expect(self, trials: Sequence[StudyTrial]) -> None:
        """Receive all recorded trials before each is recalled: some proposals are made ahead."""
        self.queue.expect(trials)

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
        expected = self._trial_config(configuration, trial.seed_index)
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

    def is_baseline(self, slot: Slot) -> bool:
        """Whether a search runs it besides its proposals. Methods that are compared are all alike."""
        question, methods = self.proposals.question, self.proposals.methods
        return not question.strata and slot.method is not None and slot.method in methods.baselines

    def _named(self, configuration: Configuration) -> str:
        """The name of its method, if its configuration does not say it; else empty.

        The space gives it, or rejected the parameters: then there is no configuration.
        """
        method, rejected = configuration.slot.method, bool(configuration.rejected)
        if method is None or not (method.is_named or (rejected and self.proposals.question.strata)):
            return ""
        return method.name

    def trial_config(self, config: TrialConfig, seed_index: int, *, judged: bool = False) -> TrialConfig:
        """A trial of a configuration.

        Args:
            config: The configuration without a seed.
            seed_index: Which of the study's seeds.
            judged: Whether it is judged: on a fresh seed, and evaluated on the test part.

        Returns:
            The configuration with this seed and the study's epochs.

        Raises:
            InputError: It cannot be trained for so many epochs.
        """
        epochs = self.settings.epochs or config.training.epochs
        training = config.training
        if epochs != training.epochs:  # the warm-up stays the same share of the training
            warmup = training.warmup_epochs * epochs / training.epochs
            training = training.model_copy(update={"epochs": epochs, "warmup_epochs": warmup})
        seed = self.seeds.value(seed_index, judged=judged)
        try:
            return config.changed(seed=seed, training=training, test=judged)
        except ValidationError as error:  # e.g. a selection that is rewound to a later epoch than these
            raise InputError(f"{config.method} with epochs {epochs}: {one_line(error)}") from None

    def _trial_config(self, configuration: Configuration, seed_index: int) -> TrialConfig:
        judged = configuration.slot.judges is not None
        return self.trial_config(configuration.config, seed_index, judged=judged)

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
        if configuration.optuna_trial is not None:
            histories, history = self.proposals.histories, self.proposals.history(configuration.slot)
            outcome = histories.outcome(configuration, best_trials(self.queue.dense))  # at this event
            self._calls.run(partial(histories.tell, history, configuration.optuna_trial, outcome))
        self._judge()

    def _judge(self) -> None:
        """Add what was chosen once every configuration has ended, to train it on fresh seeds."""
        if self.proposals.question.strata and not self.queue.left and not self.queue.open:
            self.queue.judge(chosen(self.queue.proposed))
            self._unjudged = 0


def handed_out(study: optuna.Study, count: int) -> optuna.Study:
    """An Optuna study with only the first configurations; the same object if it has no others.

    Args:
        study: The Optuna study.
        count: How many configurations have been handed out.
    """
    trials = study.get_trials(deepcopy=False)
    first = [trial for trial in trials if trial.user_attrs["configuration"] < count]
    if len(first) == len(trials):
        return study
    made = optuna.create_study(directions=study.directions)
    made.add_trials(first)
    return made


def check_baseline(proposals: Proposals) -> None:
    """Check that the method exists to which a question compares the others.

    Raises:
        InputError: It does not.
    """
    question, names = proposals.question, [method.name for method in proposals.methods.every]
    if isinstance(question, Compare) and question.baseline and question.baseline not in names:
        raise InputError(f"--baseline: {unknown('method', question.baseline, names)}")
