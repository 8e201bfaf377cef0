"""The training loop, one epoch at a time."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from cops_core.augmentation import AUGMENTATIONS
from cops_core.config import Regrow, Training, TrialConfig
from cops_core.data import ImageData, Part, Split
from cops_core.data.base import split_places
from cops_core.errors import InputError
from cops_core.facts import MetricRow
from cops_core.freeze_net import FreezeNet
from cops_core.generators import reseed_own, seeded_generators
from cops_core.optimizers import build_optimizer, build_schedule, loss_of, set_fused, update
from cops_core.placement import Placement, placement_of
from cops_core.probe import gradient_norms
from cops_core.regrow import change_mask, changes_at, changes_of, check_changes, dense_gradients, fraction_at
from cops_core.streams import stream

EVALUATION_BATCH = 500  # ResNet18 on 32 x 32 needs about 1 MB per image
NORM_PREFIX = "gradient_norm."


DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.float32,  # weights stay in float32, operations run under autocast
}


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """The metrics of one epoch.

    Attributes:
        epoch: The epoch, 1 is the first; 0 for a network that collapsed before training.
        train_loss: What is minimised: mean cross-entropy in nats during the epoch, with label smoothing if
            the training has it.
        validation_loss: Mean cross-entropy in nats, after the epoch, never with label smoothing.
        validation_accuracy: In [0, 1]. An image whose logits are not finite counts as wrong.
        learning_rate: The next step's.
        train_seconds: Time for the training steps.
        gradient_norms: By layer, if the training has `probes` (see `cops_core.probe`).
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    train_seconds: float
    gradient_norms: Mapping[str, float] = field(default_factory=dict)

    @property
    def diverged(self) -> bool:
        """Whether a loss is not finite; after the last step this shows in the validation loss only."""
        return not (math.isfinite(self.train_loss) and math.isfinite(self.validation_loss))

    def row(self) -> MetricRow:
        """The metrics by name; a layer's gradient norm as `gradient_norm.LAYER`."""
        metrics = asdict(self)
        norms = metrics.pop("gradient_norms")
        return cast(MetricRow, metrics | {f"{NORM_PREFIX}{layer}": norm for layer, norm in norms.items()})


