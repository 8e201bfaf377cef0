"""Times as users write them."""

import pytest

from cops_core.errors import InputError
from search_spaces import SEARCH_SPACES
from study.duration import parse_duration
from study.launch_settings import settings_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("45s", 45),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1h 30m", 5400),
        ("1h5s", 3605),
        (" 0.5s ", 0.5),
        ("72h", 259_200),
    ],
)
def test_a_time_has_units(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "0s", "0h0m", "2x", "30m1h", "-2h", "1h30", "h", "two hours", "1e3s"]
)
def test_what_is_not_a_time_is_refused_with_an_example(text):
    space = SEARCH_SPACES["quickstart"]
    with pytest.raises(InputError, match=r"time_limit: .* write e\.g\. 2h") as refused:
        settings_of(space, space.question, {"time_limit": text}, ())
    assert repr(text) in str(refused.value)
