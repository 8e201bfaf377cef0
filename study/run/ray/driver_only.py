"""Objects of the driver that Tune must neither pickle nor copy."""

from typing import Any, Self


class DriverOnly:
    """A base class without pickled state. Tune pickles its callbacks for a restore that is not used here."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
