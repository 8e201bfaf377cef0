"""What is minimised, and how."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from cops_core.description import Description

# Fields that have a meaning for one optimizer only.
OPTIMIZER_FIELDS: Mapping[str, tuple[str, ...]] = {
    "sgd": ("momentum", "nesterov"),
    "adamw": ("betas", "eps"),
}
# Fields of a training that are written only if they are set.
OPTIONAL_FIELDS = frozenset(
    ("optimizer", "nesterov", "betas", "eps", "warmup_epochs", "label_smoothing", "max_gradient_norm")
)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Training(Description):
    """What is minimised, and how: SGD or AdamW on the mean cross-entropy of a batch.

    The defaults of `learning_rate` and `weight_decay` are those of SGD: with AdamW write both, e.g. 1e-3 and
    1e-2. Fields without a meaning for the optimizer are refused, unless they have their defaults.

    Attributes:
        epochs: Number of epochs, at least 1.
        batch_size: Images per step, at least 1.
        optimizer: "sgd", with momentum, or "adamw" (arXiv 1711.05101).
        learning_rate: The highest learning rate, positive: the initial one, or the one after the warm-up.
        momentum: Of SGD, in [0, 1).
        nesterov: Whether SGD's momentum is Nesterov's, as in `torch.optim.SGD`; it needs a momentum.
        betas: Of AdamW: the decay rates of the averages of gradients and of their squares, each in [0, 1).
        eps: Of AdamW: what is added to the root of the average square, positive.
        weight_decay: At least 0. SGD adds it times the weight to the gradient (L2), AdamW multiplies the
            weight by 1 - learning rate * weight_decay in each step. It never changes a frozen weight; what it
            does to the scale of arm "freeze_wd" is in docs/freezing.md.
        schedule: Of the learning rate. "step" multiplies it by `step_factor` every `step_every` iterations.
        step_every: In iterations, at least 1.
        step_factor: In (0, 1].
        warmup_epochs: In [0, epochs), also a fraction, rounded to steps. In each of these W steps the
            learning rate is higher by `learning_rate` / (W + 1). The schedule starts afterwards, and is that
            of a training of the remaining steps.
        label_smoothing: In [0, 1): the share of the label's probability that is divided among all classes in
            the loss that is minimised, which `train_loss` reports. Scores and the losses of validation and
            test are cross-entropies of the labels themselves.
        max_gradient_norm: A positive number: a longer gradient, of all that is trained together, is scaled
            to this norm before each step. None: no gradient is.
        precision: Of the weights; "bfloat16" runs the operations under autocast, with float32 weights.
        augmentation: Of the training images only, never of images for scoring or evaluation (see
            `cops_core.augmentation`).
        probes: Whether each layer's gradient norm is reported after each epoch.
    """

    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=1)] = 100
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 0.05
    momentum: Fraction = 0.9
    nesterov: bool = False
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NonNegative = 5e-4
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    step_every: Annotated[int, Field(ge=1)] = 25_000
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup_epochs: NonNegative = 0.0
    label_smoothing: Fraction = 0.0
    max_gradient_norm: Positive | None = None
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    augmentation: Literal["none", "crop_flip"] = "none"
    probes: bool = False

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        others = [n for name, own in OPTIMIZER_FIELDS.items() if name != self.optimizer for n in own]
        idle = [name for name in others if getattr(self, name) != type(self).model_fields[name].default]
        if idle:
            other = next(name for name in OPTIMIZER_FIELDS if name != self.optimizer)
            raise ValueError(
                f"{', '.join(idle)} without effect with optimizer {self.optimizer!r}: leave out, or write"
                f" optimizer={other!r}"
            )
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum: write e.g. momentum=0.9, or leave nesterov out")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs {self.warmup_epochs:g} of {self.epochs} epochs leave no step at the learning"
                " rate: write fewer, e.g. a tenth of the epochs"
            )
        return self

    @model_serializer(mode="wrap")
    def _written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """All fields, without those that have no meaning here: records say what a trial was trained with.

        These are the other optimizer's fields, and optional ones that are not set. A training without them
        is written as it was before there were such fields.
        """
        fields = type(self).model_fields
        idle = {n for name, own in OPTIMIZER_FIELDS.items() if name != self.optimizer for n in own}
        unset = {n for n in idle | OPTIONAL_FIELDS if getattr(self, n) == fields[n].default}
        return {name: value for name, value in serialize(self).items() if name not in unset}
