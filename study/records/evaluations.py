"""Has a study been evaluated on the test images, and with what result? Read from its folder alone."""

import json
from collections.abc import Sequence
from typing import TypedDict

from study.records.store import StudyStore

EVALUATIONS = "closed.json"


class EvaluatedTrial(TypedDict):
    """A trial's last validation accuracy and its accuracy on the test images, both in [0, 1].

    trial: its name within the study. rate: the freezing rate within which it was chosen, as text.
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

    when: in ISO 8601, UTC. evaluation: its number, from 1 on. top: how many configurations of each rate.
    not_evaluated: why a trial that was chosen has no result, by its name.
    """

    when: str
    evaluation: int
    top: int
    commit: str
    results: list[EvaluatedTrial]
    not_evaluated: dict[str, str]


def read_evaluations(store: StudyStore) -> list[Evaluation]:
    """All evaluations on the test images, the first one first."""
    try:
        content: list[Evaluation] = json.loads(store.read(EVALUATIONS))
    except FileNotFoundError:
        return []
    return content


def evaluated_accuracies(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    """Test accuracy by the trial's name; a trial's network is the same in each evaluation."""
    return {each["trial"]: each["test_accuracy"] for one in evaluations for each in one["results"]}


def is_closed(store: StudyStore) -> bool:
    """Whether the study has been evaluated on the test images."""
    return store.has(EVALUATIONS)
