"""A prototype: many small networks trained in one process, by `torch.func.stack_module_state` and `vmap`.

Each network is that of a trial of its own: its seed gives theta0, the split and the order of the batches,
its configuration the mask, the arm, learning rate, momentum and weight decay. They make each step together.
What is left out: AdamW, clipping, smoothing, warm-up, buffers (batch norm), bfloat16, FreezeNet-WD, RigL.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn.functional import cross_entropy

import cops_core
from cops_core.config import Selection, Training, TrialConfig
from cops_core.data import ImageData, Split, split_once
from cops_core.errors import InputError
from cops_core.streams import stream
from cops_core.train import DTYPES, EVALUATION_BATCH, batch_sizes
from cops_core.trial import Trial

Parameters = dict[str, Tensor]
OWN = {"learning_rate", "momentum", "weight_decay"}  # each network has its own
TRAINING_ITSELF = ("regrow", "at")  # fields of a selection that change how a trial trains
ARMS = ("dense", "prune", "freeze", "scale")
SHARED = {"epochs", "batch_size", "schedule", "precision"}


@dataclass(frozen=True)
class Epoch:
    """The metrics of all networks after an epoch, each of shape (networks,)."""

    train_loss: Tensor
    validation_loss: Tensor
    validation_accuracy: Tensor


class Together:
    """Trains the networks of some trials.

    Args:
        configs: Of the trials, which differ in what has a value for each network.
        data: Their data set.
        device: Of all networks.

    Raises:
        InputError: The prototype cannot train them, or not together.
    """

    def __init__(self, configs: Sequence[TrialConfig], data: ImageData, device: str = "cpu") -> None:
        self.training = check(configs)
        self.device, self.dtype = torch.device(device), DTYPES[self.training.precision]
        self.seeds = [config.seed for config in configs]
        self.epoch = self._step = 0
        trials = [Trial(config, data=data, device=device) for config in configs]
        masks = [places(trial) for trial in trials]
        models = [cops_core.materialize(trial.trainer.network.model) for trial in trials]
        self.parameters, buffers = stack_module_state(models)
        if buffers:
            raise InputError(
                f"the network has buffers ({', '.join(buffers)}), which the prototype cannot train"
            )
        self.parameters = {name: value.detach() for name, value in self.parameters.items()}
        self.masks = stacked(masks, self.parameters)
        self.momentum = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self._skeleton = copy.deepcopy(models[0]).to("meta")
        self._own = {name: self._values(configs, name) for name in OWN}
        splits = [split_once(data, config.seed, config.validation_fraction) for config in configs]
        self.train, self.validation = (Parts(splits, which, self.device) for which in ("train", "validation"))
        self.sizes = batch_sizes(len(splits[0].train), self.training.batch_size)
        self._gradients = vmap(grad_and_value(self._loss))
        self._outputs = vmap(self._output)

    def _values(self, configs: Sequence[TrialConfig], name: str) -> Tensor:
        values = [getattr(config.training, name) for config in configs]
        return torch.tensor(values, dtype=self.dtype, device=self.device)

    def _output(self, parameters: Parameters, images: Tensor) -> Tensor:
        output: Tensor = functional_call(self._skeleton, parameters, (images,))
        return output

    def _loss(self, parameters: Parameters, images: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(self._output(parameters, images), labels)

    def run_epoch(self) -> Epoch:
        """Train for one epoch, each network in its own order; then evaluate."""
        self.epoch += 1
        orders = [stream(seed, "batch order", self.epoch).permutation(self.train.size) for seed in self.seeds]
        order = torch.from_numpy(np.stack(orders)).to(self.device)
        total = torch.zeros(len(self.seeds), dtype=torch.float64, device=self.device)
        for index in torch.split(order, self.sizes, dim=1):
            images, labels = self.train.at(index)
            total += self.step(images.to(self.dtype), labels) * index.shape[1]
        return Epoch(total / self.train.size, *self.evaluate())

    @torch.no_grad()
    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of SGD with momentum.

        Args:
            images: Shape (networks, N, channels, height, width).
            labels: Shape (networks, N).

        Returns:
            The losses before the step, shape (networks,).
        """
        gradients, losses = self._gradients(self.parameters, images, labels)
        rates = self._own["learning_rate"] * self._factor()
        for name, value in self.parameters.items():
            shape = (-1, *(1 for _ in value.shape[1:]))
            gradient = gradients[name].addcmul_(self._own["weight_decay"].view(shape), value)
            if name in self.masks:
                gradient *= self.masks[name]
            momentum = self.momentum[name].mul_(self._own["momentum"].view(shape)).add_(gradient)
            value.addcmul_(momentum, rates.view(shape), value=-1)
        self._step += 1
        found: Tensor = losses.detach()
        return found

    def _factor(self) -> float:
        """The schedule's factor of the learning rate at this step."""
        if self.training.schedule == "constant":
            return 1.0
        return (1 + math.cos(math.pi * self._step / (self.training.epochs * len(self.sizes)))) / 2

    @torch.no_grad()
    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy and accuracy of each network on its own validation images, shape (networks,)."""
        loss = torch.zeros(len(self.seeds), dtype=torch.float64, device=self.device)
        correct = torch.zeros_like(loss)
        for index in torch.split(torch.arange(self.validation.size, device=self.device), EVALUATION_BATCH):
            images, labels = self.validation.at(index.expand(len(self.seeds), -1))
            logits = self._outputs(self.parameters, images.to(self.dtype))
            losses = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
            loss += losses.view(labels.shape).sum(1)
            correct += (logits.argmax(2) == labels).sum(1)
        return loss / self.validation.size, correct / self.validation.size


class Parts:
    """The training or validation parts of several splits of one data set.

    Args:
        splits: On the CPU.
        which: "train" or "validation".
        device: Where the images go, once for all splits.
    """

    def __init__(self, splits: Sequence[Split], which: str, device: torch.device) -> None:
        parts = [getattr(split, which) for split in splits]
        self.size = len(parts[0])
        self._stored = parts[0].stored.to(device)
        self._places = torch.stack([part.places for part in parts]).to(device)
        self._labels = torch.stack([part.labels for part in parts]).to(device)
        self._mean = torch.stack([split.mean for split in splits]).to(device)
        self._deviation = torch.stack([split.deviation for split in splits]).to(device)

    def at(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images and labels at `index`, shape (networks, N), of each part."""
        places = self._places.gather(1, index)
        pixels = self._stored.index_select(0, places.flatten())
        images = (pixels.view(*index.shape, *pixels.shape[1:]) - self._mean).div_(self._deviation)
        return images, self._labels.gather(1, index)


