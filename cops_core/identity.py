"""Which trials are the same: a hash of everything that their results depend on."""

import hashlib
import json
from collections.abc import Mapping

from cops_core.config import TrialConfig

# Raised when the same configuration, seed and data would give other numbers than before.
TRIALS_VERSION = 2


def trial_identity(config: TrialConfig, data_sha256: str, extensions: Mapping[str, str] | None = None) -> str:
    """SHA-256 by which a trial is known wherever it runs.

    Over the configuration's fields that differ from their defaults (the seed is one of them), the
    data's hash, the numerics version, and names and hashes of code from elsewhere (`extensions`).
    A new field whose default changes nothing leaves all identities as they were.
    """
    content = {
        "config": config.model_dump(mode="json", exclude_defaults=True),
        "data": data_sha256,
        "extensions": dict(extensions or {}),
        "numerics": TRIALS_VERSION,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
