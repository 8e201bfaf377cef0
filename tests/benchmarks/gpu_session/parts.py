"""The parts of a session, in their order: what is cut for lack of time is the last."""

from collections.abc import Callable
from dataclasses import dataclass

from gpu_session.arms import arms
from gpu_session.auto import auto
from gpu_session.cops import cops
from gpu_session.packed import packed
from gpu_session.quickstart import quickstart
from gpu_session.rows import Rows
from gpu_session.setting import Setting
from gpu_session.smoke import smoke
from gpu_session.steps import steps


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        run: Measures it.
        weight: Of the time that is left to this part and those after it, as the ratio of weights.
    """

    run: Callable[[Setting, Rows], None]
    weight: float


PARTS = {
    "smoke": Part(smoke, 60),
    "arms": Part(arms, 50),
    "steps": Part(steps, 130),
    "auto": Part(auto, 70),
    "quickstart": Part(quickstart, 35),
    "packed": Part(packed, 85),
    "cops": Part(cops, 50),
}
