"""The base of the immutable pydantic models, whose errors are one line."""

from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from cops_core.errors import refuse_unknown, unknown


class Description(BaseModel):
    """A complete, immutable, hashable description; errors for unknown names suggest the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, data: Any) -> Any:
        """Refuse unknown names, and suggest the nearest known one."""
        return refuse_unknown(cls, data)


def named(kind: str, registry: Any) -> AfterValidator:
    """A validator that accepts only names of a registry, and suggests the nearest.

    Args:
        kind: What the names stand for, for messages, e.g. "score".
        registry: The known names, e.g. the dict.

    Returns:
        A validator for pydantic.
    """

    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(unknown(kind, name, registry))
        return name

    return AfterValidator(check)
