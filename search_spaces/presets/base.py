"""What a preset is: a paper's setting, complete, and what was published of it."""

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
    """A paper: how it is cited, and what its tables hold side by side."""

    title: str
    compares: str


PAPERS: Mapping[str, Paper] = {
    "freezenet": Paper("FreezeNet (arXiv 2011.14087)", "SNIP's mask pruned and frozen, a random mask"),
    "cops": Paper("COPS (arXiv 2107.12673)", "scores alone and in pairs, all pruned"),
}


@dataclass(frozen=True)
class PublishedValue:
    """One figure that was published of a cell.

    unit: test accuracy in [0, 1], the share of the dense network's test accuracy in [0, 1], or the factor
    of all parameters over the trained ones. source: where it stands, and what differs from our setting.
    """

    method: str
    rate: Decimal
    value: float
    unit: Unit
    source: str


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A table of a paper, or of ours in its manner: rows are freezing rates, columns are methods.

    paper: one of `PAPERS`. methods: by the column's heading, the arm and the selection; the dense network
    stands beside them. rates: in (0, 1). seeds: how many trials each cell is the mean of; they derive from
    `seed`, the same for all presets. tolerance: how far ours may be from a published figure and still
    agree, in points of accuracy (1 is 0.01).
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
        """By which it is called: `freezenet_lenet_5_caffe_mnist`."""
        return f"{self.paper}_{self.model}_{self.dataset}"

    @property
    def title(self) -> str:
        """`FreezeNet (arXiv 2011.14087), lenet_5_caffe on mnist`."""
        return f"{PAPERS[self.paper].title}, {self.model} on {self.dataset}"

    @property
    def description(self) -> str:
        """What it holds side by side."""
        return PAPERS[self.paper].compares

    @property
    def trial_seeds(self) -> tuple[int, ...]:
        """The 32-bit seed of each trial of a cell."""
        return tuple(derive_seed(self.seed, "preset", index) for index in range(self.seeds))

    @property
    def trials(self) -> int:
        """How many trials there are in all."""
        return self.seeds * (1 + len(self.rates) * len(self.methods))

    def dense(self) -> list[TrialConfig]:
        """The dense network, a trial for each seed, judged on the test part."""
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
        """A method at a rate, a trial for each seed."""
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
        """What was published of a cell."""
        return [one for one in self.published if (one.method, one.rate) == (method, rate)]

    def changed(
        self,
        *,
        epochs: int | None = None,
        seeds: int | None = None,
        rates: Sequence[Decimal] | None = None,
    ) -> Self:
        """This preset with other epochs or seeds, or some of its rates; None leaves what it has.

        A step schedule keeps its shape: its steps come after the same share of the training.
        Raises InputError for a rate that it does not have.
        """
        training = self.training if epochs is None else with_epochs(self.training, epochs)
        asked = self.rates if rates is None else tuple(rates)
        for rate in asked:
            if rate not in self.rates:
                known = ", ".join(map(str, self.rates))
                raise InputError(f"--rates {rate} is no row of {self.name}: choose from {known}")
        kept = tuple(rate for rate in self.rates if rate in asked)
        return replace(self, training=training, seeds=seeds or self.seeds, rates=kept)


def with_epochs(training: Training, epochs: int) -> Training:
    """The same training in another number of epochs, the schedule's steps at the same shares of it."""
    every = max(1, round(training.step_every * epochs / training.epochs))
    step = {"step_every": every} if training.schedule == "step" else {}
    return training.model_copy(update={"epochs": epochs, **step})
