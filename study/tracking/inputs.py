"""A run's inputs as MLflow knows them: the data that it trained on, and the network's initial state."""

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
    """Logs inputs of the runs of one study.

    An initial state is a logged model of the study, one for each network, initialisation and hash of
    theta0, which all trials that begin with it share. A server too old to know logged models has none.
    """

    def __init__(self, client: MlflowClient, experiment: str, parent: str) -> None:
        self._client = client
        self._experiment = experiment
        self._parent = parent
        self._known: dict[str, str] | None = None  # ids by name, once they have been looked up
        self._too_old = False

    def log(self, run_id: str, trial: StudyTrial) -> None:
        """Attach a trial's inputs to its run; once more changes nothing."""
        if trial.facts is None:
            return  # it failed before there was anything
        model = self._model(trial.config, trial.facts["theta0_sha256"])
        models = None if model is None else [LoggedModelInput(model)]
        datasets = [_dataset(trial.config, trial.facts["data_sha256"])]
        try:
            self._client.log_inputs(run_id, datasets=datasets, models=models)
        except MlflowException:
            # Another study may log the same data at this moment, which MLflow takes for a mistake: now they
            # are there.
            self._client.log_inputs(run_id, datasets=datasets, models=models)

    def _model(self, config: TrialConfig, theta0_sha256: str) -> str | None:
        """The id of the trial's initial state, which is created if need be; None on an old server."""
        if self._too_old:
            return None
        name = f"{config.model}-{config.initialization}-{theta0_sha256[:HEAD_LENGTH]}"
        try:
            return self._look_up().get(name) or self._create(
                name,
                {
                    "model": config.model,
                    "initialization": config.initialization,
                    "seed": str(config.seed),
                    "theta0_sha256": theta0_sha256,
                },
            )
        except Exception as error:
            self._known = None  # it may be there all the same
            if not is_too_old(error):
                raise
            self._too_old = True
            return None

    def _look_up(self) -> dict[str, str]:
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
        with suppress(Exception):  # else it is shown as pending, for ever, and serves all the same
            self._client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        self._look_up()[name] = str(model.model_id)
        return str(model.model_id)


def _dataset(config: TrialConfig, sha256: str) -> DatasetInput:
    """The data of a trial. MLflow takes one data set once per run: its context names both parts."""
    source = json.dumps({"dataset": config.dataset, "sha256": sha256})
    dataset = Dataset(config.dataset, sha256[:DIGEST_LENGTH], source_type="cops", source=source)
    tags = {
        MLFLOW_DATASET_CONTEXT: "training, validation",
        "validation_fraction": str(config.validation_fraction),
        "seed": str(config.seed),
    }
    return DatasetInput(dataset, [InputTag(key, value) for key, value in tags.items()])
