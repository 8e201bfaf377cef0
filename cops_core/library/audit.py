"""`audit`: whether every weight outside the mask still is what it was."""

from torch import nn

from cops_core.errors import DriftError
from cops_core.masked.view import masked_weights


def audit(model: nn.Module) -> int:
    """Compare every weight outside the mask with what it was when the network was masked, bit for bit.

    Args:
        model: The masked network.

    Returns:
        The number of weights outside the mask; 0 for a network that is not masked.

    Raises:
        DriftError: A weight has changed.
    """
    compared = 0
    for name, masked in masked_weights(model).items():
        if masked.kept.has_drifted():
            raise DriftError(f"weights of {name} outside the mask have changed")
        compared += masked.kept.shape.numel() - len(masked.kept.places)
    return compared
