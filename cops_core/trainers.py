"""A trial of one's own: a trainer brings a network, data, a loss and a training loop, and nothing else."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from cops_core.errors import InputError, unknown
from cops_core.scores.problem import SampleLosses

IMAGES = "images"
"""The trainer of every configuration that names none: `cops_core.trial.Trial`."""

Scalar = bool | int | float | str
ModelPart = Literal["validation", "test"]
OWN_METRICS = ("epoch", "train_seconds")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The number by which trials are compared, at least 0.

    Attributes:
        name: Its name in each epoch's metrics, e.g. `validation_accuracy`.
        direction: Which values are better.
        worst: Counts for a trial that has none: no mask meets its levels, or training diverged.
        share: Whether it is a fraction in [0, 1], which is shown in per cent.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    worst: float
    share: bool = False

    @property
    def words(self) -> str:
        """The name in words: `validation accuracy`."""
        return self.name.replace("_", " ")

    @property
    def noun(self) -> str:
        """The same without the part of the data: `accuracy`."""
        return self.words.removeprefix("validation ")

    @property
    def spec(self) -> str:
        """The format of its values."""
        return ".2%" if self.share else ".4f"

    def quality(self, value: float) -> float:
        """A value as a number of which more is better: the value itself, or for "minimize" its negative."""
        return value if self.direction == "maximize" else -value


ACCURACY = Measure(name="validation_accuracy", direction="maximize", worst=0.0, share=True)


class CustomTrainer(ABC):
    """Trains a network of its own on data of its own, one epoch at a time.

    The trial calls `build`, draws theta0 from its seed, selects the mask with `loss` on `scoring_batches`,
    masks the network, and calls `start`. Then, for each epoch, it calls `train_epoch` and evaluates the
    validation part.

    While a method runs, the global generators of torch, numpy and Python are at a stream of (seed, purpose,
    epoch). So all that draws from them is the same after a resume; other generators must start anew from
    (`seed`, epoch) in each epoch.

    A subclass adds no arguments: it loads its data when they are first used.

    Args:
        settings: Values for some of the names in `defaults`.
        seed: The trial's, in [0, 2**32).
        epochs: How many epochs the trial has.
        device: Where the network is trained.

    Attributes:
        defaults: The settings, each with its default value; their types are those of the defaults.
        tiny: Settings with which an epoch takes a moment, for checks.
        measure: The number by which trials are compared.
        settings: All settings with their values.
        seed: The trial's.
        epochs: How many epochs the trial has.
        device: Where the network is trained.
    """

    defaults: ClassVar[Mapping[str, Scalar]] = {}
    tiny: ClassVar[Mapping[str, Scalar]] = {}
    measure: ClassVar[Measure]

    def __init__(
        self, settings: Mapping[str, Scalar], *, seed: int, epochs: int, device: torch.device
    ) -> None:
        self.settings: Mapping[str, Any] = {**self.defaults, **settings}
        self.seed = seed
        self.epochs = epochs
        self.device = device

    @abstractmethod
    def data_sha256(self) -> str:
        """The SHA-256 of the data, 64 hexadecimal digits. It is a part of each trial's identity."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A new network on the CPU. The trial then draws its linear, convolution and attention weights."""

    @abstractmethod
    def scoring_batches(self, round_: int) -> Any:
        """The batches on which weights are scored.

        Args:
            round_: From 1 on; more than 1 only if each round has batches of its own (`fresh_batches`).

        Returns:
            One batch or a list of batches, of training data, on the device.
        """

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """The loss of a batch that scores differentiate, a tensor of shape ()."""

    def sample_losses(self, model: nn.Module, batch: Any) -> Tensor:
        """The losses of a batch's samples, shape (N,). Only Fisher needs them."""
        raise NotImplementedError

    @abstractmethod
    def start(self, model: nn.Module) -> None:
        """Receive the network to train: initialised, masked, on the device. Make the optimizer here."""

    @abstractmethod
    def train_epoch(self, epoch: int) -> Mapping[str, float]:
        """Train the network for one epoch.

        Args:
            epoch: From 1 on.

        Returns:
            Metrics to report, by name, e.g. {"train_loss": 1.2}. One that is not finite ends the trial as
            diverged.
        """

    @abstractmethod
    def evaluate(self, model: nn.Module, part: ModelPart) -> float:
        """The value of `measure` for a network, which is in eval mode, without gradients.

        Args:
            model: The network in training, or one that was stored and loaded again.
            part: "validation" after each epoch; "test" when a study is closed, or with `TrialConfig.test`.
        """

    @abstractmethod
    def state(self) -> Mapping[str, Any]:
        """What training needs to continue, apart from the network: e.g. the optimizer's `state_dict()`.

        Tensors, numbers, texts, lists and dicts only.
        """

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned; the network already has its values. Called after `start`."""


TRAINERS: dict[str, type[CustomTrainer]] = {}
"""The trainers of plugins. The trial on images is none of them."""


def measure_of(trainer: str) -> Measure:
    """The number by which the trials of a trainer are compared."""
    return ACCURACY if trainer == IMAGES else TRAINERS[trainer].measure


def trainer_of(
    name: str,
    settings: Mapping[str, Scalar],
    *,
    seed: int = 0,
    epochs: int = 1,
    device: torch.device | None = None,
) -> CustomTrainer:
    """A new trainer.

    Args:
        name: A key of `TRAINERS`.
        settings: See `CustomTrainer`, as for all that follow.
        seed: The trial's.
        epochs: Of the trial.
        device: None is the CPU.
    """
    return TRAINERS[name](settings, seed=seed, epochs=epochs, device=device or torch.device("cpu"))


def sample_losses_of(trainer: CustomTrainer) -> SampleLosses | None:
    """The trainer's `sample_losses`; None if it has none."""
    own = type(trainer).sample_losses is not CustomTrainer.sample_losses
    return trainer.sample_losses if own else None


