"""A worker's look at its node before each trial: one that joined late was not there when all were checked."""

import socket

import torch

from cops_core.errors import InputError
from cops_core.plugins import Plugin
from search_spaces.plugins import load_plugins
from study.provenance import code_sha256
from study.records.store import StudyStore

UNFIT = "unfit"  # what a worker says of a trial whose node cannot run any: it ran none of it


class UnfitError(Exception):
    """This node cannot run any trial of the study; says which node, and what to do."""


def check_this_node(wanted_code: str, device: str, plugins: tuple[Plugin, ...], store: StudyStore) -> None:
    """Raises UnfitError without the driver's code, its plugins, the study's storage, or a GPU to train on.

    wanted_code: the driver's `code_sha256`. device: `cpu` or `cuda`.
    """
    host = socket.gethostname()
    if code_sha256() != wanted_code:
        raise UnfitError(f"the code on {host} is not the driver's: install the driver's commit there")
    try:
        load_plugins(plugins)
    except InputError as error:
        raise UnfitError(f"a plugin cannot be loaded on {host} ({error}): install it there") from error
    if not _sees(store):
        raise UnfitError(f"{host} does not see the study's storage: mend its access")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnfitError(f"torch can use no GPU on {host}: mend its driver")


def refused(error: PermissionError) -> UnfitError:
    """What becomes of a claim that the storage does not take."""
    return UnfitError(f"{socket.gethostname()} may not write the study's storage ({error}): mend its access")


def _sees(store: StudyStore) -> bool:
    try:
        return store.exists
    except OSError:  # away for a moment: what is to be written will be tried again
        return True
