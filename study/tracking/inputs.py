"""A run's inputs in MLflow: the data that it trained on, and the network's initial state."""

import json
from contextlib import suppress

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelStatus,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from cops_core.config import TrialConfig
from study.records.trial import StudyTrial
from study.tracking.refusal import is_too_old

DIGEST_LENGTH = 36  # MLflow's limit
HEAD_LENGTH = 12
MODEL_TYPE = "initial state"


class Inputs:
    """Logs the inputs of the runs of one study.

    An initial state is a logged model of the study: one for each network, initialisation and hash of theta0.
    All trials that start from it share it. On a server that is too old for logged models it is left out.
    """

    def __init__(self, client: MlflowClient, experiment: str, parent: str) -> None:
        self._client = client
        self._experiment = experiment
        self._parent = parent
        self._known: dict[str, str] | None = None  # ids by name; None until they have been read
        self._too_old = False

    def log(self, run_id: str, trial: StudyTrial) -> None:
        """Attach a trial's inputs to its run. It may be repeated."""
        if trial.facts is None:
            return  # it failed before its data and network were known
        model = self._model(trial.config, trial.facts["theta0_sha256"])
        models = None if model is None else [LoggedModelInput(model)]
        datasets = [_dataset(trial.config, trial.facts["data_sha256"])]
        try:
            self._client.log_inputs(run_id, datasets=datasets, models=models)
        except MlflowException:
            # MLflow fails if another study logs the same data at this moment. The second attempt finds them.
            self._client.log_inputs(run_id, datasets=datasets, models=models)

    def _model(self, config: TrialConfig, theta0_sha256: str) -> str | None:
        """The id of the trial's initial state, created if it does not exist; None on an old server."""
        if self._too_old:
            return None
        network = config.model.replace("/", "-")  # MLflow refuses a slash in a name
        name = f"{network}-{config.initialization}-{theta0_sha256[:HEAD_LENGTH]}"
        try:
            return self._read_known().get(name) or self._create(
                name,
                {
                    "model": config.model,
                    "initialization": config.initialization,
                    "seed": str(config.seed),
                    "theta0_sha256": theta0_sha256,
                },
            )
        except Exception as error:
            self._known = None  # it may have been created in spite of the error
            if not is_too_old(error):
                raise
            self._too_old = True
            return None

    def _read_known(self) -> dict[str, str]:
        """The initial states that the study has in MLflow."""
        if self._known is None:
            known: dict[str, str] = {}
            token = None
            while True:
                page = self._client.search_logged_models(
                    [self._experiment], f"tags.parent = '{self._parent}'", page_token=token
                )
                known |= {str(model.name): str(model.model_id) for model in page}
                token = page.token
                if not token:
                    break
            self._known = known
        return self._known

    def _create(self, name: str, params: dict[str, str]) -> str:
        model = self._client.create_logged_model(
            self._experiment,
            name,
            source_run_id=self._parent,
            tags={"parent": self._parent},
            params=params,
            model_type=MODEL_TYPE,
        )
        with suppress(Exception):  # a failure only leaves it displayed as pending
            self._client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        self._read_known()[name] = str(model.model_id)
        return str(model.model_id)


def _dataset(config: TrialConfig, sha256: str) -> DatasetInput:
    """The data of a trial. A run can have a data set only once, so its context names both parts."""
    source = json.dumps({"dataset": config.dataset, "sha256": sha256})
    dataset = Dataset(config.dataset, sha256[:DIGEST_LENGTH], source_type="cops", source=source)
    tags = {
        MLFLOW_DATASET_CONTEXT: "training, validation",
        "validation_fraction": str(config.validation_fraction),
        "seed": str(config.seed),
    }
    return DatasetInput(dataset, [InputTag(key, value) for key, value in tags.items()])
