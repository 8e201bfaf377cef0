"""The complete, frozen description of one trial: equal configurations give equal results."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_serializer,
    model_validator,
)

from cops_core.data import DATASETS
from cops_core.description import Description, named
from cops_core.errors import InputError, one_line, unknown
from cops_core.initialization import INITIALIZATIONS
from cops_core.models import find_model
from cops_core.scores import (
    CONVENTIONS,
    SCORES,
    AnyScore,
    Member,
    find_score,
    kind_of,
    member_of,
    published_rounds,
)
from cops_core.scores.base import MAX_ROUNDS
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
LevelKind = Literal["relative", "absolute"]
Scope = Literal["global", "layer", "erk", "balanced"]
FloorPer = Literal["layer", "unit"]
Schedule = Literal["exponential", "linear"]
Ablation = Literal["none", "shuffle", "random", "invert", "reinitialize"]
IfInfeasible = Literal["shrink", "end"]
Combine = Literal["cops", "weighted", "union"]


# Fields without effect in a single round.
ROUND_FIELDS = ("schedule", "revive", "fresh_batches")
# Fields that have a meaning for one optimizer only.
OPTIMIZER_FIELDS: Mapping[str, tuple[str, ...]] = {
    "sgd": ("momentum", "nesterov"),
    "adamw": ("betas", "eps"),
}
# Fields of a training that are written only if they are set.
OPTIONAL_FIELDS = frozenset(
    ("optimizer", "nesterov", "betas", "eps", "warmup_epochs", "label_smoothing", "max_gradient_norm")
)
# Fields of a selection that are written only if they are set.
OPTIONAL_CHOICES = frozenset(("combine", "floor"))
# Fields whose meaning depends on levels.
LEVEL_FIELDS = ("level_kind", "if_infeasible")
SCOPE_NAMES: Mapping[Scope, str] = {
    "global": "",
    "layer": " per layer",
    "erk": ", ERK",
    "balanced": ", balanced",
}
ABLATION_NAMES: Mapping[Ablation, str] = {
    "none": "",
    "shuffle": ", shuffled",
    "random": ", at random places",
    "invert": ", inverted",
    "reinitialize": ", re-initialised",
}


def _score(given: Any) -> AnyScore:
    """The name of a score, or a member of the family, also from JSON."""
    if isinstance(given, Member):
        return given
    if isinstance(given, Mapping):
        try:
            return Member.model_validate(given)
        except ValidationError as error:
            raise ValueError(one_line(error)) from None
    if not isinstance(given, str):
        raise ValueError("Input should be a valid string, or a member of the family: write e.g. 'snip'")
    if given not in SCORES:
        raise ValueError(unknown("score", given, SCORES))
    return given


def _model(name: str) -> str:
    """The name of a network, checked to exist."""
    find_model(name)
    return name


ScoreName = Annotated[str, named("score", SCORES)]
# Instead of pydantic's validator, whose message for a wrong score has a complaint for each alternative.
ScoreOrMember = Annotated[AnyScore, WrapValidator(lambda given, _: _score(given))]
ConventionName = Annotated[str, named("convention", CONVENTIONS)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
# Normalised, so that 0.10 and 0.1 are one density with one hash.
Density = Annotated[Decimal, Field(gt=0, le=1), AfterValidator(Decimal.normalize)]


class Control(Description):
    """A control score and its level.

    Attributes:
        score: A name in `SCORES`, or a member of the family.
        level: In [0, 1]; the mask must keep at least this much of the score (see `Selection.level_kind`).
            Of a selection that does not combine by COPS: the score's share (see `Selection.combine`).
    """

    score: ScoreOrMember
    level: Annotated[float, Field(ge=0, le=1)]


class Floor(Description):
    """At least so many kept weights in each layer, or for each output unit of it, against layer collapse.

    Attributes:
        count: At least 1. A layer or unit with fewer weights keeps all of them.
        per: "layer", or "unit": a neuron, a channel (see `cops_core.floors.output_units`).
    """

    count: Annotated[int, Field(ge=1)]
    per: FloorPer = "layer"

    def __str__(self) -> str:
        """`100 per layer`."""
        return f"{self.count} per {self.per}"


class Selection(Description):
    """How the kept weights are chosen: maximise the target while each control stays above its level.

    With two controls or more, rounding may miss a level by a stated bound (see `solve_cops`).

    Without controls this is the top-kappa mask of the target score. No score may be used twice; a member of
    the family that is also a named score counts as that score.

    Attributes:
        target: A name in `SCORES`, or a member of the family (`cops_core.scores.Member`).
        controls: The control scores with their levels, in order.
        level_kind: "relative": a level of 0 is what the target's own mask keeps of the control, 1 the most
            that can be kept. "absolute": the level is the fraction of the most that can be kept, for
            controls without negative values.
        combine: "cops", by levels. To be compared with it: "weighted", the highest sum of the scores, each
            divided by its absolute sum, weighted by the controls' levels and, of the target, the rest of 1;
            "union", the controls' highest weights, each for its level of the budget, and the target's for
            the rest (see `cops_core.combine`).
        scope: "global": the kept weights are chosen from all layers together. Otherwise each layer keeps a
            number that its scores do not change (`cops_core.densities`). "layer": the same fraction. "erk":
            in proportion to its Erdos-Renyi-kernel density, as RigL does. "balanced": as many as any other
            layer. Layers that are full leave the rest to the others.
        floor: So many kept weights in each layer or for each output unit at least, or None.
        rounds: 1 is one-shot. With more, each round computes the scores again and removes a part of the
            weights, by the schedule (see `cops_core.iterate`). In [1, 10000].
        schedule: How many weights each round leaves.
        revive: Whether removed weights may come back in a later round.
        fresh_batches: Whether each round draws its own scoring batch; else all rounds use the same one.
        samples_per_class: The scoring batch has this many images times the number of classes, at least 1.
        convention: How scores are computed: as in the papers (`paper`), or another key of `CONVENTIONS`.
        ablation: A comparison for claims about this selection ("Missing the Mark", arXiv 2009.08576): the
            mask shuffled within layers; with the same layer densities a random mask, or the weights with the
            lowest scores; or kept weights with other initial values.
        if_infeasible: If no mask meets all levels: "shrink" them by the largest feasible factor, or "end"
            the trial before any training (`cops_core.errors.InfeasibleError`).
    """

    target: ScoreOrMember
    controls: tuple[Control, ...] = ()
    level_kind: LevelKind = "relative"
    combine: Combine = "cops"
    scope: Scope = "global"
    floor: Floor | None = None
    rounds: Annotated[int, Field(ge=1, le=MAX_ROUNDS)] = 1
    schedule: Schedule = "exponential"
    revive: bool = False
    fresh_batches: bool = False
    samples_per_class: Annotated[int, Field(ge=1)] = 10
    convention: ConventionName = "paper"
    ablation: Ablation = "none"
    if_infeasible: IfInfeasible = "shrink"

    @field_validator("floor", mode="before")
    @classmethod
    def _whole_floor(cls, given: Any) -> Any:
        if not (given is None or isinstance(given, Floor | Mapping)):
            raise ValueError(f"{given!r} does not say of what: write e.g. Floor(count=1, per='unit')")
        return given

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [str(score) for score in self.scores]
        if len({member_of(score) or score for score in self.scores}) < len(names):
            raise ValueError(f"scores {names} repeat one: write a target and controls that all differ")
        signed = [str(c.score) for c in self.controls if find_score(c.score).traits.signed]
        if self.level_kind == "absolute" and signed:
            raise ValueError(f"level_kind 'absolute' with {signed}, which can be negative: write 'relative'")
        if self.rounds == 1:
            fields = type(self).model_fields
            idle = [name for name in ROUND_FIELDS if getattr(self, name) != fields[name].default]
            if idle:
                raise ValueError(f"{', '.join(idle)} without effect in one round: write rounds=2 or more")
        return self

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.combine == "cops":
            return self
        if not self.controls:
            raise ValueError(
                f"combine {self.combine!r} needs a second score: write e.g. controls=(Control(score='snip',"
                " level=0.5),)"
            )
        if sum(control.level for control in self.controls) >= 1:
            raise ValueError(
                f"combine {self.combine!r} with levels {[control.level for control in self.controls]}: they"
                " are the controls' shares, and the target has the rest: write less than 1 together"
            )
        idle = [n for n in LEVEL_FIELDS if getattr(self, n) != type(self).model_fields[n].default]
        if idle:
            raise ValueError(f"{', '.join(idle)} without effect with combine {self.combine!r}: leave out")
        return self

    @model_serializer(mode="wrap")
    def _written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """All fields, without optional ones that are not set: as it was written before there were these."""
        fields = type(self).model_fields
        unset = {name for name in OPTIONAL_CHOICES if getattr(self, name) == fields[name].default}
        return {name: value for name, value in serialize(self).items() if name not in unset}

    @property
    def scores(self) -> tuple[AnyScore, ...]:
        """The target and the controls, in order."""
        return (self.target, *(control.score for control in self.controls))

    @property
    def method(self) -> str:
        """The name by which trials are compared: `snip`, `cops(snip; synflow)`, `cops(gss(loss); snip)`.

        For members of the family it has the functional, not the powers: these are settings, like levels.
        """
        target, *controls = map(kind_of, self.scores)
        scores = f"{self.combine}({target}; {', '.join(controls)})" if controls else target
        return scores + self.suffix

    @property
    def detailed_method(self) -> str:
        """The method with the controls' levels and the members' powers: `cops(snip; synflow 0.3)`."""
        levels = ", ".join(f"{control.score} {control.level:.3g}" for control in self.controls)
        scores = f"{self.combine}({self.target}; {levels})" if levels else str(self.target)
        return scores + self.suffix

    @property
    def suffix(self) -> str:
        """The part of the name for settings that are not the usual ones: ` per layer, 50 linear rounds`."""
        parts = [
            SCOPE_NAMES[self.scope],
            "" if self.floor is None else f", floor {self.floor}",
            self.rounds_suffix,
            " with revival" if self.revive else "",
            " on fresh batches" if self.fresh_batches else "",
            f" as in {self.convention}" if self.convention != "paper" else "",
            ABLATION_NAMES[self.ablation],
        ]
        return "".join(parts)

    @property
    def rounds_suffix(self) -> str:
        """`, one-shot` or `, 30 rounds`; empty for the rounds with which the target was published."""
        usual = self.rounds == published_rounds(self.target) and self.schedule == "exponential"
        return "" if usual else f", {self.rounds_label}"

    @property
    def rounds_label(self) -> str:
        """The rounds in words: `one-shot`, `100 rounds`, `50 linear rounds`."""
        if self.rounds == 1:
            return "one-shot"
        schedule = "" if self.schedule == "exponential" else f" {self.schedule}"
        return f"{self.rounds}{schedule} rounds"


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
        return self

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
        if selection and selection.samples_per_class != Selection.model_fields["samples_per_class"].default:
            idle.append("selection.samples_per_class")
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
