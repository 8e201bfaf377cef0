"""Steps of training through which a score looks ahead."""

from typing import Annotated

from pydantic import Field

from cops_core.description import Description

MOST_STEPS = 100


class Steps(Description):
    """Steps of plain SGD after which ProsPr measures the loss.

    Attributes:
        count: In [0, 100]; with 0 ProsPr is SNIP of the first batch.
        learning_rate: Positive and finite.
    """

    count: Annotated[int, Field(ge=0, le=MOST_STEPS)] = 3
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1

    def __str__(self) -> str:
        """`3 at 0.1`."""
        return f"{self.count} at {self.learning_rate:g}"


STEPS = Steps()
