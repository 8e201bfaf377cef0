"""The question of `cops scores`: what is compared. It is checked before anything is computed."""

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cops_core.config import ConventionName, Density, ScoreName, TrialConfig, parse_config
from cops_core.errors import InputError, as_share, one_line, parse_decimal

DEFAULT_SCORES = ("magnitude", "snip", "grasp", "synflow", "random")
DEFAULT_DENSITIES = ("0.1", "0.01", "0.001")


class ScoreStudy(BaseModel):
    """The scores, the network and the densities of a comparison.

    Attributes:
        trial: The data set, the model, its initial weights and the seed, as in a trial.
        scores: Two or more different names of scores.
        densities: Different values in (0, 1].
        samples_per_class: Images per class in the scoring batch.
        convention: How the scores are computed, a key of `cops_core.scores.CONVENTIONS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: TrialConfig
    scores: tuple[ScoreName, ...]
    densities: tuple[Density, ...]
    samples_per_class: Annotated[int, Field(ge=1)] = 10
    convention: ConventionName = "paper"

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if len(self.scores) < 2:
            raise ValueError(f"{len(self.scores)} score cannot be compared: write --score twice or more")
        for option, values in (("--score", self.scores), ("--density", self.densities)):
            repeated = sorted({str(value) for value in values if values.count(value) > 1})
            if repeated:
                raise ValueError(f"{option} repeats {', '.join(repeated)}: write each once")
        return self

    @property
    def name(self) -> str:
        """The folder of its results: `lenet_300_100-digits-seed0`."""
        suffix = "" if self.convention == "paper" else f"-{self.convention}"
        network = self.trial.model.replace("/", "-")
        return f"{network}-{self.trial.dataset}-seed{self.trial.seed}{suffix}"

    @property
    def title(self) -> str:
        """The network, the data set and the seed, as text."""
        suffix = "" if self.convention == "paper" else f", scores as in {self.convention}"
        return f"{self.trial.model} on {self.trial.dataset}, seed {self.trial.seed}{suffix}"


def make_score_study(
    *,
    scores: list[str] | None,
    densities: list[str] | None,
    samples_per_class: int,
    convention: str = "paper",
    **trial: Any,
) -> ScoreStudy:
    """Make a checked score study.

    Args:
        scores: The names of the scores; None for the default ones.
        densities: The densities as text; None for the default ones.
        samples_per_class: Images per class in the scoring batch.
        convention: How the scores are computed, a key of `cops_core.scores.CONVENTIONS`.
        trial: Fields of `TrialConfig`.

    Raises:
        InputError: A value is wrong.
    """
    try:
        return ScoreStudy(
            trial=parse_config(trial),
            scores=tuple(scores or DEFAULT_SCORES),
            densities=tuple(map(_density, densities or DEFAULT_DENSITIES)),
            samples_per_class=samples_per_class,
            convention=convention,
        )
    except ValidationError as error:
        raise InputError(one_line(error)) from None


def _density(text: str) -> Decimal:
    density = parse_decimal("--density", text)
    if not density.is_finite() or not 0 < density <= 1:
        advice = as_share(density) or ": write the kept share of the weights, e.g. 0.01"
        raise InputError(f"--density {text} is not in (0, 1]{advice}")
    return density


def check_kept(density: Decimal, kappa: int, size: int) -> int:
    """Check that a mask keeps at least one weight.

    Args:
        density: The density of the mask.
        kappa: The number of weights that it keeps.
        size: The number of all weights.

    Returns:
        `kappa`.

    Raises:
        InputError: It keeps none.
    """
    if kappa == 0:
        raise InputError(f"density {density} keeps none of {size:,} weights: write {1 / size:.1g} or more")
    return kappa
