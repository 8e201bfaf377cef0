"""Trials of studies of the question `compare`: those that choose, and those on fresh seeds."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from search_spaces.question import Compare
from study.records.trial import StudyTrial

QUESTION = Compare((Decimal("0.9"), Decimal("0.99")), judging_seeds=3)
Made = Callable[..., list[StudyTrial]]


def again(
    made: Made, number: int, of: Sequence[StudyTrial], tests: Sequence[float | None], **ends: str
) -> list[StudyTrial]:
    """The chosen configuration `of` trained again on fresh seeds, as configuration `number`.

    tests: The test accuracy of each seed; None for a seed without one. ends: statuses other than `finished`,
    by seed as `s0`.
    """
    first = of[0]
    found = []
    for seed, test in enumerate(tests):
        (trial,) = made(number, (0.5 if test is None else test - 0.01,), "snip")
        trial.number, trial.seed_index, trial.config = 1000 * number + seed, seed, first.config
        trial.config = first.config.changed(seed=500 + seed, test=True)
        trial.identity = f"{1000 * number + seed:064x}"
        trial.rate, trial.named, trial.judges = first.rate, first.named, first.configuration
        trial.facts = {**first.facts, **({} if test is None else {"test_accuracy": test})}
        trial.status = ends.get(f"s{seed}", "finished")
        if trial.status in ("running", "interrupted"):
            trial.ended = None
        found.append(trial)
    return found


def compare_trials(
    made: Made, *, judged: bool = True, named: Sequence[str] = ("", "", "")
) -> list[StudyTrial]:
    """Dense, pruned and frozen SNIP and a frozen pair at two rates, with two configurations each."""
    tried, fresh = [], []
    dense = [made(0, (0.97,), arm="dense"), made(1, (0.96,), arm="dense")]
    tried += dense
    fresh.append((dense[0], (0.975, 0.971, 0.973)))
    kinds = (("prune", "snip", 0.0), ("freeze", "snip", 0.02), ("freeze", "snip+synflow", 0.06))
    for place, rate in enumerate(("0.9", "0.99")):
        for kind, (arm, scores, more) in enumerate(kinds):
            number = 2 + 6 * place + 2 * kind
            first = made(number, (0.9 - 0.2 * place + more,), scores, rate, arm, level=0.3)
            second = made(number + 1, (0.85 - 0.2 * place + more,), scores, rate, arm, level=0.6)
            for trial, rates in ((first[0], (0.05, 0.2)), (second[0], (0.1, 0.2))):
                trial.named = named[kind]
                trial.parameters = {"learning_rate": rates[0], "arm": arm, "weight_decay": 1e-5}
                training = trial.config.training.model_copy(update={"learning_rate": rates[0]})
                trial.config = trial.config.changed(training=training)
            tried += [first, second]
            base = 0.88 - 0.2 * place + more
            fresh.append((first, (base, base + 0.01, base + 0.02 + 0.002 * kind)))
    trials = [trial for each in tried for trial in each]
    if judged:
        for place, (of, tests) in enumerate(fresh):
            trials += again(made, 14 + place, of, tests)
    return trials
