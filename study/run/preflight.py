"""Checks before the first trial: each problem is an InputError with one line."""

from pathlib import Path

from cops_core.config import TrialConfig
from cops_core.data import load_split
from cops_core.errors import InputError
from cops_core.folders import check_writable
from cops_core.models import build_model


def check_home(home: Path) -> None:
    """Check that the home can be written, without making it.

    Raises:
        InputError: It cannot.
    """
    _check_writable(home, "home", "--home")


def check_score_cache(folder: Path) -> None:
    """Check that the score cache of this machine can be written, without making it.

    Raises:
        InputError: It cannot.
    """
    _check_writable(folder, "score cache", "--score-cache")


def _check_writable(folder: Path, what: str, flag: str) -> None:
    try:
        check_writable(folder)
    except OSError as error:
        raise InputError(
            f"{what} {folder} cannot be written ({error.strerror}): choose another with {flag}"
        ) from error


def check_data(config: TrialConfig, data_root: Path) -> None:
    """Check that the data set is available (or can be downloaded) and split, and that the network fits it.

    Raises:
        InputError: One of these is not the case.
    """
    split = load_split(config.dataset, data_root.expanduser(), config.seed, config.validation_fraction)
    build_model(config.model, split.data.shape, split.data.classes)
