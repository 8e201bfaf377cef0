"""A worker's look at its node before each trial: one that joined late was not there when all were checked."""

import socket

from cops_core.plugins import Plugin
from study.records.store import StudyStore
from study.run.ray.fitness.checks import code_problems, gpu_problems, plugin_problems
from study.run.ray.fitness.storage import study_problems

UNFIT = "unfit"  # what a worker says of a trial whose node cannot run any: it ran none of it


class UnfitError(Exception):
    """This node cannot run any trial of the study; says which node, and what to do."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"node {socket.gethostname()}: {problem}")


def check_this_node(wanted_code: str, device: str, plugins: tuple[Plugin, ...], store: StudyStore) -> None:
    """Raises UnfitError without the driver's code, its plugins, the study's storage, or a GPU to train on.

    wanted_code: the driver's `code_sha256`. device: `cpu` or `cuda`.
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
    """What becomes of a claim that the storage does not take."""
    return UnfitError(f"it may not write the study's storage ({error}): fix its access rights")
