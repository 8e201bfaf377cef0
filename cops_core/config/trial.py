"""The complete, frozen description of one trial: equal configurations give equal results."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from cops_core.config.selection import Selection
from cops_core.config.training import Training
from cops_core.data import DATASETS
from cops_core.description import Description, named
from cops_core.errors import InputError, one_line, unknown
from cops_core.initialization import INITIALIZATIONS
from cops_core.models import find_model
from cops_core.streams import SEED_RANGE
from cops_core.trainers import (
    IMAGES,
    TRAINERS,
    Measure,
    Scalar,
    TrainerSettings,
    checked_settings,
    measure_of,
)

Arm = Literal["dense", "prune", "freeze", "scale", "freeze_wd"]
AFTER_TRAINING = "not before training"
# Fields of a selection that decide on which images it scores, and what their cross-entropy is.
IMAGE_FIELDS = ("samples_per_class", "batches", "temperature", "steps")


def _model(name: str) -> str:
    """The name of a network, checked to exist."""
    find_model(name)
    return name


# Normalised, so that 0.10 and 0.1 are one density with one hash.
Density = Annotated[Decimal, Field(gt=0, le=1), AfterValidator(Decimal.normalize)]


class TrialConfig(Description):
    """One trial: data, network, seed, arm, selection, density, training.

    Attributes:
        trainer: "images", or a key of `cops_core.trainers.TRAINERS`. A trainer of one's own has data, a
            network and a training loop. `dataset` and `model` then are its name, and of `training` only
            `epochs` counts.
        settings: The trainer's own fields (see `CustomTrainer.defaults`) that differ from their defaults.
        dataset: A key of `DATASETS`.
        validation_fraction: Fraction of the training images used for validation, a decimal in (0, 1).
        model: A key of `MODELS`, or a package and a name in it: `timm/vit_tiny_patch16_224`.
        initialization: A key of `INITIALIZATIONS`.
        seed: A 32-bit seed, in [0, 2**32).
        arm: The treatment of the weights outside the mask (see `cops_core.freeze_net`).
        scale: Only with arm "scale": the constant in (0, 1) that multiplies their initial values.
        selection: How the kept weights are chosen; None for the dense arm.
        density: The kept fraction in (0, 1], a decimal; the freezing rate is 1 - density. A search space
            leaves it None and the study sets it. A trial that is not dense needs it.
        training: How the network is trained.
        test: Whether the trained network is evaluated on the test images, once, after its last epoch. Only
            for trials after which nothing is selected; in a search it is False, and no test label is read.
    """

    trainer: str = IMAGES
    settings: Mapping[str, Scalar] = TrainerSettings()
    dataset: Annotated[str, named("data set", DATASETS)] = "digits"
    validation_fraction: Annotated[Decimal, Field(gt=0, lt=1), AfterValidator(Decimal.normalize)] = Decimal(
        "0.1"
    )
    model: Annotated[str, AfterValidator(_model)] = "lenet_300_100"
    initialization: Annotated[str, named("initialization", INITIALIZATIONS)] = "xavier_normal"
    seed: Annotated[int, Field(ge=0, lt=SEED_RANGE)] = 0
    arm: Arm = "dense"
    scale: Annotated[float, Field(gt=0, lt=1)] | None = None
    selection: Selection | None = None
    density: Density | None = None
    training: Training = Training()
    test: bool = False

    @model_validator(mode="before")
    @classmethod
    def _named_after_trainer(cls, data: Any) -> Any:
        """Name data and network after a trainer of one's own, so that tables and messages have a name."""
        trainer = data.get("trainer", IMAGES) if isinstance(data, Mapping) else IMAGES
        return data if trainer == IMAGES else {"dataset": trainer, "model": trainer, **data}

    @field_validator("trainer")
    @classmethod
    def _known_trainer(cls, name: str) -> str:
        if name != IMAGES and name not in TRAINERS:
            raise ValueError(unknown("trainer", name, (IMAGES, *TRAINERS)))
        return name

    @field_validator("settings")
    @classmethod
    def _known_settings(cls, given: Mapping[str, Scalar], info: ValidationInfo) -> TrainerSettings:
        return checked_settings(info.data.get("trainer", IMAGES), given)

    @field_validator("dataset", "model", mode="wrap")
    @classmethod
    def _trainers_own(cls, given: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        trainer = info.data.get("trainer", IMAGES)
        if trainer == IMAGES:
            return check(given)
        if given != trainer:
            raise ValueError(f"trainer {trainer!r} has its own data and network: leave {info.field_name} out")
        return given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.trainer != IMAGES:
            self._check_own()
        if self.arm == "dense" and (self.selection is not None or self.density is not None):
            raise ValueError("arm 'dense' trains every weight: leave selection and density out")
        if self.arm != "dense" and self.selection is None:
            raise ValueError(f"arm {self.arm!r} needs a selection, e.g. Selection(target='snip')")
        if (self.arm == "scale") != (self.scale is not None):
            raise ValueError("scale and arm 'scale' need each other: write both, e.g. arm='scale', scale=0.5")
        if self.selection is not None and self.selection.regrow is not None and self.arm != "prune":
            raise ValueError(
                f"regrow with arm {self.arm!r}: weights that are grown start at 0, as those outside the mask"
                " are with arm 'prune': write arm='prune', or leave regrow out"
            )
        if self.selection is not None and self.selection.at == "trained":
            self._check_rewinding(self.selection)
        return self

    def _check_rewinding(self, selection: Selection) -> None:
        """Raise ValueError if the weights that are trained with a mask do not fit the arm or the training."""
        if self.trainer != IMAGES:
            raise ValueError(
                f"selection at 'trained' with trainer {self.trainer!r}: it trains one network only, leave at"
                " out"
            )
        if selection.rewind != 0 and self.arm != "prune":
            raise ValueError(
                f"arm {self.arm!r} with rewind {selection.rewind!r}: a seed gives the other weights their"
                " initial values only, write arm='prune', or rewind=0"
            )
        epochs = self.training.epochs
        if selection.rewound_epochs >= epochs:
            raise ValueError(
                f"rewind {selection.rewind} of {epochs} epochs leaves none to train: write fewer, e.g."
                f" {min(1, epochs - 1)}"
            )

    def _check_own(self) -> None:
        """Raise ValueError if a field is set that a trainer of one's own does not read."""
        fields = type(self).model_fields
        idle = [name for name in ("validation_fraction",) if getattr(self, name) != fields[name].default]
        training = Training.model_fields
        idle += [
            f"training.{name}"
            for name, field in training.items()
            if name != "epochs" and getattr(self.training, name) != field.default
        ]
        selection = self.selection
        if selection is not None:
            idle += [
                f"selection.{name}"
                for name in IMAGE_FIELDS
                if getattr(selection, name) != Selection.model_fields[name].default
            ]
        if selection and selection.regrow is not None:
            raise ValueError(
                f"trainer {self.trainer!r} has its own training loop, in which no weights are dropped and"
                " grown: leave selection.regrow out"
            )
        if idle:
            raise ValueError(
                f"{', '.join(idle)} without effect with trainer {self.trainer!r}: use its settings"
            )

    @property
    def measure(self) -> Measure:
        """The number by which the trial is compared with others."""
        return measure_of(self.trainer)

    @property
    def subject(self) -> str:
        """What is trained on what, for titles: `lenet_300_100 on digits`, or the trainer's name."""
        return f"{self.model} on {self.dataset}" if self.trainer == IMAGES else self.trainer

    @property
    def method(self) -> str:
        """Arm and selection in one name: `dense`, `freeze snip`, `prune cops(snip; synflow)`."""
        return self.arm if self.selection is None else f"{self.arm} {self.selection.method}"

    @property
    def detailed_method(self) -> str:
        """The method with all its constants, levels and powers: `scale 0.5 cops(snip; synflow 0.3)`."""
        return self.arm if self.selection is None else f"{self.arm_label} {self.selection.detailed_method}"

    @property
    def caveat(self) -> str:
        """What is said beside the method wherever methods are compared; mostly empty."""
        return "" if self.selection is None or self.selection.before_training else AFTER_TRAINING

    @property
    def freezing_rate(self) -> Decimal | None:
        """1 - density; None if no density is set, as for the dense network."""
        return None if self.density is None else 1 - self.density

    @property
    def arm_label(self) -> str:
        """The arm with its constant, for tables and messages: `scale 0.5`."""
        return self.arm if self.scale is None else f"{self.arm} {self.scale:g}"

    def changed(self, **changes: Any) -> Self:
        """This configuration with some fields replaced, validated again."""
        return self.model_validate({**dict(self), **changes})


def parse_config(data: Any) -> TrialConfig:
    """The configuration in a JSON object.

    Args:
        data: The object as Python values.

    Returns:
        The configuration.

    Raises:
        InputError: A wrong field or value, in one line.
    """
    try:
        return TrialConfig.model_validate(data)
    except ValidationError as error:
        raise InputError(one_line(error)) from None
