"""The header of an artefact: enough to rebuild its network, and to detect a different one."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cops_core.config import Arm, Density, TrialConfig
from cops_core.data import Split
from cops_core.errors import InputError
from cops_core.mask_code import Coding
from cops_core.models.packages import package_extensions
from cops_core.streams import SEED_RANGE

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ArtifactError(InputError):
    """A file is not the expected artefact. The message is one line with the file and what is wrong."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class ArtifactHeader(_Frozen):
    """The origin of a network.

    Names and shapes of its layers are not included: they follow from `build_model(model, shape, classes)`.

    Attributes:
        model: See `cops_core.models.find_model`.
        shape: (channels, height, width) of an image.
        classes: The number of classes, at least 2.
        initialization: A key of `INITIALIZATIONS`; with the seed it determines theta0.
        seed: The trial's, in [0, 2**32).
        arm: The treatment of the weights outside the mask.
        density: The kept fraction, in (0, 1]; None for the dense arm.
        mean: By which each channel of raw images in [0, 255] is normalised.
        deviation: The same for the standard deviation.
        theta0_sha256: SHA-256 of the initial weights.
        mask_sha256: `Mask.sha256()`; None if everything is trained.
        data_sha256: SHA-256 of the data set on which it was trained.
        extensions: Names and SHA-256 of the plugins of its study, and of the package that has the model.
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
    """How the network's tensors are stored in the file.

    Attributes:
        dtype: The type of its weights, with torch's name.
        scale: The final factor of theta0 outside the mask, exact.
        masks: For each parameter, in `named_parameters` order, the coding of its mask; None without a mask.
        weights_sha256: Of the dense network (see `cops_core.artifact.fingerprint`).
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
    """The header of a trial's network.

    Args:
        config: The trial.
        split: Its data.
        theta0_sha256: SHA-256 of the initial weights.
        mask_sha256: `Mask.sha256()`; None if everything is trained.
        extensions: Names and SHA-256 of plugins.

    Returns:
        The header.
    """
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
        extensions={**extensions, **package_extensions(config.model)},
    )
