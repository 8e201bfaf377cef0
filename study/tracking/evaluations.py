"""Test accuracies in the runs of the trials that were evaluated on the test images."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from study.records.evaluations import Evaluation
from study.tracking.connect import connect, experiment_id
from study.tracking.find import tagged_runs
from study.tracking.parent import upload
from study.tracking.refusal import reason


def log_evaluations(
    tracking_uri: str,
    home: Path,
    tags: Mapping[str, str],
    accuracies: Mapping[str, float],
    evaluations: Sequence[Evaluation],
) -> str:
    """Log `test_accuracy` to the runs of trials, and all evaluations to the study's run.

    The step of the metric is the number of the evaluation.

    Args:
        tracking_uri: Where MLflow is.
        home: The study's home.
        tags: The tags that identify the study, see `study_tags`.
        accuracies: Test accuracies in [0, 1], by the trial's name.
        evaluations: All evaluations of the study, the latest last.

    Returns:
        Why MLflow could not be updated, in one line; empty if it was.
    """
    try:
        client = connect(tracking_uri)
        experiment = experiment_id(client, tracking_uri, home)
        now = int(time.time() * 1000)
        for run in tagged_runs(client, [experiment], tags):
            accuracy = accuracies.get(run.data.tags.get("trial", ""))
            if accuracy is not None:
                metric = Metric("test_accuracy", accuracy, now, len(evaluations))
                client.log_batch(
                    run.info.run_id,
                    metrics=[metric],
                    tags=[RunTag("test_evaluations", str(len(evaluations)))],
                )
            elif MLFLOW_PARENT_RUN_ID not in run.data.tags:
                upload(client, run.info.run_id, {"closed.json": json.dumps(evaluations, indent=1).encode()})
                client.set_tag(run.info.run_id, "status", "closed")
    except Exception as error:  # the evaluation itself is already recorded
        return reason(error)
    return ""
