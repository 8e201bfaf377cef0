"""Optuna's database in a SQLite file: studies are written to a new one, and read from an existing one."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cops_core.errors import InputError
from study.places import SQLITE, sqlite_uri

# The tables of every Optuna database. They are checked first, since Optuna creates missing tables in any
# database that it opens.
TABLES = {"studies", "trials", "version_info"}

optuna.logging.set_verbosity(optuna.logging.WARNING)

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class OptunaStudy:
    """The content of an Optuna study.

    Attributes:
        name: Its name.
        directions: One for each value of a trial.
        attributes: Its user attributes.
        trials: Its trials.
    """

    name: str
    directions: tuple[Direction, ...]
    attributes: Mapping[str, Any]
    trials: Sequence[FrozenTrial]

    def best(self, count: int | None) -> list[FrozenTrial]:
        """Its best complete trials, the best first; of several with the same parameters only the first.

        Args:
            count: How many; those that violate a constraint come last. None takes all, in their order.

        Returns:
            The trials.

        Raises:
            InputError: There is no complete trial; or `count` is given and the study has several objectives,
                which have no single best trial.
        """
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        if not complete:
            raise InputError(f"the Optuna study {self.name!r} has no complete trial: name another --study")
        if count is not None:
            if len(self.directions) > 1:
                raise InputError(
                    f"the Optuna study {self.name!r} has {len(self.directions)} objectives, so no trial is"
                    " the best one: leave --best out"
                )
            sign = -1 if self.directions[0] == "maximize" else 1
            complete.sort(key=lambda trial: (_violates(trial), sign * trial.values[0]))
        different: list[FrozenTrial] = []
        for trial in complete:
            if all(trial.params != other.params for other in different):
                different.append(trial)
        return different[:count]


def write_optuna(path: Path, studies: Sequence[OptunaStudy]) -> None:
    """Write studies to a new Optuna database.

    Args:
        path: The file, which must not exist.
        studies: The studies.

    Raises:
        OSError: The file exists or cannot be written.
    """
    path.touch(exist_ok=False)  # SQLite's error would be "unable to open", without the reason
    storage = optuna.storages.RDBStorage(sqlite_uri(path.resolve()))
    try:
        for study in studies:
            made = optuna.create_study(
                study_name=study.name, directions=list(study.directions), storage=storage
            )
            for name, value in study.attributes.items():
                made.set_user_attr(name, value)
            made.add_trials(study.trials)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def read_optuna(source: str) -> list[OptunaStudy]:
    """The studies of an Optuna database. The file is not changed.

    Nothing in it is run or unpickled: Optuna stores JSON.

    Args:
        source: A file, or `sqlite:///FILE`.

    Returns:
        The studies, by name.

    Raises:
        InputError: It is not an Optuna database, or is damaged.
    """
    path = _path(source)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        _copy(path, copy)
        with _storage(path, copy) as storage:
            return [
                OptunaStudy(
                    study.study_name,
                    tuple(_direction(direction) for direction in study.directions),
                    study.user_attrs,
                    study.get_trials(deepcopy=False),
                )
                for name in optuna.get_all_study_names(storage)
                for study in [optuna.load_study(study_name=name, storage=storage)]
            ]


def _path(source: str) -> Path:
    path = Path(source.removeprefix(SQLITE)).expanduser()
    if "://" in str(source.removeprefix(SQLITE)):
        raise InputError(f"{source} is not a SQLite database: write a file, or sqlite:///FILE")
    if not path.is_file():
        raise InputError(f"{source} is not a file: write the file of an Optuna study, e.g. study.db")
    return path


def _copy(path: Path, copy: Path) -> None:
    """Copy the database: opening the file itself could change it."""
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(copy)) as copied,
        ):
            original.backup(copied)
            tables = {name for (name,) in copied.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise InputError(f"{path} cannot be read as an Optuna study ({error}): is it complete?") from None
    if not tables >= TABLES:
        raise InputError(f"{path} is not an Optuna study: write the file of one, e.g. study.db")


@contextmanager
def _storage(path: Path, copy: Path) -> Iterator[optuna.storages.RDBStorage]:
    """The copy as Optuna reads it. Any of Optuna's errors becomes an InputError that names the file."""
    storage = None
    try:
        storage = optuna.storages.RDBStorage(sqlite_uri(Path(copy)))
        yield storage
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path} cannot be read as an Optuna study ({reason}): it is damaged, or of another version"
        ) from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _direction(direction: StudyDirection) -> Direction:
    return "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"


def _violates(trial: FrozenTrial) -> bool:
    return any(value > 0 for value in trial.constraints.values())
