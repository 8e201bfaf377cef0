"""The identity of a trial: a hash of everything that its results depend on."""

import hashlib
import json
from collections.abc import Mapping

from cops_core.config import TrialConfig
from cops_core.models.packages import package_extensions

# Increase it when the same configuration, seed and data give other numbers than before.
TRIALS_VERSION = 3


def trial_identity(config: TrialConfig, data_sha256: str, extensions: Mapping[str, str] | None = None) -> str:
    """The SHA-256 that identifies a trial on every machine.

    Over the configuration's fields that differ from their defaults (the seed is one of them), the data's
    hash, the numerics version and the extensions, with the version of the package that has the network
    (`timm/...`, `torchvision/...`). A new field whose default changes nothing therefore
    changes no identity.

    Args:
        config: The trial.
        data_sha256: `ImageData.sha256` of its data set.
        extensions: Names and SHA-256 of plugins.

    Returns:
        64 hexadecimal digits.
    """
    content = {
        "config": config.model_dump(mode="json", exclude_defaults=True),
        "data": data_sha256,
        "extensions": {**(extensions or {}), **package_extensions(config.model)},
        "numerics": TRIALS_VERSION,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
