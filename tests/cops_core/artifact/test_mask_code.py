"""Masks of any kind come back as they were, in nearly as few bytes as their entropy allows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cops_core.errors import InputError
from cops_core.mask_code import Coding, decode, encode, entropy_bytes


def bytes_of(bits: str) -> bytes:
    """`0101 1` as whole bytes, the last filled with zeros."""
    bits = bits.replace(" ", "")
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def read_by_hand(coding: Coding, data: bytes, size: int) -> list[int]:
    """What docs/artifact.md says, bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in data)
    if coding.kind == "gaps":
        start = -(-coding.kept * coding.low_bits // 8) * 8
        place, places = -1, []
        for number in range(coding.kept):
            high = 0
            while bits[start] == "0":
                high, start = high + 1, start + 1
            start += 1
            low = bits[number * coding.low_bits : (number + 1) * coding.low_bits]
            place += 1 + (high << coding.low_bits) + int(low or "0", 2)
            places.append(place)
        return places
    if coding.kind == "bitmap":
        return [place for place in range(size) if bits[place] == "1"]
    return list(range(size)) if coding.kind == "all" else []


@st.composite
def masks(draw) -> tuple[np.ndarray, int]:
    """Random masks of any density, some in clusters, and those that are nearly empty or full."""
    size = draw(st.integers(1, 3000))
    draws = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999, 1.0]))
    run = draw(st.sampled_from([1, 1, 7, 100]))
    keep = np.repeat(draws.random(-(-size // run)) < density, run)[:size]
    return np.flatnonzero(keep), size


@given(masks(), st.binary(max_size=20))
def test_what_is_decoded_is_what_was_encoded(mask, behind):
    places, size = mask
    coding, data = encode(places, size)
    found, used = decode(coding, np.frombuffer(data + behind, dtype=np.uint8), size)
    assert used == len(data)
    assert found.tolist() == places.tolist() == read_by_hand(coding, data, size)
    assert len(data) <= math.ceil(size / 8)


def test_gaps_by_hand():
    # 3, 100 and 101 of 1000: gaps 3, 96, 0; with five low bits 00011 00000 00000, and 0, 3, 0 in unary.
    coding, data = encode(np.array([3, 100, 101]), 1000)
    bits = {low: sum(low + 1 + (gap >> low) for gap in (3, 96, 0)) for low in range(10)}
    assert coding.kind == "gaps"
    assert read_by_hand(coding, data, 1000) == [3, 100, 101]
    five = bytes_of("00011 00000 00000") + bytes_of("1 0001 1")
    assert bits[5] == 21
    assert decode(Coding("gaps", 5, 3), np.frombuffer(five, np.uint8), 1000)[0].tolist() == [3, 100, 101]
    assert len(data) == 3


@pytest.mark.parametrize(
    ("places", "size", "coding", "data"),
    [
        ([], 5, ("none", 0, 0), b""),
        ([0, 1, 2], 3, ("all", 0, 3), b""),
        ([0, 2, 3, 5, 9], 10, ("bitmap", 0, 5), bytes_of("1011 0100 01")),
        ([0], 1, ("all", 0, 1), b""),
    ],
)
def test_layers_that_need_no_gaps(places, size, coding, data):
    assert encode(np.array(places, dtype=np.int64), size) == (coding, data)
    found, used = decode(Coding(*coding), np.frombuffer(data, np.uint8), size)
    assert (found.tolist(), used) == (places, len(data))


@pytest.mark.parametrize(
    ("coding", "data", "size"),
    [
        (("gaps", 3, 4), b"", 100),
        (("gaps", 3, 4), b"\x00\x00\x00\x00", 100),
        (("gaps", 0, 2), b"\x00\x00\x00\x03", 30),
        (("bitmap", 0, 3), b"\xff", 8),
        (("bitmap", 0, 8), b"\xff", 16),
        (("all", 0, 3), b"", 4),
        (("none", 0, 1), b"", 4),
    ],
)
def test_bytes_that_are_no_such_mask_are_refused(coding, data, size):
    with pytest.raises(InputError, match="bytes are not a mask of"):
        decode(Coding(*coding), np.frombuffer(data, np.uint8), size)


@pytest.mark.parametrize("density", [0.0005, 0.005, 0.02, 0.1])
def test_a_random_mask_is_coded_near_its_entropy(density):
    size = 400_000
    kept = round(density * size)
    places = np.sort(np.random.default_rng(0).choice(size, kept, replace=False))
    coding, data = encode(places, size)
    assert coding.kind == "gaps"
    assert entropy_bytes(size, kept) < len(data) < 1.06 * entropy_bytes(size, kept)


@pytest.mark.parametrize(("size", "kept"), [(10, 3), (50, 25), (7, 0), (7, 7), (1000, 5)])
def test_the_entropy_is_of_all_masks_that_keep_as_many(size, kept):
    assert entropy_bytes(size, kept) == pytest.approx(math.log2(math.comb(size, kept)) / 8, abs=1e-9)
