"""A worker's check of its node before each trial: the node may have joined after the study's first check."""

import socket

from cops_core.plugins import Plugin
from study.records.store import StudyStore
from study.run.ray.fitness.checks import code_problems, gpu_problems, plugin_problems
from study.run.ray.fitness.storage import study_problems

UNFIT = "unfit"  # the status that a worker reports if its node cannot run trials: nothing was run


class UnfitError(Exception):
    """This node cannot run trials of the study. The message names the node and the advice."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"node {socket.gethostname()}: {problem}")


def check_this_node(wanted_code: str, device: str, plugins: tuple[Plugin, ...], store: StudyStore) -> None:
    """Check that this node has the driver's code, the plugins, the study's storage and a GPU if it needs one.

    Args:
        wanted_code: The driver's `code_sha256`.
        device: `cpu` or `cuda`.
        plugins: Those that the study needs.
        store: The study's folder.

    Raises:
        UnfitError: Something is missing or differs.
    """
    problems = [
        *code_problems(wanted_code),
        *plugin_problems(plugins),
        *study_problems(store),
        *gpu_problems(1 if device == "cuda" else 0),
    ]
    if problems:
        raise UnfitError("; ".join(problems))


def refused(error: PermissionError) -> UnfitError:
    """The error of a worker that may not write to the storage."""
    return UnfitError(f"it may not write to the study's storage ({error}): fix its access rights")
