"""How MLflow's UI displays studies: saved views of its table of runs, and the experiment's description.

A saved view is a tag of the experiment, as the UI's own "Save as new view" writes it. The UI lists them
under "Views", and opens one by its key in the address.
"""

import json
from collections.abc import Mapping
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

VIEW_TAG = "mlflow.sharedViewState."
KIND_TAG = "mlflow.experimentKind"  # without it the UI asks for the kind
STUDIES = "cops-studies"  # the view that opens first

# Columns of the table in their order, with their widths in pixels. The first three are always shown.
FIXED = {"attributes.`Run Name`": 365, "runDateAndNestInfo": 125, "duration": 80}
CHOSEN = {
    "metrics.`validation_accuracy`": 135,
    "metrics.`density`": 70,
    "metrics.`trained_parameters`": 140,
    "metrics.`artifact_bytes`": 105,
    "tags.`rate`": 70,
    "tags.`status`": 90,
    "tags.`study`": 110,
    "tags.`method`": 220,
}
FILTERS = (
    "tags.study = 'quickstart' and tags.rate = '0.99'",
    "tags.arm = 'freeze' and metrics.validation_accuracy > 0.8",
    "tags.target = 'snip' and tags.control LIKE '%synflow%'",
)

NOTE = (
    "One run for each study: the + before its name opens its trials. *Views* (top right) has tables with"
    " selected columns. Useful filters:\n\n" + "\n".join(f"- `{words}`" for words in FILTERS) + "\n\n"
    "Accuracies and densities are shares in [0, 1]. Losses are in nats, `..._seconds` in seconds,"
    " `..._bytes` in bytes. All other metrics are counts or ratios."
)


def experiment_tags() -> dict[str, str]:
    """The tags that the experiment should have. Tags of users are not among them."""
    return {KIND_TAG: "custom_model_development", MLFLOW_RUN_NOTE: NOTE} | {
        f"{VIEW_TAG}{key}": _saved(name, {**_state(), **changes}) for key, (name, changes) in _views().items()
    }


def missing_tags(existing: Mapping[str, str]) -> dict[str, str]:
    """The tags to add to an experiment with these tags. A description that a user changed stays."""
    return {
        key: value
        for key, value in experiment_tags().items()
        if key not in existing or (key.startswith(VIEW_TAG) and existing[key] != value)
    }


def address(experiment: str) -> str:
    """The page of the experiment in the UI, with the view of studies; below the server's root."""
    return f"/#/experiments/{experiment}/runs?viewStateShareKey={STUDIES}&workflowType=machine_learning"


def _views() -> dict[str, tuple[str, dict[str, Any]]]:
    """By key: the name under "Views", and the values in which the table's state differs."""
    keys = [{"mode": "tag", "groupByData": tag} for tag in ("title", "configuration", "study")]
    finished = "tags.status = 'finished'"
    return {
        STUDIES: ("Studies, with their trials", {}),
        "cops-best": (
            "Finished trials, best first",
            {"searchFilter": finished, "orderByKey": "metrics.`validation_accuracy`"},
        ),
        "cops-configurations": (
            "Configurations, mean over seeds",
            {"searchFilter": finished, "groupBy": {"aggregateFunction": "average", "groupByKeys": keys}},
        ),
    }


def _state() -> dict[str, Any]:
    """The complete state of a table as the UI saves it: latest studies first, trials nested."""
    return {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(CHOSEN),
        "columnOrder": [*FIXED, *CHOSEN],
        "columnWidths": {**FIXED, **CHOSEN},
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _saved(name: str, state: Mapping[str, Any]) -> str:
    """A view as the value of its tag. Its times are the oldest possible: users' own views come first."""
    return json.dumps({"name": name, "createdAt": 1, "updatedAt": 1, "state": json.dumps(state)})
