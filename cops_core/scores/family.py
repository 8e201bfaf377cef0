"""The family of generalized synaptic scores: any member may be a target or a control.

This module describes members; `cops_core.scores.gss` computes them. Five of the named scores are members,
too (`NAMED`): where they are written as names they remain names.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cops_core.description import Description, named
from cops_core.scores.functional import ScalarFunction
from cops_core.scores.grasp import TEMPERATURE, GradientFlow
from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.synflow import SynapticFlow

Form = Literal["powers", "signed"]
MAX_POWER = 2.0

FUNCTIONALS: Mapping[str, ScalarFunction] = {
    "loss": MeanCrossEntropy(),
    "gradient_flow": GradientFlow(MeanCrossEntropy(TEMPERATURE)),
    "synflow": SynapticFlow(),
}
WEIGHTS = "weights"  # in the name of a member without a functional, which depends on the weights only

Power = Annotated[float, Field(ge=0, le=MAX_POWER, allow_inf_nan=False)]


class Member(Description):
    """omega = |dF/dtheta|^p |theta|^r, or with the form `signed` dF/dtheta theta (arXiv 2107.12673).

    Equal members are equal scores. Different members may still rank the weights in the same order: without
    controls the mask depends only on the ratio p : r. With controls each power matters.

    Attributes:
        functional: F, a key of `FUNCTIONALS`. Required for p > 0, and removed for p = 0, so that each score
            that depends on the weights only is one member.
        p: Power of the gradient, in [0, 2]; p and r are not both 0.
        r: Power of the weight, in [0, 2].
        form: "signed" requires p = r = 1. For a functional of |theta| it is never negative, and replaced by
            "powers".
    """

    functional: Annotated[str, named("functional", FUNCTIONALS)] | None = None
    p: Power = 1.0
    r: Power = 1.0
    form: Form = "powers"

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.p == 0 and self.r == 0:
            raise ValueError("p = r = 0 gives all weights the same score: write a positive p or r")
        if self.form == "signed" and not self.p == self.r == 1:
            raise ValueError(f"form 'signed' with p = {self.p:g}, r = {self.r:g}: write p = r = 1")
        if self.p > 0 and self.functional is None:
            known = ", ".join(FUNCTIONALS)
            raise ValueError(f"p = {self.p:g} needs a functional: write one of {known}, or p=0")
        # One form for each score; in JSON, -0.0 would be another one.
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
        """The common name of members that differ only in their powers, for comparisons: `gss(loss)`."""
        return f"gss({self.functional or WEIGHTS}{', signed' if self.form == 'signed' else ''})"

    @property
    def key(self) -> str:
        """A unique name: `gss(loss, 1.25, 0.5)`, with all digits of the powers."""
        return self._name(repr(self.p), repr(self.r))

    def __str__(self) -> str:
        """The name for tables and messages, the powers with three digits."""
        return self._name(f"{self.p:.3g}", f"{self.r:.3g}")

    def _name(self, p: str, r: str) -> str:
        if self.form == "signed":
            return self.kind
        return f"gss({self.functional or WEIGHTS}, {p}, {r})"

    def score(self, replaced: Mapping[str, ScalarFunction] | None = None) -> GeneralizedSynapticScore:
        """The object that computes this member.

        Args:
            replaced: Functionals that a convention computes differently, by their key in `FUNCTIONALS`.

        Returns:
            The score.
        """
        functional = None if self.functional is None else {**FUNCTIONALS, **(replaced or {})}[self.functional]
        return GeneralizedSynapticScore(functional, self.p, self.r, signed=self.form == "signed")


# A score in a configuration: a name in `SCORES`, or a member of the family.
AnyScore = str | Member

# Every kind of member, with its functional, for figures and tables.
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
    """A score as a member of the family; None for a score outside the family."""
    return score if isinstance(score, Member) else NAMED.get(score)


def kind_of(score: AnyScore) -> str:
    """The name by which a score is compared: its own, or the name of its kind of members."""
    return score.kind if isinstance(score, Member) else score


def key_of(score: AnyScore) -> str:
    """The unique name of a score."""
    return score.key if isinstance(score, Member) else score
