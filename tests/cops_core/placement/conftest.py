"""Networks in which another order of memory could do harm are registered, and there are images for them."""

from decimal import Decimal

import pytest

from cops_core.data import Split, split
from cops_core.models import MODELS

from .trained import built_in_channels_last, convolutional


@pytest.fixture(autouse=True)
def plugin(monkeypatch) -> None:
    monkeypatch.setitem(MODELS, "convolutional", convolutional)
    monkeypatch.setitem(MODELS, "built_in_channels_last", built_in_channels_last)


@pytest.fixture(scope="module")
def parts(make_data) -> Split:
    return split(make_data(shape=(3, 8, 8)), 0, Decimal("0.1"))  # 54 training images, 6 for validation
