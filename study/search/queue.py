"""A study's configurations in their order: those that were proposed, and the slots that are left."""

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace

from study.records.trial import StudyTrial
from study.search.calls import CallsInOrder
from study.search.configuration import Configuration
from study.search.proposals import Proposals
from study.search.seeds import Seeds
from study.search.slots import Slot

# A proposal takes milliseconds at first, and a third of a second after 5,000 results. From this configuration
# on it is made ahead: as soon as the one that many places before it is handed out. So it knows all results
# but those of the last few configurations, and depends on the order of events alone.
FIRST_AHEAD = 500
AHEAD = 8


class ConfigurationQueue:
    """Proposes one configuration after the other, and knows which of them may have another seed.

    Args:
        proposals: Makes the configurations.
        seeds: How many seeds each of them has.
        slots: One for each configuration, in order.
        calls: Runs whatever uses the sampler's histories, in the order of the study's events.

    Attributes:
        proposed: The configurations so far, by number.
        left: The slots of those that have not been proposed.
    """

    def __init__(
        self, proposals: Proposals, seeds: Seeds, slots: Iterable[Slot], calls: CallsInOrder
    ) -> None:
        self.proposed: list[Configuration] = []
        self.left = deque(slots)
        self._proposals = proposals
        self._seeds = seeds
        self._calls = calls
        self._made: dict[int, Future[Configuration]] = {}  # ahead, by number
        self._recorded: Mapping[int, StudyTrial] = {}

    def expect(self, trials: Iterable[StudyTrial]) -> None:
        """Receive the recorded trials, in any order, before each is recalled: proposals are made ahead."""
        self._recorded = {trial.configuration: trial for trial in trials if trial.seed_index == 0}

    @property
    def dense(self) -> list[Configuration]:
        """The configurations of the dense network so far, without judged ones."""
        return [
            each
            for each in self.proposed
            if each.slot.judges is None and each.config.arm == "dense" and not each.rejected
        ]

    @property
    def open(self) -> list[Configuration]:
        """The configurations that were proposed and have not finished, in order."""
        return [each for each in self.proposed if not each.finished]

    @property
    def awaiting_seed(self) -> Configuration | None:
        """The first configuration that may have another seed now."""
        return next((each for each in self.open if len(each.trials) < each.granted), None)

    def propose(self) -> Configuration:
        """Propose the next configuration.

        Returns:
            The configuration.

        Raises:
            InputError: The space fails on the sampler's parameters.
        """
        return self._add(recorded=None)

    def recall(self, trial: StudyTrial) -> Configuration:
        """The configuration of a recorded trial.

        Args:
            trial: The trial. Its first seed adds a configuration.

        Returns:
            The configuration.

        Raises:
            InputError: The space fails on the recorded parameters.
        """
        if trial.seed_index == 0 and trial.judges is not None:
            return self._judge(trial.judges)
        if trial.seed_index == 0:
            return self._add(recorded=trial)
        configuration = self.proposed[trial.configuration]
        configuration.granted = max(configuration.granted, trial.seed_index + 1)
        return configuration

    def rivals(self, configuration: Configuration) -> list[Configuration]:
        """The other configurations of the same history."""
        rate = configuration.slot.rate
        return [each for each in self.proposed if each.slot.rate == rate and each is not configuration]

    def judge(self, chosen: Iterable[Configuration]) -> None:
        """Add slots that train chosen configurations again on fresh seeds.

        Args:
            chosen: The configurations.
        """
        self.left.extend(replace(each.slot, judges=each.number) for each in chosen)

    def _judge(self, number: int) -> Configuration:
        """The configuration of a recorded judged trial: what was chosen then is not chosen again."""
        slot = replace(self.proposed[number].slot, judges=number)
        self.left = deque(each for each in self.left if each.judges is None or each.group != slot.group)
        return self._enter(self._again(slot))

    def _again(self, slot: Slot) -> Configuration:
        """A chosen configuration, to be trained on fresh seeds."""
        assert slot.judges is not None
        chosen = self.proposed[slot.judges]
        return Configuration(len(self.proposed), slot, chosen.config, chosen.parameters)

    def _add(self, recorded: StudyTrial | None) -> Configuration:
        slot = self.left.popleft()
        if slot.judges is not None:
            return self._enter(self._again(slot))
        number = len(self.proposed)
        if number in self._made:
            configuration = self._calls.result(self._made.pop(number))
        else:
            configuration = self._calls.wait_for(self._proposals.proposal(number, slot, recorded))
        self._enter(configuration)
        self._make_ahead(number + AHEAD)
        return configuration

    def _make_ahead(self, number: int) -> None:
        """Begin to make the configuration of a number, if it is late enough and has a slot."""
        place = number - len(self.proposed)
        if number < FIRST_AHEAD or place >= len(self.left) or self.left[place].judges is not None:
            return
        call = self._proposals.proposal(number, self.left[place], self._recorded.get(number))
        self._made[number] = self._calls.later(call)

    def _enter(self, configuration: Configuration) -> Configuration:
        # The space rejects the same parameters with every seed.
        configuration.granted = 1 if configuration.rejected else self._seeds.at_first(configuration.slot)
        self.proposed.append(configuration)
        return configuration
