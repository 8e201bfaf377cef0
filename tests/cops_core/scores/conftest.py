"""The tiny networks of the score contract, and their batch."""

from collections.abc import Callable

import pytest
from torch import Tensor, nn

from cops_core.contracts import networks

Build = Callable[..., nn.Module]


@pytest.fixture
def build() -> Build:
    """`build(name, dtype)`: a fresh network, the same at every call, biases not zero."""
    return networks.build


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Images of shape (8, 2, 6, 6), float64, and their labels."""
    return networks.batch()


@pytest.fixture(params=networks.NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    """The name of each network in turn."""
    return str(request.param)
