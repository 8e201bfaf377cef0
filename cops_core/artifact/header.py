"""What an artefact says about its network: enough to build it again, and to notice if it is another."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cops_core.artifact.mask_code import Coding
from cops_core.config import Arm, Density, TrialConfig
from cops_core.data import Split
from cops_core.errors import InputError
from cops_core.streams import SEED_RANGE

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ArtifactError(InputError):
    """A file that is not the artefact it should be. One line that names the file and what is wrong."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class ArtifactHeader(_Frozen):
    """Where a network comes from.

    Names and shapes of its layers are not in it: they follow from `build_model(model, shape, classes)`.

    shape: (channels, height, width) of an image. seed, initialization: give theta0. density: the kept
    fraction, None for the dense arm. mean, deviation: by which each channel of raw images in [0, 255]
    is normalised. mask_sha256: `Mask.sha256()`, None where everything is trained. data_sha256: of the
    data set it was trained on. extensions: names and SHA-256 of the plugins of its study.
    """

    model: str
    shape: tuple[int, int, int]
    classes: int
    initialization: str
    seed: Annotated[int, Field(ge=0, lt=SEED_RANGE)]
    arm: Arm
    density: Density | None
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    theta0_sha256: Sha256
    mask_sha256: Sha256 | None
    data_sha256: Sha256
    extensions: dict[str, Sha256] = {}


class Contents(_Frozen):
    """How the network's tensors lie in the file.

    dtype: of its weights, as torch calls it. scale: the final factor of theta0 outside the mask, exact.
    masks: for each parameter, in `named_parameters` order, how its mask is coded; None if it has none.
    weights_sha256: of the dense network (see `cops_core.artifact.fingerprint`).
    """

    dtype: Literal["float32", "float64"]
    scale: float
    masks: tuple[Coding | None, ...]
    weights_sha256: Sha256


def header_of(
    config: TrialConfig,
    split: Split,
    theta0_sha256: str,
    mask_sha256: str | None,
    extensions: Mapping[str, str],
) -> ArtifactHeader:
    """The header of a trial's network."""
    return ArtifactHeader(
        model=config.model,
        shape=split.data.shape,
        classes=split.data.classes,
        initialization=config.initialization,
        seed=config.seed,
        arm=config.arm,
        density=config.density,
        mean=tuple(split.mean.reshape(-1).tolist()),
        deviation=tuple(split.deviation.reshape(-1).tolist()),
        theta0_sha256=theta0_sha256,
        mask_sha256=mask_sha256,
        data_sha256=split.data.sha256,
        extensions=dict(extensions),
    )
