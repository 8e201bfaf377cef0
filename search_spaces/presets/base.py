"""The class of presets: a paper's complete setting, and its published values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, Self

from cops_core.config import Arm, Selection, Training, TrialConfig
from cops_core.errors import InputError
from cops_core.streams import derive_seed

Unit = Literal["accuracy", "share of dense", "factor"]
Method = tuple[Arm, Selection]

RATES = tuple(map(Decimal, ("0.9", "0.95", "0.98", "0.99", "0.995", "0.999")))


@dataclass(frozen=True)
class Paper:
    """A paper.

    Attributes:
        title: How it is cited.
        compares: What its tables compare.
    """

    title: str
    compares: str


PAPERS: Mapping[str, Paper] = {
    "freezenet": Paper("FreezeNet (arXiv 2011.14087)", "SNIP's mask pruned and frozen, a random mask"),
    "cops": Paper("COPS (arXiv 2107.12673)", "scores alone and in pairs, all pruned"),
    "force": Paper("FORCE (arXiv 2006.09081)", "SNIP in rounds with and without revival, all pruned"),
}


@dataclass(frozen=True)
class PublishedValue:
    """A published value of one cell of a table.

    Attributes:
        method: The column, a key of `Preset.methods`.
        rate: The freezing rate, in (0, 1).
        value: In `unit`.
        unit: Test accuracy in [0, 1], the fraction of the dense network's test accuracy in [0, 1], or the
            factor of all parameters over the trained ones.
        source: Where it was published, and what differs from our setting.
    """

    method: str
    rate: Decimal
    value: float
    unit: Unit
    source: str


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A table of a paper, or our table in a paper's style: rows are freezing rates, columns are methods.

    Attributes:
        paper: A key of `PAPERS`.
        model: A key of `MODELS`.
        dataset: A key of `DATASETS`.
        training: The paper's training.
        methods: Arm and selection by the column's heading. The dense network is an additional column.
        seeds: Each cell is the mean of this many trials. Their seeds derive from `seed`, which is the same
            for all presets.
        tolerance: The largest difference to a published value that counts as agreement, in points of
            accuracy (1 is 0.01).
        published: Published values of some cells.
        rates: The freezing rates, each in (0, 1).
        seed: From which the trials' seeds derive, in [0, 2**32).
        initialization: A key of `INITIALIZATIONS`.
        validation_fraction: Fraction of the training images used for validation, in (0, 1).
    """

    paper: str
    model: str
    dataset: str
    training: Training
    methods: Mapping[str, Method]
    seeds: int
    tolerance: float
    published: tuple[PublishedValue, ...] = ()
    rates: tuple[Decimal, ...] = RATES
    seed: int = 0
    initialization: str = "xavier_normal"
    validation_fraction: Decimal = Decimal("0.1")

    @property
    def name(self) -> str:
        """Its key in `PRESETS`: `freezenet_lenet_5_caffe_mnist`."""
        return f"{self.paper}_{self.model}_{self.dataset}"

    @property
    def title(self) -> str:
        """`FreezeNet (arXiv 2011.14087), lenet_5_caffe on mnist`."""
        return f"{PAPERS[self.paper].title}, {self.model} on {self.dataset}"

    @property
    def description(self) -> str:
        """What it compares."""
        return PAPERS[self.paper].compares

    @property
    def trial_seeds(self) -> tuple[int, ...]:
        """The 32-bit seed of each trial of a cell."""
        return tuple(derive_seed(self.seed, "preset", index) for index in range(self.seeds))

    @property
    def trials(self) -> int:
        """The number of all trials."""
        return self.seeds * (1 + len(self.rates) * len(self.methods))

    def dense(self) -> list[TrialConfig]:
        """The trials of the dense network, one per seed, evaluated on the test images."""
        base = TrialConfig(
            dataset=self.dataset,
            model=self.model,
            initialization=self.initialization,
            validation_fraction=self.validation_fraction,
            training=self.training,
            test=True,
        )
        return [base.changed(seed=seed) for seed in self.trial_seeds]

    def cell(self, method: str, rate: Decimal) -> list[TrialConfig]:
        """The trials of one cell.

        Args:
            method: A key of `methods`.
            rate: One of `rates`.

        Returns:
            A configuration per seed, evaluated on the test images.
        """
        arm, selection = self.methods[method]
        return [config.changed(arm=arm, selection=selection, density=1 - rate) for config in self.dense()]

    def configs(self) -> list[TrialConfig]:
        """All trials: the dense ones, then row by row."""
        return [
            *self.dense(),
            *(config for rate, method in self.cells() for config in self.cell(method, rate)),
        ]

    def cells(self) -> Iterator[tuple[Decimal, str]]:
        """Rate and method of each cell, row by row."""
        return ((rate, method) for rate in self.rates for method in self.methods)

    def figures(self, method: str, rate: Decimal) -> list[PublishedValue]:
        """The published values of one cell.

        Args:
            method: A key of `methods`.
            rate: One of `rates`.

        Returns:
            The values, none for most cells.
        """
        return [one for one in self.published if (one.method, one.rate) == (method, rate)]

    def changed(
        self,
        *,
        epochs: int | None = None,
        seeds: int | None = None,
        rates: Sequence[Decimal] | None = None,
    ) -> Self:
        """This preset with other epochs or seeds, or with fewer rates. None changes nothing.

        A step schedule keeps its shape: its steps come at the same fractions of the training.

        Args:
            epochs: Number of epochs, at least 1.
            seeds: Number of trials per cell, at least 1.
            rates: Some of the preset's rates.

        Returns:
            The new preset.

        Raises:
            InputError: A rate that the preset does not have.
        """
        training = self.training if epochs is None else with_epochs(self.training, epochs)
        asked = self.rates if rates is None else tuple(rates)
        for rate in asked:
            if rate not in self.rates:
                known = ", ".join(map(str, self.rates))
                raise InputError(f"--rates {rate} is not a row of {self.name}: choose from {known}")
        kept = tuple(rate for rate in self.rates if rate in asked)
        return replace(self, training=training, seeds=seeds or self.seeds, rates=kept)


def with_epochs(training: Training, epochs: int) -> Training:
    """The same training with another number of epochs, its schedule's steps at the same fractions of it.

    Args:
        training: The training to change.
        epochs: Number of epochs, at least 1.

    Returns:
        The new training.
    """
    every = max(1, round(training.step_every * epochs / training.epochs))
    step = {"step_every": every} if training.schedule == "step" else {}
    return training.model_copy(update={"epochs": epochs, **step})
