"""Whether a network trains as the oracle says: the same few steps on a plain dense copy (`oracle.py`).

The copy knows nothing of `FreezeNet`, its written weights, gathered gradients and sparse products: all of its
weights are torch's own parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cops_core.arms import Scale
from cops_core.config import Training
from cops_core.construction import set_type
from cops_core.contracts.base import require
from cops_core.contracts.oracle import Batch, dense_training
from cops_core.freeze_net import FreezeNet
from cops_core.mask import Mask
from cops_core.masked.view import plain_parameters
from cops_core.optimizers import build_optimizer
from cops_core.placement import placement_of
from cops_core.train import DTYPES, train_step

SEED = 0
# In lower precisions, at least: AdamW divides a gradient that is nothing but rounding by its own size.
LARGER_EPS = 1e-3


@dataclass(frozen=True)
class Tolerance:
    """How far apart two trained networks may be: the sum of the three, for each tensor.

    Attributes:
        moved: A share of the largest move of the tensor's elements from their start.
        network: A share of the largest move in the whole network: a bias before batch norm has a gradient of
            rounding errors only.
        size: A share of the tensor's largest element.
    """

    moved: float
    network: float
    size: float


TOLERANCES: Mapping[str, Tolerance] = {
    "float64": Tolerance(1e-6, 1e-9, 1e-13),
    "float32": Tolerance(0.1, 1e-3, 1e-4),
    "bfloat16": Tolerance(0.3, 1e-2, 1e-2),
}
"""By precision. What is trained on old values or with another gradient is off by its whole move. In float32 a
deep network with batch norm on a few images is off by some per cent of it through rounding alone."""


def check_training(
    build: Callable[[], nn.Module],
    mask: Mask,
    scale: Scale,
    batches: Sequence[Batch],
    training: Training,
    *,
    exact: bool = True,
) -> None:
    """Check that a network trains as its dense copy does: in float64 if it runs in it, else as it is trained.

    Args:
        build: Builds the network; called several times. Its weights may differ from call to call.
        mask: The kept weights.
        scale: Of the weights outside the mask.
        batches: Images and labels for each step.
        training: All but its schedule, warm-up, number of epochs and augmentation counts. The learning rate
            is constant.
        exact: False does so in float64 only if they disagree as they are trained; for large networks.

    Raises:
        ContractError: A weight, a buffer or an output differs by more than `TOLERANCES`.
    """
    complaint = disagreement(build, mask, scale, batches, training)
    enough = complaint is None and not exact
    if training.precision != "float64" and not enough and _runs_in_double(build(), batches[0][0]):
        # In lower precisions a threshold may amplify rounding, so float64 decides.
        double = training.model_copy(update={"precision": "float64"})
        complaint = disagreement(build, mask, scale, batches, double)
    require(complaint is None, complaint or "")


def disagreement(
    build: Callable[[], nn.Module], mask: Mask, scale: Scale, batches: Sequence[Batch], training: Training
) -> str | None:
    """What differs between a trained network and its dense copy.

    Args:
        build: See `check_training`.
        mask: See `check_training`.
        scale: See `check_training`.
        batches: See `check_training`.
        training: See `check_training`.

    Returns:
        The first difference, in words; None if there is none.
    """
    device, dtype = batches[0][0].device, DTYPES[training.precision]
    if training.optimizer == "adamw" and training.precision != "float64":
        training = training.model_copy(update={"eps": max(training.eps, LARGER_EPS)})
    dense, model = build(), build()
    for built in (dense, model):
        set_type(built, dtype)
        built.to(device)
    start = _copied(dense)
    with torch.no_grad():
        for name, tensor in _tensors(model).items():
            tensor.copy_(start[name])
    # The same memory format for both: a network with batch norm and few images amplifies rounding.
    placement = placement_of(device, model, training.precision)
    placed = [(images.to(dtype, memory_format=placement.memory_format), labels) for images, labels in batches]
    with torch.random.fork_rng():
        dense_training(dense, mask, scale, training, placed, SEED)
        network = FreezeNet(model, mask, scale)
        _train(network, training, placed, fused=placement.fused)
        expected = {**_copied(dense), "an output": _outputs(dense, dense, placed[0][0])}
        found = {"an output": _outputs(model, network, placed[0][0]), **_copied(model)}
    moves = {name: _apart(expected[name], tensor) for name, tensor in start.items()}
    tolerance = TOLERANCES[training.precision]
    for name, tensor in expected.items():
        allowed = (
            tolerance.moved * moves.get(name, 0.0)
            + tolerance.network * max(moves.values())
            + tolerance.size * _largest(tensor)
        )
        apart = _apart(tensor, found[name])
        if not (apart <= allowed or torch.equal(tensor, found[name])):
            return (
                f"{name} differs by {apart:.2g} from a plain dense copy after {len(batches)} steps;"
                f" {allowed:.2g} is allowed"
            )
    return None


def _train(network: FreezeNet, training: Training, batches: Sequence[Batch], *, fused: bool) -> None:
    """The steps of a trial."""
    optimizer = build_optimizer(network.parameters(), training, fused=fused)
    network.model.train()
    for step, (images, labels) in enumerate(batches):
        torch.manual_seed(SEED + step)
        train_step(network, optimizer, training, images.clone(), labels)  # a network may change its images


def _outputs(model: nn.Module, network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The outputs in eval mode; also writes a network's trained values into its model."""
    model.eval()
    torch.manual_seed(SEED)
    with torch.no_grad():
        return network(images.clone())


def _runs_in_double(model: nn.Module, images: Tensor) -> bool:
    try:
        with torch.no_grad(), torch.random.fork_rng():
            set_type(model, torch.float64)
            return bool(model.to(images.device)(images.double()).dtype == torch.float64)
    except RuntimeError:  # it names another type somewhere
        return False


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**plain_parameters(model), **dict(model.named_buffers())}


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in _tensors(model).items()}


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors of any type."""
    if one.dtype == torch.bool:
        one, other = one.to(torch.int8), other.to(torch.int8)
    return _largest(one - other)


def _largest(tensor: Tensor) -> float:
    """The largest absolute value; 0 of nothing."""
    if tensor.dtype == torch.bool:
        tensor = tensor.to(torch.int8)
    return float(tensor.abs().max()) if tensor.numel() else 0.0