class TrainerSettings(dict[str, Scalar]):
    """A trainer's settings, hashable as the rest of a configuration."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def checked_settings(name: str, given: Mapping[str, Scalar]) -> TrainerSettings:
    """Settings as a configuration keeps them: only those that differ from their defaults, in one order.

    Args:
        name: A key of `TRAINERS`, or `IMAGES`, which has no settings.
        given: Values by name.

    Returns:
        The settings.

    Raises:
        ValueError: An unknown name, a value of another type, or one that is not finite.
    """
    if name == IMAGES:
        if given:
            raise ValueError("settings without effect: they belong to a trainer, write trainer='...'")
        return TrainerSettings()
    defaults = TRAINERS[name].defaults
    found = {}
    for key, value in sorted(given.items()):
        if key not in defaults:
            raise ValueError(unknown(f"setting of trainer {name!r}", key, defaults))
        default = defaults[key]
        if type(default) is float and type(value) is int:
            value = float(value)  # so that 1 and 1.0 are one configuration
        if type(value) is not type(default):
            raise ValueError(
                f"setting {key!r} is {value!r}, of type {type(value).__name__}:"
                f" write one of type {type(default).__name__}, e.g. {default!r}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"setting {key!r} is {value}: write a finite number")
        if value != default:
            found[key] = value
    return TrainerSettings(found)


def complaint(name: str, trainer: object) -> str:
    """What a plugin's trainer lacks, in one line without its name; empty if nothing."""
    if name == IMAGES:
        return "is the name of the project's own: choose another name"
    if not (isinstance(trainer, type) and issubclass(trainer, CustomTrainer)):
        what = f"of type {type(trainer).__name__}"
        return f"is {what}: write a subclass of cops_core.trainers.CustomTrainer, the class itself"
    if missing := sorted(trainer.__abstractmethods__):
        return f"lacks {', '.join(missing)}: define {'it' if len(missing) == 1 else 'them'}"
    measure = getattr(trainer, "measure", None)
    if not isinstance(measure, Measure):
        return "lacks measure: write e.g. Measure(name='validation_loss', direction='minimize', worst=10.0)"
    if measure.direction not in ("maximize", "minimize"):
        return f"has the direction {measure.direction!r}: write 'maximize' or 'minimize'"
    if not measure.name.isidentifier() or measure.name in OWN_METRICS:
        return f"has a measure with the name {measure.name!r}: use letters, digits and '_'"
    if not (math.isfinite(measure.worst) and measure.worst >= 0):
        return f"has a measure whose worst value is {measure.worst}: write a finite number, at least 0"
    for key, value in trainer.defaults.items():
        if type(value) not in (bool, int, float, str):
            return f"has the setting {key!r} of type {type(value).__name__}: use bool, int, float or str"
    if foreign := sorted(set(trainer.tiny) - set(trainer.defaults)):
        return f"has {foreign[0]!r} in tiny, but not in defaults: write its default there"
    return ""


def check_value(name: str, value: object) -> float:
    """A number that a trainer has returned.

    Args:
        name: Of the metric.
        value: A number, or a tensor with one.

    Returns:
        The number, which may be not finite.

    Raises:
        InputError: It is none.
    """
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"metric {name!r} is of type {type(value).__name__}: return a number") from None


def check_state(value: object, place: str = "state()") -> None:
    """Check that a trainer's state can be written and read again without running code.

    Args:
        value: What `CustomTrainer.state` returned, or a part of it.
        place: Where the part stands, for the message.

    Raises:
        InputError: It contains something else than tensors and plain values.
    """
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if type(key) not in (str, int):
                raise InputError(f"{place} has a key of type {type(key).__name__}: use texts or numbers")
            check_state(entry, f"{place}[{key!r}]")
    elif type(value) in (list, tuple):
        for number, entry in enumerate(value):  # type: ignore[arg-type]
            check_state(entry, f"{place}[{number}]")
    elif not (value is None or isinstance(value, Tensor) or type(value) in (bool, int, float, str)):
        raise InputError(
            f"{place} is an object of type {type(value).__name__}:"
            " return tensors, numbers, texts, lists and dicts only"
        )
