"""Optuna's own file: a study written as one, and the studies of one read. SQLite, as its dashboard reads."""

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
from study.places import SQLITE

# What an Optuna database has, and no other: it is looked for before Optuna opens it, which makes
# whatever tables are missing.
TABLES = {"studies", "trials", "version_info"}

optuna.logging.set_verbosity(optuna.logging.WARNING)


Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class OptunaStudy:
    """A study as Optuna keeps it. directions: "maximize" or "minimize", one for each value of a trial."""

    name: str
    directions: tuple[Direction, ...]
    attributes: Mapping[str, Any]
    trials: Sequence[FrozenTrial]

    def best(self, count: int | None) -> list[FrozenTrial]:
        """Its complete trials, the `count` best of them, the best first; None takes all, in their order.

        Those that violate a constraint come last. Each set of parameters is there once. Raises InputError
        if there is no complete trial, and where several objectives leave none the best.
        """
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        if not complete:
            raise InputError(f"the Optuna study {self.name!r} has no complete trial: name another --study")
        if count is not None:
            if len(self.directions) > 1:
                raise InputError(
                    f"the Optuna study {self.name!r} has {len(self.directions)} objectives, by which none is"
                    " the best: leave --best out"
                )
            sign = -1 if self.directions[0] == "maximize" else 1
            complete.sort(key=lambda trial: (_violates(trial), sign * trial.values[0]))
        different: list[FrozenTrial] = []
        for trial in complete:
            if all(trial.params != other.params for other in different):
                different.append(trial)
        return different[:count]


def write_optuna(path: Path, studies: Sequence[OptunaStudy]) -> None:
    """Write studies as a new Optuna database. Raises OSError where it cannot be written."""
    path.touch(exist_ok=False)  # SQLite would say "unable to open", whatever the reason
    storage = optuna.storages.RDBStorage(f"{SQLITE}{path.resolve()}")
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
    """The studies of an Optuna database, a file or `sqlite:///FILE`, by name; the file is not touched.

    Nothing in it is run or unpickled: Optuna keeps JSON. InputError in one line if it is no such file.
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
        raise InputError(f"{source} is no SQLite database: write a file, or sqlite:///FILE")
    if not path.is_file():
        raise InputError(f"{source} is not a file: write that of an Optuna study, e.g. study.db")
    return path


def _copy(path: Path, copy: Path) -> None:
    """A copy to read from: opening the file itself could change it, or make tables in what is none."""
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as there,
            closing(sqlite3.connect(copy)) as here,
        ):
            there.backup(here)
            tables = {name for (name,) in here.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise InputError(f"{path} cannot be read as an Optuna study ({error}): is it whole?") from None
    if not tables >= TABLES:
        raise InputError(f"{path} is no Optuna study: write the file of one, e.g. study.db")


@contextmanager
def _storage(path: Path, copy: Path) -> Iterator[optuna.storages.RDBStorage]:
    """Optuna's view of the copy; whatever it does not understand is an InputError that names the file."""
    storage = None
    try:
        storage = optuna.storages.RDBStorage(f"{SQLITE}{copy}")
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
