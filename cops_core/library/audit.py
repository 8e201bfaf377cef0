"""`audit`: whether every weight outside the mask still is what it was, and the same in all processes."""

import hashlib

import torch
from torch import nn

from cops_core.errors import DriftError
from cops_core.masked.kept_weights import KeptWeights
from cops_core.masked.view import masked_weights
from cops_core.tensor_bytes import tensor_bytes


def audit(model: nn.Module, *, processes: bool = True) -> int:
    """Compare every weight outside the mask with what it was when the network was masked, bit for bit.

    Trainers for several processes (DistributedDataParallel, FSDP) send the kept values only. So where
    `torch.distributed` is initialised, all processes compare their masks and frozen weights: every process
    must call this function.

    Args:
        model: The masked network, also wrapped in a trainer's module.
        processes: Whether to compare the processes. False: this process alone checks its network, e.g. where
            the processes have different parts of it.

    Returns:
        The number of weights outside the mask; 0 for a network that is not masked.

    Raises:
        DriftError: A weight has changed, or a process has another mask or other frozen weights.
    """
    weights = {name: masked.kept for name, masked in masked_weights(model).items()}
    drifted = next((name for name, kept in weights.items() if kept.has_drifted()), None)
    if processes and torch.distributed.is_available() and torch.distributed.is_initialized():
        _compare(weights)  # before an error: the other processes wait for this one
    if drifted is not None:
        raise DriftError(f"weights of {drifted} outside the mask have changed")
    return sum(kept.shape.numel() - len(kept.places) for kept in weights.values())


def _compare(weights: dict[str, KeptWeights]) -> None:
    """Refuse other masks or frozen weights than the first process has."""
    ours = {
        name: hashlib.sha256(tensor_bytes(kept.places) + tensor_bytes(kept.outside())).hexdigest()
        for name, kept in weights.items()
    }
    found: list[dict[str, str]] = [{}] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, ours)
    for rank, theirs in enumerate(found):
        different = [
            name for name in found[0].keys() | theirs.keys() if found[0].get(name) != theirs.get(name)
        ]
        if different:
            raise DriftError(
                f"processes 0 and {rank} have other masks or frozen weights at {min(different)}: give them"
                " the same, e.g. by cops.initialize with one seed, or load the same file"
            )
