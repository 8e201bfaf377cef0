"""Does freezing beat pruning? FreezeNet against SNIP pruned, FreezeNet-WD and a random mask, by rate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from cops_core.config import Training, TrialConfig
from cops_core.streams import derive_seed
from search_spaces.presets.methods import freezenet_methods
from search_spaces.presets.recipes import CIFAR_RECIPE, MNIST_RECIPE
from study.analysis.statistics import Interval, interval
from study.papers.experiments.base import Answer, Asked, Experiment, RunTrials, rate_of
from study.papers.experiments.figures import accuracy_by_rate
from study.records.trial import StudyTrial

METHODS = freezenet_methods(samples_per_class=10)


@dataclass(frozen=True)
class Setting:
    """A network, its data, how long and with how many seeds it is trained."""

    dataset: str
    model: str
    training: Training
    seeds: int

    @property
    def title(self) -> str:
        """`lenet_300_100 on fashion_mnist, 8 epochs, 5 seeds`."""
        return f"{self.model} on {self.dataset}, {self.training.epochs} epochs, {self.seeds} seeds"


SHORT = (
    Setting("fashion_mnist", "lenet_300_100", Training(epochs=8), seeds=5),
    Setting("fashion_mnist", "lenet_5_caffe", Training(epochs=2), seeds=3),
)
# The papers' recipe (see `search_spaces.presets.recipes`): 250 epochs, for a GPU.
PAPER = (
    Setting("mnist", "lenet_300_100", MNIST_RECIPE, seeds=5),
    Setting("mnist", "lenet_5_caffe", MNIST_RECIPE, seeds=5),
    Setting("cifar10", "vgg16", CIFAR_RECIPE, seeds=3),
    Setting("cifar10", "resnet18", CIFAR_RECIPE, seeds=3),
    Setting("cifar100", "resnet34", CIFAR_RECIPE, seeds=3),
)


@dataclass(frozen=True)
class FreezeNetRates(Experiment):
    """Every method of `METHODS` at every rate, beside the dense network; nothing is chosen.

    settings: run one after the other, each where its data set is at hand; the first ones always.
    """

    rates: tuple[Decimal, ...] = tuple(map(Decimal, ("0.9", "0.95", "0.98", "0.99", "0.995", "0.999")))
    always: tuple[Setting, ...] = SHORT
    settings: tuple[Setting, ...] = PAPER

    def changed(self, asked: Asked) -> Self:
        """With a data set, a model, epochs or seeds of its own it is that one setting."""
        rates = asked.rates or self.rates
        if not any((asked.dataset, asked.model, asked.epochs, asked.seeds)):
            return replace(self, rates=rates)
        default = next((one for one in self.always if one.model == asked.model), self.always[0])
        epochs = asked.epochs or default.training.epochs
        one = Setting(
            asked.dataset or default.dataset,
            asked.model or default.model,
            default.training.model_copy(update={"epochs": epochs}),
            asked.seeds or default.seeds,
        )
        return replace(self, rates=rates, always=(one,), settings=())

    def answer(self, run: RunTrials, at_hand: Callable[[str], bool]) -> Answer:
        """A table per setting: a row per rate, a column per method; one figure of them all."""
        chosen = [*self.always, *(one for one in self.settings if at_hand(one.dataset))]
        left_out = [one for one in self.settings if one not in chosen]
        found = {one: self._results(one, run) for one in chosen}
        lines = [line for one, results in found.items() for line in table(one, results)]
        if left_out:
            lines.append(f"Not run, data not at hand: {'; '.join(one.title for one in left_out)}.")
        panels = {one.title: results.curves() for one, results in found.items()}
        dense = {one.title: results.dense.mean for one, results in found.items()}
        return Answer("\n".join(lines), {"freezenet.png": accuracy_by_rate(panels, dense)})

    def _results(self, setting: Setting, run: RunTrials) -> "Results":
        seeds = [derive_seed(self.seed, "freezenet", index) for index in range(setting.seeds)]
        dense = TrialConfig(
            dataset=setting.dataset, model=setting.model, training=setting.training, test=True
        )
        configs = [dense.changed(seed=seed) for seed in seeds] + [
            dense.changed(seed=seed, arm=arm, selection=selection, density=1 - rate)
            for rate in self.rates
            for arm, selection in METHODS.values()
            for seed in seeds
        ]
        part = f"{setting.model}-{setting.dataset}-{setting.training.epochs}-epochs"
        return Results(self.rates, run(part, configs))


@dataclass(frozen=True)
class Results:
    """The trials of one setting."""

    rates: tuple[Decimal, ...]
    trials: Sequence[StudyTrial]

    @property
    def dense(self) -> Interval:
        """Test accuracy of the dense network."""
        return interval([_test(trial) for trial in self.trials if trial.config.arm == "dense"])

    def at(self, method: str, rate: Decimal) -> list[StudyTrial]:
        """The trials of a method at a rate, one per seed."""
        arm, selection = METHODS[method]
        return [
            trial
            for trial in self.trials
            if trial.config.arm == arm and trial.config.selection == selection and rate_of(trial) == rate
        ]

    def accuracy(self, method: str, rate: Decimal) -> Interval:
        """Test accuracy of a method at a rate."""
        return interval([_test(trial) for trial in self.at(method, rate)])

    def curves(self) -> dict[str, list[tuple[float, Interval]]]:
        """By method: (density, test accuracy) at each rate."""
        return {
            method: [(float(1 - rate), self.accuracy(method, rate)) for rate in self.rates]
            for method in METHODS
        }


def table(setting: Setting, results: Results) -> list[str]:
    """The results as Markdown lines; in brackets the share of the dense accuracy, as in the paper."""
    dense = results.dense
    lines = [
        f"### {setting.title}",
        "",
        f"Dense: {dense:.1%}, {results.trials[0].facts['parameters']:,} parameters.",
        "",
        f"| rate | trained | {' | '.join(METHODS)} |",
        f"|---|---|{'---|' * len(METHODS)}",
    ]
    for rate in results.rates:
        cells = []
        for method in METHODS:
            found = results.accuracy(method, rate)
            collapsed = sum(trial.status == "collapsed" for trial in results.at(method, rate))
            note = f", {collapsed} collapsed" if collapsed else ""
            cells.append(f"{found.mean:.1%} ± {found.half_width:.1%} [{found.mean / dense.mean:.1%}{note}]")
        factor = results.at("FreezeNet", rate)[0].facts["compression"]
        lines.append(f"| {rate} | 1/{factor:.0f} | {' | '.join(cells)} |")
    return [*lines, ""]


def _test(trial: StudyTrial) -> float:
    accuracy: float = trial.facts["test_accuracy"]
    return accuracy
