"""Why is iterated SNIP often inaccurate? Which classes it disconnects, for each way of iterating it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from cops_core.config import Selection, Training, TrialConfig
from cops_core.facts import ConnectivityFacts
from cops_core.streams import derive_seed
from study.analysis.statistics import interval
from study.papers.experiments.base import Experiment, ExperimentResult, RunParts, tested
from study.records.trial import StudyTrial
from study.views.markdown import markdown_table

ROUNDS = 50

VARIANTS: Mapping[str, Selection] = {
    "one shot": Selection(target="snip"),
    "one batch for all rounds": Selection(target="snip", rounds=ROUNDS),
    "a fresh batch each round": Selection(target="snip", rounds=ROUNDS, fresh_batches=True),
    "fresh batches of any classes": Selection(
        target="snip", rounds=ROUNDS, fresh_batches=True, convention="snip"
    ),
    "one batch of 1,000 images": Selection(target="snip", rounds=ROUNDS, samples_per_class=100),
    "linear schedule": Selection(target="snip", rounds=ROUNDS, schedule="linear"),
    "removed weights may revive": Selection(target="snip", rounds=ROUNDS, revive=True),
    "SynFlow, for comparison": Selection(target="synflow", rounds=ROUNDS),
}


@dataclass(frozen=True)
class IteratedSnip(Experiment):
    """Iterated SNIP, pruned, in each of `VARIANTS`: its accuracy, and which classes stay connected."""

    rates: tuple[Decimal, ...] = (Decimal("0.995"),)
    training: Training = field(default_factory=lambda: Training(epochs=8))

    def answer(self, run: RunParts) -> ExperimentResult:
        """A table for each rate."""
        seeds = [derive_seed(self.seed, "iterated snip", index) for index in range(self.evaluation_seeds)]
        trials = run.trials(
            "trials",
            [
                TrialConfig(
                    dataset=self.dataset,
                    model=self.model,
                    seed=seed,
                    arm="prune",
                    selection=selection,
                    density=1 - rate,
                    training=self.training,
                    test=True,
                )
                for rate in self.rates
                for selection in VARIANTS.values()
                for seed in seeds
            ],
        )
        return ExperimentResult("\n".join(line for rate in self.rates for line in table(rate, trials)))


def table(rate: Decimal, trials: Sequence[StudyTrial]) -> list[str]:
    """The trials of one rate as lines of Markdown, a row for each variant."""
    columns = (
        "rounds",
        "test accuracy, mean and 95 % interval",
        "classes with a live path, by seed",
        "test accuracy, by seed",
    )
    rows = []
    for name, selection in VARIANTS.items():
        here = [t for t in trials if t.config.selection == selection and t.config.freezing_rate == rate]
        accuracies = [tested(trial) for trial in here]
        classes = [str(connected(trial)["live_outputs"]) for trial in here]
        by_seed = ", ".join(f"{accuracy:.1%}" for accuracy in accuracies)
        rows.append((name, f"{interval(accuracies):.1%}", ", ".join(classes), by_seed))
    return [f"### Freezing rate {rate}", "", *markdown_table(columns, rows), "", bound(trials, rate), ""]


def connected(trial: StudyTrial) -> ConnectivityFacts:
    """What the mask of a trial leaves connected. The trial must have a mask."""
    assert trial.connectivity is not None
    return trial.connectivity


def live_share(trial: StudyTrial) -> float:
    """The share of the classes that a path leads to, which is known for these networks."""
    found = connected(trial)
    assert found["live_outputs"] is not None
    assert found["outputs"] is not None
    return found["live_outputs"] / found["outputs"]


def bound(trials: Sequence[StudyTrial], rate: Decimal) -> str:
    """How close the accuracy is to its upper bound, the share of the classes that are connected."""
    shares = [(trial, live_share(trial)) for trial in trials if trial.config.freezing_rate == rate]
    cut = [(tested(trial), share) for trial, share in shares if share < 1]
    if not cut:
        return "No class was disconnected."
    accuracies, bounds = np.array(cut).T
    return (
        f"{len(cut)} of these networks have classes without a live path: their accuracy is"
        f" {np.mean(accuracies / bounds):.1%} of the share of the other classes, on average."
    )
