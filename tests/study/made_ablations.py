"""Trials of a study of `cops ablate`: the unchanged trial and its four ablations, on the same fresh seeds."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from search_spaces.question import Ablate
from study.records.trial import StudyTrial

ABLATIONS = ("none", "shuffle", "random", "invert", "reinitialize")
QUESTION = Ablate((Decimal("0.99"),), "mine/12")
# A mask whose places and initial values matter, by a lot more than chance, and whose ranking may.
TESTS: Mapping[str, Sequence[float | None]] = {
    "none": (0.90, 0.91, 0.92, 0.905),
    "shuffle": (0.80, 0.812, 0.819, 0.807),
    "random": (0.805, 0.812, 0.825, 0.805),
    "invert": (0.89, 0.93, 0.90, 0.90),
    "reinitialize": (0.85, 0.861, 0.868, 0.856),
}
Made = Callable[..., list[StudyTrial]]


def ablation_trials(
    made: Made,
    tests: Mapping[str, Sequence[float | None]] = TESTS,
    ends: Mapping[str, Mapping[int, str]] | None = None,
    scores: str = "synflow+snip",
) -> list[StudyTrial]:
    """The trials in the order in which they ran.

    tests: The test accuracy of each seed, by the ablation; None for a seed without one. ends: statuses other
    than `finished`, by the ablation and the seed.
    """
    found = []
    for number, (ablation, values) in enumerate(tests.items()):
        accuracies = tuple(0.5 if test is None else test - 0.01 for test in values)
        for trial, test in zip(
            made(number, accuracies, scores, "0.99", "prune", level=0.3, selection={"ablation": ablation}),
            values,
            strict=True,
        ):
            trial.config = trial.config.changed(test=True)
            trial.number = trial.seed_index * len(tests) + number
            trial.start_sequence = trial.number
            trial.identity = f"{trial.number:064x}"
            trial.facts = {**trial.facts, **({} if test is None else {"test_accuracy": test})}
            trial.status = (ends or {}).get(ablation, {}).get(trial.seed_index, "finished")
            if trial.status in ("running", "interrupted"):
                trial.ended = None
            found.append(trial)
    return sorted(found, key=lambda trial: trial.number)
