"""`cops show`: which trial is meant, and all that is known of it."""

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
from study.places import find_flags, storage_uri
from study.records.evaluations import evaluated_accuracies, read_evaluations
from study.records.store import StudyStore, find_study
from study.records.study_record import Code, StudyRecord
from study.records.trial import StudyTrial
from study.search.errors import flat
from study.tracking import fetch_tags, run_id_of
from study.tracking.find import study_tags

RUN_ID = re.compile("[0-9a-f]{32}")
NAMED = re.compile("(?P<study>[^/]+)/(?P<number>[0-9]+)(-(?P<head>[0-9a-f]*))?")


@dataclass(frozen=True)
class Found:
    """A trial, its study, and its MLflow run where that is known.

    tracking_uri: where that run is, None in the database of the home. launch: that in which it began.
    """

    store: StudyStore
    trial: StudyTrial
    run_id: str | None
    tracking_uri: str | None
    launch: Code

    @property
    def test_accuracy(self) -> float | None:
        """Its accuracy on the test images, where the study was closed and it was judged."""
        return evaluated_accuracies(read_evaluations(self.store)).get(self.trial.name)

    @property
    def network(self) -> str | None:
        """The path of its artefact; None if it is not there."""
        artifact = self.trial.artifact
        return (
            f"{self.store.path}/{artifact['file']}" if artifact and self.store.has(artifact["file"]) else None
        )


def find_trial(run: str, *, home: Path, storage: str | None, tracking_uri: str | None) -> Found:
    """The trial of an MLflow run id, or of `STUDY/NUMBER` or `STUDY/NUMBER-IDENTITY`.

    tracking_uri: None is the database of the home. Raises InputError in one line if there is none such.
    """
    run_id = None
    if RUN_ID.fullmatch(run):
        run_id, run = run, _name_of(run, fetch_tags(run, tracking_uri, home))
    named = NAMED.fullmatch(run)
    if named is None:
        raise InputError(
            f"{run!r} is no trial: write STUDY/NUMBER, e.g. quickstart/12 (see `cops status`), or the id of"
            " its MLflow run"
        )
    store = find_study(storage_uri(home, storage), named["study"])
    trial = _trial(store, int(named["number"]), named["head"] or "")
    record = store.record()
    uri = tracking_uri or record["settings"].get("tracking_uri")
    if run_id is None:
        run_id = _run_id(record, trial, home, uri)
    return Found(store, trial, run_id, uri, _launch(record, trial))


def _name_of(run_id: str, tags: Mapping[str, str]) -> str:
    """`STUDY/TRIAL` of a trial's run."""
    study, trial = tags.get("study"), tags.get("trial")
    if study is None:
        raise InputError(f"run {run_id} is of no study: write STUDY/NUMBER, or the id of a trial's run")
    if trial is None:
        raise InputError(
            f"run {run_id} is that of the whole study {study!r}: write cops show {study}/NUMBER for one of"
            f" its trials, or cops status {study}"
        )
    return f"{study}/{trial}"


def _trial(store: StudyStore, number: int, head: str) -> StudyTrial:
    trials = {trial.number: trial for trial in store.trials()}
    if number not in trials:
        there = f"they go from {min(trials)} to {max(trials)}" if trials else "it has none yet"
        raise InputError(f"study {store.name!r} has no trial {number}: {there}")
    if not trials[number].identity.startswith(head):
        raise InputError(
            f"trial {number} of {store.name!r} is {trials[number].name}, not of the identity {head}:"
            f" write {store.name}/{number}, or name the right --home"
        )
    return trials[number]


def _run_id(record: StudyRecord, trial: StudyTrial, home: Path, uri: str | None) -> str | None:
    """Of its MLflow run; None where MLflow has none, or does not answer: the record says the rest."""
    try:
        return run_id_of(study_tags(record["settings"]["name"], record["study_id"]), trial.name, uri, home)
    except InputError:
        return None


def _launch(record: StudyRecord, trial: StudyTrial) -> Code:
    """The last launch before the trial began: commit and versions of the code that ran it."""
    launches = [
        launch
        for launch in record["launches"]
        if datetime.fromisoformat(launch["at"]).timestamp() <= trial.started
    ]
    return launches[-1] if launches else record


def fields(config: TrialConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a configuration by dotted name: those that differ from their defaults, and the others."""
    every = flat(config.model_dump(mode="json"))
    other = flat(config.model_dump(mode="json", exclude_defaults=True))
    return {k: v for k, v in every.items() if k in other}, {k: v for k, v in every.items() if k not in other}


def commands(found: Found, home: Path) -> dict[str, str]:
    """What to write to run it again, to unpack its network, and to load that in Python.

    Only what can be done: without a run there is no replay, without a network nothing to unpack.
    """
    where = find_flags(home, tracking_uri=found.tracking_uri)
    flags = "".join(f" --plugin {quote(name)}" for name in found.trial.plugins)
    written = {}
    if found.run_id is not None and found.trial.rows:
        written["run it again"] = f"cops replay {found.run_id}{where}{flags}"
    if found.network is not None and found.store.is_local:
        written["unpack its network"] = f"cops unpack {quote(_short(found.network))}{flags}"
        written["load it in Python"] = (
            "from pathlib import Path; from cops_core.artifact import load_artifact;"
            f" model = load_artifact(Path({_short(found.network)!r})).model"
        )
    return written


def _short(path: str) -> str:
    """A path as it is written from here."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def show_content(found: Found, home: Path) -> dict[str, Any]:
    """Everything, as JSON values: the record as it is, and what follows from it."""
    differing, _ = fields(found.trial.config)
    trial = found.trial
    return {
        "study": found.store.name,
        "trial": trial.name,
        "title": trial.title,
        "method": trial.config.method,
        "run_id": found.run_id,
        "validation_accuracy": None if math.isnan(trial.accuracy) else trial.accuracy,
        "test_accuracy": found.test_accuracy,
        "seconds": None if trial.ended is None else trial.ended - trial.started,
        "not_default": differing,
        "record": trial.record(),
        "git_commit": found.launch["git_commit"],
        "versions": found.launch["versions"],
        "network": found.network,
        "commands": commands(found, home),
    }


def when(seconds: float) -> str:
    """A time as it is read."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")
