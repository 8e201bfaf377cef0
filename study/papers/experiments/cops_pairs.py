"""Does a control score help? COPS pairs against the best variant of each single score, pruned.

All choices (one-shot or iterated, the pair's level) are made on the validation accuracy of selection
seeds. What was chosen is judged on the test part, with other seeds, which chose nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations

import numpy as np

from cops_core.config import Control, Selection, TrialConfig
from cops_core.streams import derive_seed
from study.analysis.statistics import Interval, interval
from study.papers.experiments.base import Answer, Experiment, RunTrials, rate_of
from study.records.trial import StudyTrial


@dataclass(frozen=True)
class CopsPairs(Experiment):
    """COPS pairs against single scores.

    judged_pairs: at each rate that many pairs are judged, those that validation ranks first, beside
    all single scores.
    """

    scores: tuple[str, ...] = ("magnitude", "snip", "grasp", "synflow")
    levels: tuple[float, ...] = (0.3, 0.6)
    rounds: tuple[int, ...] = (1, 50)
    selection_seeds: int = 2
    judged_pairs: int = 3

    def answer(self, run: RunTrials, at_hand: Callable[[str], bool]) -> Answer:
        """A table per rate, and the comparison that was planned."""
        selection = run("selection", self.selection_trials())
        judged = run("judging", self.judge_trials(self.choose(selection)))
        return Answer(markdown(self, verdicts(selection, judged)))

    def candidates(self) -> Iterator[Selection]:
        """Every variant of every single score, and every level and variant of every ordered pair."""
        for rounds in self.rounds:
            for score in self.scores:
                yield Selection(target=score, rounds=rounds)
            for target, control in permutations(self.scores, 2):
                for level in self.levels:
                    yield Selection(
                        target=target, controls=(Control(score=control, level=level),), rounds=rounds
                    )

    def selection_trials(self) -> list[TrialConfig]:
        """What has to be run before anything is chosen."""
        seeds = [derive_seed(self.seed, "selection", index) for index in range(self.selection_seeds)]
        return [
            self.trial(selection, rate, seed)
            for rate in self.rates
            for selection in self.candidates()
            for seed in seeds
        ]

    def choose(self, trials: Sequence[StudyTrial]) -> dict[tuple[Decimal, str], Selection]:
        """For each rate: the best variant of each single score, and the best pairs, on validation."""
        accuracies: dict[tuple[Decimal, str], dict[Selection, list[float]]] = {}
        for trial in trials:
            selection, rate = trial.config.selection, rate_of(trial)
            assert selection is not None
            group = accuracies.setdefault((rate, family(selection)), {})
            group.setdefault(selection, []).append(trial.accuracy)
        best = {key: max(group, key=lambda s: float(np.mean(group[s]))) for key, group in accuracies.items()}

        def rank(key: tuple[Decimal, str]) -> float:
            return -float(np.mean(accuracies[key][best[key]]))

        pairs = [key for key in sorted(best, key=rank) if best[key].controls]
        judged = {
            key for rate in self.rates for key in [k for k in pairs if k[0] == rate][: self.judged_pairs]
        }
        return {key: chosen for key, chosen in best.items() if not chosen.controls or key in judged}

    def judge_trials(self, chosen: dict[tuple[Decimal, str], Selection]) -> list[TrialConfig]:
        """What judges the choices: other seeds, the test part."""
        seeds = [derive_seed(self.seed, "judge", index) for index in range(self.judge_seeds)]
        return [
            self.trial(selection, rate, seed).changed(test=True)
            for (rate, _), selection in chosen.items()
            for seed in seeds
        ]


def family(selection: Selection) -> str:
    """What competes as one: a single score in all its variants, or a pair at all its levels."""
    target, *controls = map(str, selection.scores)
    return f"cops({target}; {', '.join(controls)})" if controls else target


@dataclass(frozen=True)
class Verdict:
    """A family at a rate: what was chosen, its validation accuracy there, its test accuracies by seed."""

    rate: Decimal
    family: str
    chosen: Selection
    validation: float
    test: dict[int, float]

    @property
    def interval(self) -> Interval:
        """Mean test accuracy with its 95 % interval over the judging seeds."""
        return interval(list(self.test.values()))


def verdicts(selection: Sequence[StudyTrial], judged: Sequence[StudyTrial]) -> list[Verdict]:
    """One verdict per rate and family, by rate, the best on validation first."""
    validation: dict[tuple[Decimal, Selection], list[float]] = {}
    for trial in selection:
        assert trial.config.selection is not None
        validation.setdefault((rate_of(trial), trial.config.selection), []).append(trial.accuracy)
    tests: dict[tuple[Decimal, Selection], dict[int, float]] = {}
    for trial in judged:
        assert trial.config.selection is not None
        seeds = tests.setdefault((rate_of(trial), trial.config.selection), {})
        seeds[trial.config.seed] = trial.facts["test_accuracy"]
    found = [
        Verdict(rate, family(chosen), chosen, float(np.mean(validation[rate, chosen])), seeds)
        for (rate, chosen), seeds in tests.items()
    ]
    return sorted(found, key=lambda verdict: (verdict.rate, -verdict.validation))


def difference(verdicts: Sequence[Verdict], rate: Decimal) -> tuple[Verdict, Verdict, Interval]:
    """At a rate: the pair and the single score that validation ranks first, and their paired difference."""
    here = [verdict for verdict in verdicts if verdict.rate == rate]
    pair = next(verdict for verdict in here if verdict.chosen.controls)
    single = next(verdict for verdict in here if not verdict.chosen.controls)
    return pair, single, interval([pair.test[seed] - single.test[seed] for seed in pair.test])


def markdown(experiment: CopsPairs, found: Sequence[Verdict]) -> str:
    """The results as Markdown: a table per rate, and the comparison that was planned."""
    lines = []
    for rate in experiment.rates:
        lines += [f"### Freezing rate {rate}", ""]
        lines += [
            "| method | chosen on validation | validation | test, mean and 95 % interval |",
            "|---|---|---|---|",
        ]
        for verdict in (verdict for verdict in found if verdict.rate == rate):
            cells = (
                verdict.family,
                _variant(verdict.chosen),
                f"{verdict.validation:.1%}",
                f"{verdict.interval:.1%}",
            )
            lines.append(f"| {' | '.join(cells)} |")
        pair, single, gain = difference(found, rate)
        lines += ["", f"{pair.family} minus {single.family}, paired by seed: {gain:+.1%}.", ""]
    return "\n".join(lines)


def _variant(selection: Selection) -> str:
    level = "".join(f"level {control.level:g}, " for control in selection.controls)
    return level + ("one-shot" if selection.rounds == 1 else f"{selection.rounds} rounds")
