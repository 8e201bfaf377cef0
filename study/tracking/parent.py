"""The run of a study, the parent of its trials' runs: found or created, filled, ended."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from cops_core.plugins import Plugin
from study.tracking.content import TAG_LENGTH, as_json, params, provenance
from study.tracking.describe import link_files, study_note
from study.tracking.find import STUDY, study_run, study_tags, tagged_runs

CHANGED = "changed."
UNLOGGED = ("first",)  # more parameters than a run may have; study.json has them


class ParentRun:
    """A study's run in MLflow. Every method may be repeated after a failure.

    Attributes:
        tags: The tags that identify the study, see `study_tags`.
        experiment: The id of the experiment; empty until `open` has succeeded.
        run_id: The id of the run; empty until `open` has succeeded.
        is_new: Whether this object created the run, so that nothing else can be below it.
    """

    def __init__(
        self,
        client: MlflowClient,
        find_experiment: Callable[[], str],
        name: str,
        settings: Mapping[str, Any],
        plugins: Iterable[Plugin],
        home: Path,
    ) -> None:
        """Nothing is sent until `open`.

        Args:
            client: A client of MLflow.
            find_experiment: Returns the id of the experiment.
            name: The study's name.
            settings: The study's settings as JSON values, with its `study_id`.
            plugins: Those in use. The files among them become artifacts of the run.
            home: The study's home, for the commands in the run's description.
        """
        self._client = client
        self._find_experiment = find_experiment
        self._name = name
        self._settings = settings
        self._plugins = tuple(plugins)
        self._home = home
        self.tags = study_tags(name, settings["study_id"])
        self.experiment = ""
        self.run_id = ""
        self.is_new = False

    def open(self) -> str:
        """Open the study's run, or create it, and return its id."""
        if not self.run_id:
            self.experiment = self._find_experiment()
            found = study_run(self._client, self.experiment, self.tags)
            run_id = self._create() if found is None else str(found.info.run_id)
            self._log_settings(run_id, found)
            if found is not None and found.info.status != "RUNNING":
                self._client.update_run(run_id, "RUNNING")
            self.is_new = found is None
            self.run_id = run_id
        return self.run_id

    def forget(self) -> None:
        """Forget a run that no longer exists: the next `open` searches for it again."""
        self.run_id = ""

    def children(self) -> Iterator[Run]:
        """All runs below this one, read page by page."""
        return tagged_runs(self._client, [self.experiment], {MLFLOW_PARENT_RUN_ID: self.run_id})

    def child(self, trial: str) -> Run | None:
        """The run of a trial, None if there is none. trial: the trial's name."""
        tags = {MLFLOW_PARENT_RUN_ID: self.run_id, "trial": trial}
        return next(tagged_runs(self._client, [self.experiment], tags, page=1), None)

    def attach(self, files: Mapping[str, bytes]) -> None:
        """Attach files to the run, with the settings and the plugins. files: by their paths."""
        own = {"study.json": as_json(dict(self._settings))}
        for plugin in self._plugins:
            if plugin.source is not None:
                own[f"plugins/{plugin.name}.py"] = plugin.source.encode()
        upload(self._client, self.open(), {**own, **files})

    def end(self, complete: bool, headline: str) -> None:
        """End the run.

        Args:
            complete: Whether the study is complete. The run is then FINISHED, else KILLED.
            headline: The study's answer as Markdown, see `study_note`.
        """
        run_id = self.open()
        status = "finished" if complete else "interrupted"
        note = link_files(self._note(headline or f"The study is {status}."), self.experiment, run_id)
        tags = {"status": status, MLFLOW_RUN_NOTE: note[:TAG_LENGTH]}
        self._client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        self._client.set_terminated(run_id, "FINISHED" if complete else "KILLED")

    def _create(self) -> str:
        tags = {
            MLFLOW_RUN_NAME: self._name,
            MLFLOW_RUN_NOTE: self._note("The study is running."),
            **self.tags,
            "kind": STUDY,
            "status": "running",
            **provenance(),
        }
        return str(self._client.create_run(self.experiment, tags=tags).info.run_id)

    def _note(self, headline: str) -> str:
        return study_note(self._name, self._settings, self._home, headline)

    def _log_settings(self, run_id: str, found: Run | None) -> None:
        """Log missing parameters. MLflow never changes a parameter, so a changed value becomes a tag."""
        logged = {} if found is None else found.data.params
        tags = {} if found is None else found.data.tags
        now = params({name: value for name, value in self._settings.items() if name not in UNLOGGED})
        changed = [
            param
            for param in now
            if tags.get(f"{CHANGED}{param.key}", logged.get(param.key, param.value)) != param.value
        ]
        self._client.log_batch(
            run_id,
            params=[param for param in now if param.key not in logged],
            tags=[
                RunTag("status", "running"),
                *(RunTag(f"{CHANGED}{param.key}", param.value[:TAG_LENGTH]) for param in changed),
            ],
        )


def upload(client: MlflowClient, run_id: str, files: Mapping[str, bytes]) -> None:
    """Attach files to a run. Artifacts with the same path are replaced.

    Args:
        client: A client of MLflow.
        run_id: The id of the run.
        files: The files by their paths.
    """
    if not files:
        return
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        client.log_artifacts(run_id, folder)