class Trainer:
    """Trains a network on a split. Between epochs, `state()` is its complete state.

    The order of each epoch's batches, its augmentation, and what the network itself draws (dropout, noise)
    have their own streams, derived from (seed, epoch): a trainer that loads a state continues as if it had
    never been interrupted, bit for bit on the CPU.

    Args:
        network: The network.
        split: The data, on the network's device.
        training: The settings.
        seed: The trial's, in [0, 2**32).
        placement: Memory format and kernels; None chooses them for the split's device.
        regrow: How the network's mask changes (`cops_core.regrow`); None if it does not.

    Raises:
        InputError: A batch of a single image for a network with batch norm, or a mask that would never
            change.
    """

    def __init__(
        self,
        network: FreezeNet,
        split: Split,
        training: Training,
        seed: int,
        placement: Placement | None = None,
        regrow: Regrow | None = None,
    ) -> None:
        self.network = network
        self.split = split
        self.training = training
        self.seed = seed
        self.epoch = 0
        device = split.train.labels.device
        self.placement = placement or placement_of(device, network.model, training.precision)
        self.optimizer = build_optimizer(network.parameters(), training, fused=self.placement.fused)
        self.sizes = batch_sizes(len(split.train), training.batch_size)
        if min(self.sizes) == 1 and any(isinstance(m, _BatchNorm) for m in network.model.modules()):
            raise InputError("batch norm cannot train on a single image: write a batch_size of 2 or more")
        self.scheduler = build_schedule(self.optimizer, training, len(self.sizes))
        self.steps = training.epochs * len(self.sizes)
        self.regrow = regrow
        if regrow is not None:
            check_changes(regrow, self.steps)

    @property
    def dense_share(self) -> float:
        """The share of the steps that compute the gradients of whole weights, to change the mask."""
        return 0.0 if self.regrow is None else changes_of(self.regrow, self.steps) / self.steps

    def begin_after(self, epochs: int) -> None:
        """Begin a new training in the middle: with the schedule, batches and draws of the epochs that follow.

        Args:
            epochs: How many are over, fewer than the training has. There is no momentum of theirs.
        """
        self.epoch = epochs
        if epochs:
            self.optimizer.step()  # changes nothing without gradients; torch wants it before the schedule's
        for _ in range(epochs * len(self.sizes)):
            self.scheduler.step()

    def run_epoch(self) -> EpochMetrics:
        """Train for one epoch, then evaluate on the validation part."""
        self.epoch += 1
        started = time.perf_counter()
        reseed_own(self.network.model, self.seed, "random layers", self.epoch)
        with seeded_generators(self.seed, "random layers", self.epoch, devices=[self.placement.device]):
            train_loss = self._train()
        self.network.check_parameters()
        seconds = time.perf_counter() - started
        validation_loss, accuracy = self.evaluate(self.split.validation)
        return EpochMetrics(
            epoch=self.epoch,
            train_loss=train_loss,
            validation_loss=validation_loss,
            validation_accuracy=accuracy,
            learning_rate=float(self.scheduler.get_last_lr()[0]),
            train_seconds=seconds,
            gradient_norms=self._gradient_norms() if self.training.probes else {},
        )

    def evaluate(self, part: Part) -> tuple[float, float]:
        """Mean cross-entropy in nats and accuracy in [0, 1] of the current network on `part`."""
        purpose = ("random layers in evaluation", self.epoch)
        with seeded_generators(self.seed, *purpose, devices=[self.placement.device]):
            return evaluate(self.network, part, self.training.precision, self.placement.memory_format)

    def _gradient_norms(self) -> dict[str, float]:
        """Of the first training images, the same ones in every epoch."""
        images, labels = next(self.split.train.batches(self.training.batch_size))
        return gradient_norms(self.network, (images, labels), self.seed)

    def _train(self) -> float:
        part, black = self.split.train, self.split.black
        order = stream(self.seed, "batch order", self.epoch).permutation(len(part))
        augment = AUGMENTATIONS[self.training.augmentation]
        draws = stream(self.seed, "augmentation", self.epoch)
        total = torch.zeros((), dtype=torch.float64, device=part.labels.device)
        self.network.model.train()
        for originals, labels in part.batches(self.sizes, order):
            images = augment(originals, black, draws)
            total += self.step(images, labels) * len(labels)
        return float(total) / len(part)

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on one batch; the network must be in train mode.

        Args:
            images: Shape (N, channels, height, width), on the network's device.
            labels: Shape (N,).

        Returns:
            The loss before the step, a scalar.
        """
        images = images.to(DTYPES[self.training.precision], memory_format=self.placement.memory_format)
        done = self.scheduler.last_epoch  # steps, not epochs
        if self.regrow is not None and changes_at(self.regrow, done, self.steps):
            fraction = fraction_at(self.regrow, done, self.steps)
            loss = mask_step(self.network, self.optimizer, self.training, images, labels, fraction)
        else:
            loss = train_step(self.network, self.optimizer, self.training, images, labels)
        self.scheduler.step()
        return loss

    def state(self) -> dict[str, Any]:
        """The epoch, trained values, buffers, optimizer and schedule, and the mask if it changes."""
        changing = {} if self.regrow is None else {"places": self.network.places}
        return {
            **changing,
            "epoch": self.epoch,
            "network": self.network.state(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def fits(self, state: Mapping[str, Any]) -> bool:
        """Whether a state belongs to a trainer of a network like this one."""
        moves = self.regrow is None or self.network.can_move(state["places"])
        return moves and self.network.fits(state["network"])

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state` returned."""
        self.epoch = state["epoch"]
        if self.regrow is not None:
            self.network.move(state["places"])
        self.network.load_state(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        _reshape(self.optimizer)
        set_fused(self.optimizer, self.placement.fused)
        self.scheduler.load_state_dict(state["scheduler"])


def train_step(
    network: FreezeNet, optimizer: Optimizer, training: Training, images: Tensor, labels: Tensor
) -> Tensor:
    """Train on one batch; the network must be in train mode.

    Args:
        network: The network.
        optimizer: Of its parameters.
        training: Loss, clipping and precision.
        images: Shape (N, channels, height, width), of the type of the weights, on the network's device.
        labels: Shape (N,).

    Returns:
        The loss before the step, a scalar.
    """
    loss = _backward(network, optimizer, training, images, labels)
    update(network, optimizer, training)
    return loss


def mask_step(
    network: FreezeNet,
    optimizer: Optimizer,
    training: Training,
    images: Tensor,
    labels: Tensor,
    fraction: float,
) -> Tensor:
    """Change the mask by the gradient of one batch, instead of training on it.

    Args:
        network: See `train_step`, as for all that follow.
        optimizer: Of the network's parameters.
        training: Loss and precision.
        images: Of the batch.
        labels: Of the batch.
        fraction: The share of each layer's kept weights that is dropped, see `cops_core.regrow`.

    Returns:
        The loss before the step, a scalar.
    """
    with dense_gradients(network) as gradients:
        loss = _backward(network, optimizer, training, images, labels)
    change_mask(network, optimizer, gradients, fraction)
    return loss


def _backward(
    network: FreezeNet, optimizer: Optimizer, training: Training, images: Tensor, labels: Tensor
) -> Tensor:
    """Compute the gradients of a batch; the loss, without a gradient."""
    with autocast(images, training.precision):
        loss = loss_of(network(images), labels, training)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    return loss.detach()


def _reshape(optimizer: Optimizer) -> None:
    """Give momentum the shape of its parameter: earlier versions wrote kept values as vectors."""
    for parameter, state in optimizer.state.items():
        if isinstance(momentum := state.get("momentum_buffer"), Tensor):
            state["momentum_buffer"] = momentum.view(parameter.shape)


def batch_sizes(images: int, size: int) -> list[int]:
    """The sizes of an epoch's batches; the last one may be smaller.

    If a single image is left over it joins the batch before it: batch norm cannot train on one image.

    Args:
        images: Number of training images.
        size: `Training.batch_size`.

    Returns:
        The sizes, summing to `images`.
    """
    whole, left = divmod(images, size)
    sizes = [size] * whole + [left] * (left > 0)
    if left == 1 and whole > 0:
        sizes[-2:] = [size + 1]
    return sizes


def check_steps(config: TrialConfig, data: ImageData) -> None:
    """Check that a trial has enough training steps for what its mask does in them, without a network.

    Args:
        config: The trial's configuration.
        data: Its data set.

    Raises:
        InputError: Its mask would never change.
    """
    if config.selection is None or config.selection.regrow is None:
        return
    images, _ = split_places(len(data.train_labels), config.seed, config.validation_fraction)
    steps = config.training.epochs * len(batch_sizes(len(images), config.training.batch_size))
    check_changes(config.selection.regrow, steps)


def evaluate(
    network: FreezeNet,
    part: Part,
    precision: str = "float32",
    memory_format: torch.memory_format = torch.preserve_format,
) -> tuple[float, float]:
    """Evaluate a network on a part of the data.

    Args:
        network: The network.
        part: Images and labels, on the network's device.
        precision: `Training.precision`.
        memory_format: Of the images for the network.

    Returns:
        Mean cross-entropy in nats, and accuracy in [0, 1]. An image whose logits are not finite is wrong.
    """
    network.model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for originals, labels in part.batches(EVALUATION_BATCH):
            images = originals.to(DTYPES[precision], memory_format=memory_format)
            with autocast(images, precision):
                logits = network(images).to(DTYPES[precision])
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            right = (logits.argmax(dim=1) == labels) & logits.isfinite().all(dim=1)
            correct += int(right.sum())
    return loss / len(part), correct / len(part)


def autocast(images: Tensor, precision: str) -> torch.autocast:
    """The context of a network's operations: bfloat16 for that precision, else no change."""
    return torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16")
