"""Has a study been evaluated on the test images, and with what result? Only its folder is read."""

import json
from collections.abc import Sequence
from typing import TypedDict

from study.records.store import StudyStore

EVALUATIONS = "closed.json"


class EvaluatedTrial(TypedDict):
    """A trial that was evaluated on the test images.

    Attributes:
        trial: Its name within the study.
        configuration: The number of its configuration.
        seed_index: Which of the configuration's seeds it has.
        method: The name under which it is compared.
        rate: The freezing rate within which it was chosen, as text; None if the rate is not an axis.
        validation_accuracy: The last epoch's, in [0, 1]; or the value of a trainer's own measure.
        test_accuracy: The accuracy on the test images, in [0, 1]; or that measure on the test part.
    """

    trial: str
    configuration: int
    seed_index: int
    method: str
    rate: str | None
    validation_accuracy: float
    test_accuracy: float


class Evaluation(TypedDict):
    """One evaluation on the test images.

    Attributes:
        when: Its time, in ISO 8601, UTC.
        evaluation: Its number, from 1 on.
        top: How many configurations of each rate were chosen.
        commit: The commit of the code that evaluated.
        results: The trials with a result.
        not_evaluated: Why a trial that was chosen has no result, by its name.
    """

    when: str
    evaluation: int
    top: int
    commit: str
    results: list[EvaluatedTrial]
    not_evaluated: dict[str, str]


def read_evaluations(store: StudyStore) -> list[Evaluation]:
    """All evaluations of a study on the test images, in the order of time."""
    try:
        content: list[Evaluation] = json.loads(store.read(EVALUATIONS))
    except FileNotFoundError:
        return []
    return content


def evaluated_accuracies(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    """The test accuracy by the trial's name. A trial's network is the same in each evaluation."""
    return {each["trial"]: each["test_accuracy"] for one in evaluations for each in one["results"]}


def is_closed(store: StudyStore) -> bool:
    """Whether the study has been evaluated on the test images."""
    return store.has(EVALUATIONS)