def places(trial: Trial) -> Parameters:
    """The mask of each masked weight of a trial's network, as numbers."""
    found = {}
    for name, masked in trial.trainer.network.masked.items():
        mask = torch.zeros(masked.kept.shape, dtype=masked.values.dtype, device=trial.device)
        mask.view(-1)[masked.kept.places] = 1
        found[name] = mask
    return found


def stacked(masks: Sequence[Parameters], parameters: Parameters) -> Parameters:
    """Masks of all networks by name, shape (networks, ...); ones for a dense network among others."""
    names = {name for mask in masks for name in mask}
    return {
        name: torch.stack([mask.get(name, torch.ones_like(parameters[name][0])) for mask in masks])
        for name in names
    }


def check(configs: Sequence[TrialConfig]) -> Training:
    """The first trial's training, if the others have the same but for what each network has of its own.

    Raises:
        InputError: They differ, or need what the prototype does not have.
    """
    first = configs[0]
    training = first.training
    shared = ("model", "dataset", "validation_fraction")
    for config in configs:
        differ = [name for name in shared if getattr(config, name) != getattr(first, name)]
        differ += [name for name in SHARED if getattr(config.training, name) != getattr(training, name)]
        if differ:
            raise InputError(f"trials that are trained together have the same {', '.join(differ)}")
        unknown = [
            name
            for name, field in Training.model_fields.items()
            if name not in OWN | SHARED and getattr(config.training, name) != field.default
        ]
        unknown += [] if config.arm in ARMS else [f"arm {config.arm}"]
        selection = config.selection.model_dump() if config.selection is not None else {}
        fields = Selection.model_fields
        unknown += [n for n in TRAINING_ITSELF if selection.get(n, fields[n].default) != fields[n].default]
        if unknown or training.schedule == "step" or training.precision == "bfloat16":
            raise InputError(f"the prototype has no {', '.join(unknown) or 'step schedule and no bfloat16'}")
    return training


def plain(networks: Together, number: int) -> nn.Module:
    """One of the networks, as a plain model."""
    model = copy.deepcopy(networks._skeleton).to_empty(device=networks.device)
    model.load_state_dict({name: value[number] for name, value in networks.parameters.items()})
    return model
