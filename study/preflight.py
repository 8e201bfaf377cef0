"""What can be wrong before the first trial starts: found here, said in one line each."""

import tempfile
from pathlib import Path

from cops_core.data import load_split
from cops_core.errors import InputError
from cops_core.models import build_model
from study.proposals import Proposer
from study.settings import Settings
from study.store import StudyStore, studies


def check_home(home: Path) -> None:
    """The home can be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise InputError(
            f"home {home} cannot be written ({error.strerror}): choose another with --home"
        ) from error


def check_data(settings: Settings, proposer: Proposer) -> None:
    """The data set is there (or can be had), and the network fits it."""
    base = proposer.base
    root = settings.data_root.expanduser()
    data = load_split(base.dataset, root, proposer.trial_seed, base.validation_fraction).data
    build_model(base.model, data.shape, data.classes)


def free_name(space: str, storage_uri: str) -> str:
    """The space's name, or with the next number behind it where a study has that name already."""
    taken = {store.name for store in studies(storage_uri)}
    name, number = space, 2
    while name in taken:
        name, number = f"{space}-{number}", number + 1
    return name


def check_name(store: StudyStore) -> None:
    """No study of this name is there yet."""
    if store.exists:
        raise InputError(f"a study {store.name!r} is there already: choose another --name, or leave it out")
