"""`cops show`: finds a trial, and everything that is known about it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.trainers import IMAGES
from study.places import find_flags, storage_uri
from study.records.evaluations import evaluated_accuracies, read_evaluations
from study.records.named_trial import named_trial
from study.records.runs import SHORT, read_runs
from study.records.store import StudyStore, studies
from study.records.study_record import Code, StudyRecord
from study.records.trial import StudyTrial
from study.search.errors import flat
from study.tracking import fetch_tags, run_id_of
from study.tracking.find import study_tags

RUN_ID = re.compile(f"[0-9a-f]{{{SHORT},32}}")


@dataclass(frozen=True)
class TrialDetails:
    """A trial with its study, its MLflow run and its launch.

    Attributes:
        store: The study's folder.
        trial: The trial.
        run_id: The id of its MLflow run; None if it is not known.
        tracking_uri: Where that run is; None for the database of the home.
        launch: The commit and versions of the launch in which the trial started.
    """

    store: StudyStore
    trial: StudyTrial
    run_id: str | None
    tracking_uri: str | None
    launch: Code

    @property
    def test_accuracy(self) -> float | None:
        """The accuracy on the test images in [0, 1]; None if it was not evaluated on them."""
        evaluated = evaluated_accuracies(read_evaluations(self.store))
        return evaluated.get(self.trial.name, self.trial.test_accuracy)

    @property
    def network(self) -> str | None:
        """The path of the stored network; None if it does not exist."""
        artifact = self.trial.artifact
        return (
            f"{self.store.path}/{artifact['file']}" if artifact and self.store.has(artifact["file"]) else None
        )


def find_trial(run: str, *, home: Path, storage: str | None, tracking_uri: str | None) -> TrialDetails:
    """Find a trial by its name or by its MLflow run.

    Args:
        run: `STUDY/NUMBER`, `STUDY/NUMBER-IDENTITY`, the id of an MLflow run, or its start as in tables.
        home: The study's home.
        storage: A folder or a URI; None for the home.
        tracking_uri: Where MLflow is; None for where the study has it.

    Raises:
        InputError: There is no such trial.
    """
    run_id = None
    if RUN_ID.fullmatch(run):
        run_id = _whole_id(run, storage_uri(home, storage))
        run = _name_of(run_id, fetch_tags(run_id, tracking_uri, home))
    store, trial = named_trial(run, storage_uri(home, storage), or_run=True)
    record = store.record()
    uri = tracking_uri or record["settings"].get("tracking_uri")
    if run_id is None:
        run_id = _run_id(record, trial, home, uri)
    return TrialDetails(store, trial, run_id, uri, _launch(record, trial))


def _whole_id(start: str, storage: str) -> str:
    """The id of the run that starts so; the start itself if no record has it."""
    ids = (run_id for store in studies(storage) for run_id in read_runs(store).values())
    found = {run_id for run_id in ids if run_id.startswith(start)}
    if len(found) > 1:
        raise InputError(f"{len(found)} runs start with {start!r}: write more of the id, or STUDY/NUMBER")
    return found.pop() if found else start


def _name_of(run_id: str, tags: Mapping[str, str]) -> str:
    """`STUDY/TRIAL`, from the tags of a trial's run."""
    study, trial = tags.get("study"), tags.get("trial")
    if study is None:
        raise InputError(f"run {run_id} belongs to no study: write STUDY/NUMBER, or the id of a trial's run")
    if trial is None:
        raise InputError(
            f"run {run_id} is the run of the study {study!r}, not of a trial: write cops show {study}/NUMBER,"
            f" or cops status {study}"
        )
    return f"{study}/{trial}"


def _run_id(record: StudyRecord, trial: StudyTrial, home: Path, uri: str | None) -> str | None:
    """The id of the trial's MLflow run; None if there is none, or MLflow does not answer."""
    try:
        return run_id_of(study_tags(record["settings"]["name"], record["study_id"]), trial.name, uri, home)
    except InputError:
        return None


def _launch(record: StudyRecord, trial: StudyTrial) -> Code:
    """The last launch before the trial started: commit and versions of the code that ran it."""
    launches = [
        launch
        for launch in record["launches"]
        if datetime.fromisoformat(launch["at"]).timestamp() <= trial.started
    ]
    return launches[-1] if launches else record


def fields(config: TrialConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a configuration by dotted name.

    Returns:
        The fields that differ from their defaults, and the others.
    """
    every = flat(config.model_dump(mode="json"))
    other = flat(config.model_dump(mode="json", exclude_defaults=True))
    return {k: v for k, v in every.items() if k in other}, {k: v for k, v in every.items() if k not in other}


def commands(details: TrialDetails, home: Path) -> dict[str, str]:
    """The commands that run a trial again, unpack its network, and load that in Python.

    A replay needs an MLflow run, the others a stored network: commands that cannot work are left out.

    Args:
        details: The trial.
        home: The study's home.

    Returns:
        The commands by what they do.
    """
    where = find_flags(home, tracking_uri=details.tracking_uri)
    flags = "".join(f" --plugin {quote(name)}" for name in details.trial.plugins)
    written = {}
    if details.run_id is not None and details.trial.rows:
        written["run it again"] = f"cops replay {details.run_id}{where}{flags}"
    images = details.trial.config.trainer == IMAGES
    if details.network is not None and details.store.is_local and images:
        written["unpack its network"] = f"cops unpack {quote(_short(details.network))}{flags}"
        written["load it in Python"] = (
            "from pathlib import Path; from cops_core.artifact import load_artifact;"
            f" network = load_artifact(Path({_short(details.network)!r}))"
            "  # network.predict(images) takes raw images, as the data set has them"
        )
    return written


def _short(path: str) -> str:
    """A path, relative to the current folder if it is inside it."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def show_content(details: TrialDetails, home: Path) -> dict[str, Any]:
    """Everything about a trial, as JSON values: its record, and what follows from it. home: the study's."""
    trial = details.trial
    differing = {} if trial.rejected else fields(trial.config)[0]
    return {
        "study": details.store.name,
        "trial": trial.name,
        "title": trial.title,
        "method": trial.method,
        "run_id": details.run_id,
        "validation_accuracy": None if math.isnan(trial.accuracy) else trial.accuracy,
        "test_accuracy": details.test_accuracy,
        "judges": trial.judges,
        "seconds": None if trial.ended is None else trial.ended - trial.started,
        "not_default": differing,
        "record": trial.record(),
        "git_commit": details.launch["git_commit"],
        "versions": details.launch["versions"],
        "network": details.network,
        "commands": commands(details, home),
    }


def when(seconds: float) -> str:
    """A time as text, UTC. seconds: since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")
