"""How the kept weights are chosen."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    WrapValidator,
    field_validator,
    model_serializer,
    model_validator,
)

from cops_core.config.regrow import Regrow
from cops_core.description import Description, named
from cops_core.errors import listed, one_line, unknown
from cops_core.scores import (
    CONVENTIONS,
    SCORES,
    STEPS,
    TEMPERATURE,
    AnyScore,
    Member,
    Steps,
    find_score,
    has_steps,
    has_temperature,
    kind_of,
    member_of,
    published_rounds,
)
from cops_core.scores.base import MAX_ROUNDS
from cops_core.scores.batches import MOST

LevelKind = Literal["relative", "absolute"]
Scope = Literal["global", "layer", "erk", "balanced"]
FloorPer = Literal["layer", "unit"]
Schedule = Literal["exponential", "linear"]
Ablation = Literal["none", "shuffle", "random", "invert", "reinitialize"]
IfInfeasible = Literal["shrink", "end"]
Combine = Literal["cops", "weighted", "union"]
At = Literal["initial", "trained"]

# Fields without effect in a single round.
ROUND_FIELDS = ("schedule", "revive", "fresh_batches")
# Fields of a selection that are written only if they are set.
OPTIONAL_CHOICES = frozenset(
    ("combine", "floor", "batches", "temperature", "steps", "regrow", "at", "rewind")
)
# Fields whose meaning depends on levels.
LEVEL_FIELDS = ("level_kind", "if_infeasible")
LEARNING_RATE = "learning_rate"  # of `Selection.rewind`
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


ScoreName = Annotated[str, named("score", SCORES)]
# Instead of pydantic's validator, whose message for a wrong score has a complaint for each alternative.
ScoreOrMember = Annotated[AnyScore, WrapValidator(lambda given, _: _score(given))]
ConventionName = Annotated[str, named("convention", CONVENTIONS)]


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
        batches: Scores are those of the mean loss of so many scoring batches, each drawn by itself, so that
            an image may be in several. In [1, 1000]. Without effect on scores without data.
        temperature: GraSP, and members of the family with its functional, divide the logits by it. Positive.
            Refused if there is no such score.
        steps: The steps of SGD through which ProsPr looks ahead, each on the next of `batches`. Refused if it
            is not one of the scores.
        convention: How scores are computed: as in the papers (`paper`), or another key of `CONVENTIONS`.
        ablation: A comparison for claims about this selection ("Missing the Mark", arXiv 2009.08576): the
            mask shuffled within layers; with the same layer densities a random mask, or the weights with the
            lowest scores; or kept weights with other initial values.
        if_infeasible: If no mask meets all levels: "shrink" them by the largest feasible factor, or "end"
            the trial before any training (`cops_core.errors.InfeasibleError`).
        regrow: How the mask changes during the training, for arm "prune", or None. All other fields are of
            the mask with which the training starts.
        at: Which network is scored: with its "initial" weights, or "trained", the dense network after the
            trial's own training, as a yardstick. With rounds, the pruned network is trained between them
            (see `cops_core.prior_training`).
        rewind: Only with "trained": what is trained with each mask. The weights of this epoch of the dense
            training, 0 for the initial ones, from this epoch on; or "learning_rate": the trained weights
            stay, and only the schedule starts again.
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
    batches: Annotated[int, Field(ge=1, le=MOST)] = 1
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = TEMPERATURE
    steps: Steps = STEPS
    convention: ConventionName = "paper"
    ablation: Ablation = "none"
    if_infeasible: IfInfeasible = "shrink"
    regrow: Regrow | None = None
    at: At = "initial"
    rewind: int | Literal["learning_rate"] = 0

    @field_validator("regrow", mode="before")
    @classmethod
    def _whole_regrow(cls, given: Any) -> Any:
        if not (given is None or isinstance(given, Regrow | Mapping)):
            raise ValueError(f"{given!r} does not say how the mask changes: write e.g. Regrow(every=100)")
        return given

    @field_validator("steps", mode="before")
    @classmethod
    def _whole_steps(cls, given: Any) -> Any:
        if not isinstance(given, Steps | Mapping):
            raise ValueError(
                f"{given!r} does not say how ProsPr looks ahead: write e.g. Steps(count=3, learning_rate=0.1)"
            )
        return given

    @field_validator("rewind", mode="before")
    @classmethod
    def _epoch_or_rate(cls, given: Any) -> Any:
        is_epoch = isinstance(given, int) and not isinstance(given, bool) and given >= 0
        if not (is_epoch or given == LEARNING_RATE):
            raise ValueError(
                f"{given!r} is not an epoch: write e.g. 0 for the initial weights, or {LEARNING_RATE!r} for"
                " the trained ones"
            )
        return given

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
    def _has_temperature(self) -> Self:
        if self.temperature != TEMPERATURE and self.temperature_used is None:
            scores = listed(map(str, self.scores))
            raise ValueError(
                f"temperature {self.temperature:g} without effect on {scores}: leave it out, or write e.g."
                " target='grasp'"
            )
        return self

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        if self.steps != STEPS and self.steps_used is None:
            scores = listed(map(str, self.scores))
            raise ValueError(
                f"steps {self.steps} without effect on {scores}: leave it out, or write e.g. target='prospr'"
            )
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

    @model_validator(mode="after")
    def _after_training(self) -> Self:
        if self.at == "initial" and self.rewind != 0:
            raise ValueError(f"rewind {self.rewind!r} without effect before training: write at='trained'")
        if self.at == "trained" and self.revive:
            raise ValueError("revive with at 'trained': removed weights have no trained value, leave it out")
        if self.at == "trained" and self.regrow is not None:
            raise ValueError("regrow with at 'trained': these are two yardsticks, leave one of them out")
        if self.rewind != 0 and self.ablation == "reinitialize":
            raise ValueError(
                f"ablation 'reinitialize' with rewind {self.rewind!r}: it replaces the initial weights, write"
                " rewind=0"
            )
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
    def before_training(self) -> bool:
        """Whether the mask is fixed before the training. Tables mark the methods whose mask is not."""
        return self.regrow is None and self.at == "initial"

    @property
    def temperature_used(self) -> float | None:
        """The temperature, if one of the scores has one."""
        return self.temperature if any(map(has_temperature, self.scores)) else None

    @property
    def steps_used(self) -> Steps | None:
        """ProsPr's steps, if it is one of the scores."""
        return self.steps if any(map(has_steps, self.scores)) else None

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
        usual = self.regrow is None or self.regrow == Regrow()
        return scores + self.suffix + ("" if usual else f" {self.regrow}")

    @property
    def suffix(self) -> str:
        """The part of the name for settings that are not the usual ones: ` per layer, 50 linear rounds`."""
        parts = [
            SCOPE_NAMES[self.scope],
            "" if self.floor is None else f", floor {self.floor}",
            ", after training" if self.at == "trained" else "",
            self.rounds_suffix,
            " with revival" if self.revive else "",
            self._batches_suffix,
            "" if self.temperature == TEMPERATURE else f", temperature {self.temperature:g}",
            "" if self.steps == STEPS else f", steps {self.steps}",
            f" as in {self.convention}" if self.convention != "paper" else "",
            self.rewind_suffix,
            ABLATION_NAMES[self.ablation],
            "" if self.regrow is None else ", RigL",
        ]
        return "".join(parts)

    @property
    def rewind_suffix(self) -> str:
        """`, rewound to epoch 1`, `, learning-rate rewinding`; empty for the initial weights."""
        if self.rewind == LEARNING_RATE:
            return ", learning-rate rewinding"
        return f", rewound to epoch {self.rewind}" if self.rewind else ""

    @property
    def rewound_epochs(self) -> int:
        """How many epochs of the schedule are over when training with the mask begins."""
        return 0 if self.rewind == LEARNING_RATE else int(self.rewind)

    @property
    def _batches_suffix(self) -> str:
        """` on 4 batches`, ` on fresh batches`, ` on 4 fresh batches`; empty for a single one."""
        if self.batches == 1 and not self.fresh_batches:
            return ""
        return f" on{'' if self.batches == 1 else f' {self.batches}'}{' fresh' * self.fresh_batches} batches"

    @property
    def rounds_suffix(self) -> str:
        """`, one-shot` or `, 30 rounds`; empty for the rounds with which the target was published.

        After training this is one: each further round is a whole training.
        """
        published = 1 if self.at == "trained" else published_rounds(self.target)
        usual = self.rounds == published and self.schedule == "exponential"
        return "" if usual else f", {self.rounds_label}"

    @property
    def rounds_label(self) -> str:
        """The rounds in words: `one-shot`, `100 rounds`, `50 linear rounds`."""
        if self.rounds == 1:
            return "one-shot"
        schedule = "" if self.schedule == "exponential" else f" {self.schedule}"
        return f"{self.rounds}{schedule} rounds"
