"""Does freezing beat pruning? FreezeNet against SNIP pruned, FreezeNet-WD and a random mask, by rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from cops_core.config import Arm, Selection, Training, TrialConfig
from cops_core.streams import derive_seed
from study.experiments.base import Experiment, RunTrials, rate_of
from study.experiments.statistics import interval
from study.trial import StudyTrial

METHODS: Mapping[str, tuple[Arm, Selection]] = {
    "SNIP, pruned": ("prune", Selection(target="snip")),
    "FreezeNet": ("freeze", Selection(target="snip")),
    "FreezeNet-WD": ("freeze_wd", Selection(target="snip")),
    "random mask, frozen": ("freeze", Selection(target="random")),
}


@dataclass(frozen=True)
class FreezeNetRates(Experiment):
    """Every method of `METHODS` at every rate, beside the dense network; nothing is chosen."""

    rates: tuple[Decimal, ...] = tuple(map(Decimal, ("0.9", "0.95", "0.98", "0.99", "0.995", "0.999")))
    training: Training = field(default_factory=lambda: Training(epochs=8))

    def answer(self, run: RunTrials) -> str:
        """One table: a row per rate, a column per method."""
        seeds = [derive_seed(self.seed, "freezenet", index) for index in range(self.judge_seeds)]
        dense = TrialConfig(dataset=self.dataset, model=self.model, training=self.training, test=True)
        configs = [dense.changed(seed=seed) for seed in seeds] + [
            dense.changed(seed=seed, arm=arm, selection=selection, density=1 - rate)
            for rate in self.rates
            for arm, selection in METHODS.values()
            for seed in seeds
        ]
        trials = run(f"{self.model}-{self.dataset}-{self.training.epochs}-epochs", configs)
        return "\n".join(table(self, trials))


def table(experiment: FreezeNetRates, trials: Sequence[StudyTrial]) -> list[str]:
    """The results as Markdown lines; in brackets the share of the dense accuracy, as in the paper."""
    dense = interval([_test(trial) for trial in trials if trial.config.arm == "dense"])
    lines = [
        f"### {experiment.model} on {experiment.dataset}, {experiment.training.epochs} epochs,"
        f" {experiment.judge_seeds} seeds",
        "",
        f"Dense: {dense:.1%}, {trials[0].facts['parameters']:,} parameters.",
        "",
        f"| rate | trained | {' | '.join(METHODS)} |",
        f"|---|---|{'---|' * len(METHODS)}",
    ]
    for rate in experiment.rates:
        cells = []
        for arm, selection in METHODS.values():
            here = [
                trial
                for trial in trials
                if trial.config.arm == arm and trial.config.selection == selection and rate_of(trial) == rate
            ]
            found = interval([_test(trial) for trial in here])
            collapsed = sum(trial.status == "collapsed" for trial in here)
            note = f", {collapsed} collapsed" if collapsed else ""
            cells.append(f"{found.mean:.1%} ± {found.half_width:.1%} [{found.mean / dense.mean:.1%}{note}]")
        factor = here[0].facts["compression"]
        lines.append(f"| {rate} | 1/{factor:.0f} | {' | '.join(cells)} |")
    return [*lines, ""]


def _test(trial: StudyTrial) -> float:
    accuracy: float = trial.facts["test_accuracy"]
    return accuracy
