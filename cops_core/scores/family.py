"""The family of generalized synaptic scores: any member of it may be a target or a control.

A member is described here by what it is made of, and computed by `cops_core.scores.gss`. Five of the
named scores are members, too (`NAMED`): they stay names wherever they are written as names.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cops_core.description import Description, named
from cops_core.scores.grasp import TEMPERATURE, GradientFlow
from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.problem import Functional
from cops_core.scores.synflow import SynapticFlow

Form = Literal["powers", "signed"]
MAX_POWER = 2.0

FUNCTIONALS: Mapping[str, Functional] = {
    "loss": MeanCrossEntropy(),
    "gradient_flow": GradientFlow(MeanCrossEntropy(TEMPERATURE)),
    "synflow": SynapticFlow(),
}
WEIGHTS = "weights"  # what a member without a functional is called by: it scores the weights alone

Power = Annotated[float, Field(ge=0, le=MAX_POWER, allow_inf_nan=False)]


class Member(Description):
    """omega = |dF/dtheta|^p |theta|^r, or with the form `signed` dF/dtheta theta (arXiv 2107.12673).

    functional: F, a key of `FUNCTIONALS`; needed where p > 0, and dropped where p = 0, so that each
    score of the weights alone is one member. p, r: in [0, 2], not both 0. form: `signed` has
    p = r = 1; of a functional of |theta| it is never negative, so that it is the same as `powers`.

    Equal members are equal scores. Two that differ may still rank the weights alike: without controls
    the mask depends on the ratio p : r alone. With controls the powers matter one by one.
    """

    functional: Annotated[str, named("functional", FUNCTIONALS)] | None = None
    p: Power = 1.0
    r: Power = 1.0
    form: Form = "powers"

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.p == 0 and self.r == 0:
            raise ValueError("p = r = 0 scores all weights alike: make p or r positive")
        if self.form == "signed" and not self.p == self.r == 1:
            raise ValueError(f"form 'signed' has p = r = 1, not p = {self.p:g}, r = {self.r:g}")
        if self.p > 0 and self.functional is None:
            known = ", ".join(FUNCTIONALS)
            raise ValueError(f"p = {self.p:g} needs a functional: write one of {known}, or p=0")
        # One spelling of each score; -0.0 is another one in JSON.
        settled = {
            "functional": self.functional if self.p > 0 else None,
            "p": self.p + 0.0,
            "r": self.r + 0.0,
        }
        if self.functional is not None and FUNCTIONALS[self.functional].of_magnitudes:
            settled["form"] = "powers"
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        return self

    @property
    def kind(self) -> str:
        """What members with other powers share, by which they are compared: `gss(loss)`."""
        return f"gss({self.functional or WEIGHTS}{', signed' if self.form == 'signed' else ''})"

    @property
    def key(self) -> str:
        """A name that no other member has: `gss(loss, 1.25, 0.5)`, with all digits of the powers."""
        return self._name(repr(self.p), repr(self.r))

    def __str__(self) -> str:
        """What a person reads: the powers with three digits."""
        return self._name(f"{self.p:.3g}", f"{self.r:.3g}")

    def _name(self, p: str, r: str) -> str:
        if self.form == "signed":
            return self.kind
        return f"gss({self.functional or WEIGHTS}, {p}, {r})"

    def score(self, replaced: Mapping[str, Functional] | None = None) -> GeneralizedSynapticScore:
        """What computes it. replaced: functionals that a convention computes otherwise."""
        functional = None if self.functional is None else {**FUNCTIONALS, **(replaced or {})}[self.functional]
        return GeneralizedSynapticScore(functional, self.p, self.r, signed=self.form == "signed")


# A score as it is written: the name of one in `SCORES`, or a member of the family.
AnyScore = str | Member

# Every kind of member, with its functional: what figures and tables may have to tell apart.
KINDS: Mapping[str, str] = {
    Member(p=0).kind: WEIGHTS,
    **{
        Member(functional=name, form=form).kind: name for name in FUNCTIONALS for form in ("powers", "signed")
    },
}

NAMED: Mapping[str, Member] = {
    "magnitude": Member(p=0),
    "gradient": Member(functional="loss", r=0),
    "snip": Member(functional="loss"),
    "grasp": Member(functional="gradient_flow", form="signed"),
    "synflow": Member(functional="synflow"),
}


def member_of(score: AnyScore) -> Member | None:
    """The member of the family that a score is; None for a score outside it."""
    return score if isinstance(score, Member) else NAMED.get(score)


def kind_of(score: AnyScore) -> str:
    """The name under which a score is compared: its own, or that of all members of its kind."""
    return score.kind if isinstance(score, Member) else score


def key_of(score: AnyScore) -> str:
    """A name that no other score has."""
    return score.key if isinstance(score, Member) else score
