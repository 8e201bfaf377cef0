import numpy as np
import pytest

from cops_core.streams import SEED_RANGE, derive_seed, stream


def test_a_stream_never_changes():
    draws = stream(7, "batch order", 3)
    assert draws.randint(0, 1000, size=6).tolist() == [87, 436, 680, 840, 194, 548]
    assert draws.permutation(8).tolist() == [4, 0, 2, 5, 6, 7, 3, 1]
    assert draws.standard_normal(3) == pytest.approx(
        [0.8323531427781528, 0.6987207683406502, 0.600318004339739], abs=1e-12
    )
    assert derive_seed(7, "scores") == 3963239343


def test_streams_of_different_purposes_are_independent():
    purposes = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0,), (0, "a0"), (0, "a", "")]
    draws = np.array([stream(*purpose).standard_normal(4_000) for purpose in purposes])
    correlations = np.corrcoef(draws) - np.eye(len(purposes))
    assert np.abs(correlations).max() < 5 / np.sqrt(4_000)


def test_using_one_stream_does_not_move_another():
    expected = stream(0, "a").random_sample(3)
    other = stream(0, "b")
    ours = stream(0, "a")
    other.random_sample(10)
    np.random.seed(4)
    assert (ours.random_sample(3) == expected).all()


@pytest.mark.parametrize("seed", [-1, SEED_RANGE])
def test_a_seed_has_32_bits(seed):
    with pytest.raises(ValueError, match=r"write one in \[0, 4294967296\)"):
        stream(seed, "a")


def test_derived_seeds_are_seeds():
    seeds = {derive_seed(seed, "scores") for seed in range(200)}
    assert len(seeds) == 200
    assert min(seeds) >= 0
    assert max(seeds) < SEED_RANGE
