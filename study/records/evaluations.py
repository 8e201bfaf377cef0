"""Has a study been evaluated on the test images, and with what result? Read from its folder alone."""

import json
from typing import Any

from study.records.store import StudyStore

EVALUATIONS = "closed.json"


def test_evaluations(store: StudyStore) -> list[dict[str, Any]]:
    """All evaluations on the test set, the first one first: when, look, top, commit, results, not_judged."""
    try:
        content: list[dict[str, Any]] = json.loads(store.read(EVALUATIONS))
    except FileNotFoundError:
        return []
    return content


def is_closed(store: StudyStore) -> bool:
    """Whether the study has been evaluated on the test set."""
    return store.has(EVALUATIONS)
