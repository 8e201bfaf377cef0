"""What a trial's numbers depend on beside its configuration: the machine that it ran on."""

import platform
from pathlib import Path

import torch

from cops_core.facts import Machine

CPUINFO = Path("/proc/cpuinfo")


def machine(device: str = "cpu") -> Machine:
    """This machine as JSON values. Where they are the same, a trial gives the same numbers bit for bit.

    threads: of one operation on the CPU, by which sums are split. device: its type, `cpu` or `cuda`;
    gpu: its name, empty on the CPU. cpu: the model; capability: the widest instructions that torch uses.
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
