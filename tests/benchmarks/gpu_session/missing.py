"""Why a session cannot run on a GPU here."""

import torch

from cops_core.errors import InputError
from cops_core.placement import find_device

ADVICE = "`--device cpu` tries the session itself without one"


def what_is_missing(device: str) -> str:
    """One line on why a session cannot run on a device; empty if it can."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        if torch.version.cuda is None:
            return f"no GPU: torch {torch.__version__} has no CUDA, install a build with it; {ADVICE}"
        return f"no GPU: torch finds no CUDA device (`nvidia-smi` should show one); {ADVICE}"
    try:
        find_device(device)
    except InputError as error:
        return str(error)
    return ""
