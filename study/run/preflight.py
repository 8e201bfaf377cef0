"""What can be wrong before the first trial starts: found here, said in one line each."""

from pathlib import Path

from cops_core.config import TrialConfig
from cops_core.data import load_split
from cops_core.errors import InputError
from cops_core.folders import check_writable
from cops_core.models import build_model


def check_home(home: Path) -> None:
    """The home can be written; it is not made yet."""
    _check_writable(home, "home", "--home")


def check_score_cache(folder: Path) -> None:
    """The score cache of this machine can be written; it is not made yet."""
    _check_writable(folder, "score cache", "--score-cache")


def _check_writable(folder: Path, what: str, flag: str) -> None:
    try:
        check_writable(folder)
    except OSError as error:
        raise InputError(
            f"{what} {folder} cannot be written ({error.strerror}): choose another with {flag}"
        ) from error


def check_data(config: TrialConfig, data_root: Path) -> None:
    """The data set is there (or can be had), it can be split, and the network fits it."""
    split = load_split(config.dataset, data_root.expanduser(), config.seed, config.validation_fraction)
    build_model(config.model, split.data.shape, split.data.classes)
