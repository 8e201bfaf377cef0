"""A study's configurations in their order: those that were proposed, and the slots that are left."""

from collections import deque

from study.records.trial import StudyTrial
from study.search.configuration import Configuration
from study.search.proposals import Proposals
from study.search.seeds import Seeds
from study.search.slots import slots


class ConfigurationQueue:
    """Proposes one configuration after the other, and knows which of them may have another seed.

    Args:
        proposals: Makes the configurations.
        seeds: How many seeds each of them has.
        trials: The number of configurations.

    Attributes:
        proposed: The configurations so far, by number.
        left: The slots of those that have not been proposed.

    Raises:
        InputError: There are fewer configurations than baselines.
    """

    def __init__(self, proposals: Proposals, seeds: Seeds, trials: int) -> None:
        self.proposed: list[Configuration] = []
        self.left = deque(slots(proposals.question, trials))
        self._proposals = proposals
        self._seeds = seeds

    @property
    def dense(self) -> Configuration | None:
        """The dense baseline; None before it has been proposed."""
        return self.proposed[0] if self.proposed else None

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
        if trial.seed_index == 0:
            return self._add(recorded=trial)
        configuration = self.proposed[trial.configuration]
        configuration.granted = max(configuration.granted, trial.seed_index + 1)
        return configuration

    def rivals(self, configuration: Configuration) -> list[Configuration]:
        """The other configurations of the same history."""
        history = configuration.slot.history
        return [each for each in self.proposed if each.slot.history == history and each is not configuration]

    def _add(self, recorded: StudyTrial | None) -> Configuration:
        slot = self.left.popleft()
        configuration = self._proposals.make(len(self.proposed), slot, recorded)
        # The space rejects the same parameters with every seed.
        configuration.granted = 1 if configuration.rejected else self._seeds.at_first(slot)
        self.proposed.append(configuration)
        return configuration
