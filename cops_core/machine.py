"""The machine on which a trial runs: besides the configuration, its numbers depend on it."""

import platform
from pathlib import Path

import torch

from cops_core.facts import Machine

CPUINFO = Path("/proc/cpuinfo")


def machine(device: str = "cpu") -> Machine:
    """This machine as JSON values. If they are equal, a trial gives the same numbers bit for bit.

    Args:
        device: The trial's device, e.g. `cpu`, `cuda` or `cuda:1`.

    Returns:
        By name: the `threads` of one operation on the CPU, by which sums are split; the `device`'s type,
        `cpu` or `cuda`; the name of the `gpu`, empty on the CPU; the model of the `cpu`; its `capability`,
        the widest instructions that torch uses; torch's version.
    """
    kind = torch.device(device).type
    return {
        "threads": torch.get_num_threads(),
        "device": kind,
        "gpu": torch.cuda.get_device_name(device) if kind == "cuda" else "",
        "cpu": _cpu_model(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }


def _cpu_model() -> str:
    """The CPU's name as Linux knows it, elsewhere as Python does."""
    if CPUINFO.is_file():
        for line in CPUINFO.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
