"""Trainings before the mask: the dense network, and in rounds the pruned one, to score trained weights.

A yardstick, not a method of pruning before training: magnitudes after training (Han et al. 2015, arXiv
1506.02626), iterative magnitude pruning with weights rewound to an early epoch (Frankle et al. 2020, arXiv
1912.05671), or with only the learning rate rewound (Renda et al. 2020, arXiv 2003.02389).

The dense training has the trial's seed, data and recipe, whatever is selected afterwards: all trials that
have these in common share it, in a folder of trained networks. So do trials with equal masks in their rounds,
and a trial that is started again. A network from the folder is the same, bit for bit, as one that is trained.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cops_core.accounting import training_multiply_adds
from cops_core.cache import Layers, ScoreCache
from cops_core.config import TrialConfig
from cops_core.config.selection import LEARNING_RATE
from cops_core.data import Split
from cops_core.errors import DivergedError
from cops_core.facts import TrainingBeforeMask
from cops_core.freeze_net import PRUNED, FreezeNet
from cops_core.identity import TRIALS_VERSION
from cops_core.initialization import initial_network
from cops_core.machine import machine
from cops_core.mask import Mask
from cops_core.masked.apply import materialize
from cops_core.train import DTYPES, Trainer

FOLDER = "trained"  # in the folder of the scores
LOCKS = 2**24  # no training waits for another one
VALUES = ("trained", "buffers", "arm")  # the parts of a network's state
COST = "cost"


@dataclass(frozen=True)
class TrainedNetwork:
    """A network after some epochs.

    Attributes:
        key: What its values depend on, as a hash.
        values: Of all parameters and buffers of the plain network, see `FreezeNet.state`.
        epoch: The epoch after which it has them; earlier than planned if the loss then was not finite.
        diverged: Whether that was so.
        steps: The steps of its training.
        multiply_adds: Of these steps.
        seconds: Time for them.
    """

    key: str
    values: Mapping[str, Mapping[str, Tensor]]
    epoch: int
    diverged: bool
    steps: int
    multiply_adds: int
    seconds: float

    def layers(self) -> Layers:
        """All of it as named tensors on the CPU."""
        numbers = [self.epoch, self.diverged, self.steps, self.multiply_adds]
        return {
            f"{COST}.counts": torch.tensor(numbers, dtype=torch.int64),
            f"{COST}.seconds": torch.tensor([self.seconds], dtype=torch.float64),
            **{f"{kind}.{name}": value for kind in VALUES for name, value in self.values[kind].items()},
        }


def network_of(key: str, layers: Mapping[str, Tensor]) -> TrainedNetwork:
    """The network whose `layers` these are."""
    values: dict[str, dict[str, Tensor]] = {kind: {} for kind in VALUES}
    rest = dict(layers)
    epoch, diverged, steps, multiply_adds = rest.pop(f"{COST}.counts").tolist()
    seconds = float(rest.pop(f"{COST}.seconds"))
    for name, value in rest.items():
        kind, _, own = name.partition(".")
        values[kind][own] = value
    return TrainedNetwork(key, values, epoch, bool(diverged), steps, multiply_adds, seconds)


class PriorTraining:
    """Trains a trial's network before its mask is chosen, or finds it trained.

    Args:
        config: The trial, whose selection scores the trained network.
        split: Its data, on its device.
        theta0_sha256: SHA-256 of the initial weights.
        network_sha256: The network's identity; None if nothing identifies it, then nothing is shared.
        extensions: Names and SHA-256 of plugins.
        cache: Beside its entries are the trained networks; None shares nothing.

    Attributes:
        model: The plain network with the trained values, on the device.
        facts: What was trained so far.
    """

    def __init__(
        self,
        config: TrialConfig,
        split: Split,
        *,
        theta0_sha256: str,
        network_sha256: str | None,
        extensions: Mapping[str, str],
        cache: ScoreCache | None,
    ) -> None:
        assert config.selection is not None
        training = config.training.model_copy(update={"probes": False})
        self._config = config.model_copy(update={"training": training})
        self._split = split
        self._rewind = config.selection.rewind
        self._first = config.selection.rewound_epochs
        self._cache = None
        if cache is not None and network_sha256 is not None:
            self._cache = ScoreCache(cache.folder / FOLDER, cache.max_bytes, LOCKS)
        self._identity = {
            "training": self._config.training.model_dump(mode="json"),
            "seed": config.seed,
            "data": split.data.sha256,
            "validation_fraction": str(config.validation_fraction),
            "theta0": theta0_sha256,
            "network": network_sha256,
            "machine": machine(str(split.train.labels.device)),
            "extensions": dict(extensions),
            "numerics": TRIALS_VERSION,
        }
        self.facts: TrainingBeforeMask = {
            "trainings": 0,
            "epochs": 0,
            "steps": 0,
            "multiply_adds": 0,
            "seconds": 0.0,
            "cached": 0,
        }
        self.model = self._built()
        self._start: TrainedNetwork | None = None
        self._train_dense()

    def retrain(self, mask: Mask) -> None:
        """Train the network with all other weights pruned, from where it is rewound to.

        Args:
            mask: What the rounds so far have left.

        Raises:
            DivergedError: Its loss is not finite.
        """
        last = self._config.training.epochs
        found = self._fetch(mask, self._start, [last])[last]
        if self._rewind == LEARNING_RATE:
            self._start = found
        self._use(found, f"the network with {mask.kappa:,} weights")

    def rewind(self, model: nn.Module) -> None:
        """Give a network with theta0 the values from which it is trained with its mask."""
        if self._start is not None:
            _load(model, self._start)

    def _train_dense(self) -> None:
        last = self._config.training.epochs
        stops = [self._first, last] if self._first else [last]
        found = self._fetch(None, None, stops)
        if self._rewind == LEARNING_RATE:
            self._start = found[last]
        elif self._first:
            self._start = found[self._first]
        self._use(found[last], "the dense network")

    def _use(self, found: TrainedNetwork, what: str) -> None:
        """Score these values from now on."""
        if found.diverged:
            raise DivergedError(
                f"{what} diverged in epoch {found.epoch} of its training before the mask: write a lower"
                " learning_rate"
            )
        _load(self.model, found)
        self.facts["trainings"] += 1
        self.facts["epochs"] += found.epoch - (self._first if self.facts["trainings"] > 1 else 0)
        self.facts["steps"] += found.steps
        self.facts["multiply_adds"] += found.multiply_adds
        self.facts["seconds"] += found.seconds

    def _fetch(
        self, mask: Mask | None, start: TrainedNetwork | None, stops: Sequence[int]
    ) -> dict[int, TrainedNetwork]:
        """The network after each of some epochs, trained only as far as one of them is not known."""
        keys = {stop: self._key(mask, start, stop) for stop in stops}

        def compute(missing: Sequence[int]) -> dict[int, Layers]:
            return self._trained(mask, start, missing)

        if self._cache is None:
            layers, computed = compute(stops), list(stops)
        else:
            layers, computed = self._cache.fetch(keys, compute)
        self.facts["cached"] += stops[-1] not in computed
        return {stop: network_of(keys[stop], layers[stop]) for stop in stops}

    def _key(self, mask: Mask | None, start: TrainedNetwork | None, stop: int) -> str:
        content = {
            **self._identity,
            "mask": None if mask is None else mask.sha256(),
            "start": None if start is None else start.key,
            "first": 0 if mask is None else self._first,
            "stop": stop,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _trained(
        self, mask: Mask | None, start: TrainedNetwork | None, stops: Sequence[int]
    ) -> dict[int, Layers]:
        """Train from the start; a loss that is not finite ends it, for all stops that are left."""
        model = self._built()
        if start is not None:
            _load(model, start)
        network = FreezeNet(model, mask, PRUNED)
        trainer = Trainer(network, self._split, self._config.training, self._config.seed)
        first = 0 if mask is None else self._first
        trainer.begin_after(first)
        image = training_multiply_adds(network, self._split.data.shape)
        found: dict[int, Layers] = {}
        seconds, diverged = 0.0, False
        while trainer.epoch < max(stops) and not diverged:
            metrics = trainer.run_epoch()
            seconds += metrics.train_seconds
            diverged = metrics.diverged
            reached = [stop for stop in stops if stop == trainer.epoch or (diverged and stop > trainer.epoch)]
            if reached:
                epochs = trainer.epoch - first
                layers = TrainedNetwork(
                    key="",
                    values=_values(network),
                    epoch=trainer.epoch,
                    diverged=diverged,
                    steps=epochs * len(trainer.sizes),
                    multiply_adds=epochs * len(self._split.train) * image,
                    seconds=seconds,
                ).layers()
                found |= dict.fromkeys(reached, layers)
        return found

    def _built(self) -> nn.Module:
        """A new network with theta0: one that was trained may have changed more than its values."""
        config, data = self._config, self._split.data
        model, _ = initial_network(
            config.model,
            data.shape,
            data.classes,
            config.seed,
            config.initialization,
            DTYPES[config.training.precision],
        )
        return model.to(self._split.train.labels.device)


def _values(network: FreezeNet) -> dict[str, dict[str, Tensor]]:
    """The state of the plain network, in memory of its own; of a masked one after its last epoch."""
    plain = FreezeNet(materialize(network.model), None) if network.masked else network
    return {
        kind: {name: value.detach().cpu().clone() for name, value in part.items()}
        for kind, part in plain.state().items()
    }


def _load(model: nn.Module, trained: TrainedNetwork) -> None:
    device = next(model.parameters()).device
    FreezeNet(model, None).load_state(
        {
            kind: {name: value.to(device) for name, value in part.items()}
            for kind, part in trained.values.items()
        }
    )
