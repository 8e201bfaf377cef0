"""Objects that Tune holds but must neither pickle nor copy."""

from typing import Any, Self


class DriverOnly:
    """Lives in the driver. Tune pickles what it is given, for a restore that is not used here."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
