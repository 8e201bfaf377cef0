"""Models that never change, and that say in one line what is wrong with what they are made of."""

from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from cops_core.errors import refuse_unknown, unknown


class Description(BaseModel):
    """A complete, immutable, hashable description; unknown fields and words are told the nearest."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, data: Any) -> Any:
        """Names that are not known are told the nearest."""
        return refuse_unknown(cls, data)


def named(kind: str, registry: Any) -> AfterValidator:
    """A validator that accepts the names of `registry` alone, and suggests the nearest."""

    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(unknown(kind, name, registry))
        return name

    return AfterValidator(check)
