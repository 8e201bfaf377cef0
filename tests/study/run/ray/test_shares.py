"""Shares of a GPU: how many trials share one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cops_core.config import Training, TrialConfig
from study.run.ray.shares import Shares, part, spread


def config(model="lenet_300_100", **training):
    return TrialConfig(model=model, training=Training(**training))


@pytest.mark.parametrize(
    ("share", "trials", "gpus", "expected"),
    [
        (0.25, 100, 4, 0.25),  # more trials than fit: each GPU is full
        (0.25, 4, 4, 1.0),  # a whole GPU for each
        (0.25, 6, 4, 0.5),  # two to a GPU are enough for all at once
        (0.25, 9, 4, 0.3333),
        (1.0, 100, 4, 1.0),
        (0.3333, 100, 1, 0.3333),
        (0.25, 8, 0, 0.25),  # a cluster without nodes yet
    ],
)
def test_a_gpu_is_shared_only_where_trials_outnumber_them(share, trials, gpus, expected):
    assert spread(share, trials, gpus) == expected


@given(st.integers(1, 64))
def test_as_many_as_it_is_meant_for_share_a_gpu_and_not_one_more(trials):
    share = round(part(trials) * 10_000)  # Ray counts in ten-thousandths
    assert trials * share <= 10_000
    assert (trials + 1) * share > 10_000


@given(st.integers(1, 32), st.integers(1, 200), st.integers(1, 16))
def test_a_trial_never_gets_less_than_it_needs(fit, trials, gpus):
    share = spread(part(fit), trials, gpus)
    assert part(fit) <= share <= 1
    if share < 1:
        fewer = 1 / (math.floor(1 / share + 1e-9) - 1)
        assert gpus * round(1 / fewer) < trials  # with one trial less on each, not all would run at once


def test_a_raised_share_is_for_that_network_alone():
    shares = Shares(0.25)
    big, small = config(batch_size=500), config(batch_size=50)
    assert shares.raise_for(big, 0.25)
    assert (shares.of(big), shares.of(small)) == (0.5, 0.25)
    assert shares.raise_for(big, 0.25)  # another one that started with the old share
    assert shares.of(big) == 0.5


def test_shares_end_at_a_whole_gpu():
    shares, seen, share = Shares(0.0625), [], 0.0625
    while shares.raise_for(config(), share):
        share = shares.of(config())
        seen.append(share)
    assert seen == [0.125, 0.25, 0.5, 1.0]
    assert not shares.raise_for(config(), 2.0)
    assert not shares.raise_for(config(), 0.0)
