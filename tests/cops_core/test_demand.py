"""What a trial needs of a GPU, and that trials which are put together there do fit."""

from decimal import Decimal
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from cops_core.config import Selection, Training, TrialConfig
from cops_core.data import split
from cops_core.demand import (
    MAX_TRIALS_PER_GPU,
    PROFILED_STEPS,
    Demand,
    covered,
    measure_demand,
    profiled_split,
    share_of,
)

GB = 10**9


@pytest.mark.parametrize(
    ("peak", "total", "busy", "together"),
    [
        (2 * GB, 24 * GB, 0.1, 10),  # 0.9 * 24 / 2 = 10.8, 1 / 0.1 = 10
        (2 * GB, 24 * GB, 0.05, 10),  # 10.8, 20
        (2 * GB, 24 * GB, 0.3, 3),  # 10.8, 3.3
        (8 * GB, 24 * GB, 0.1, 2),  # 2.7, 10
        (12 * GB, 24 * GB, 0.1, 1),  # 1.8: without headroom it would be 2
        (24 * GB, 24 * GB, 1.0, 1),
        (GB // 10, 80 * GB, 0.001, 16),  # 720, 1000: more than 16 are never put together
        (GB, 80 * GB, 0.51, 1),
        (GB, 80 * GB, 0.5, 2),
    ],
)
def test_shares_by_hand(peak, total, busy, together):
    assert share_of(Demand(peak, total, busy)) == Fraction(1, together)


def test_headroom_is_a_share_of_the_whole_memory(refused):
    demand = Demand(peak_bytes=12 * GB, total_bytes=24 * GB, busy=0.1)
    assert share_of(demand, headroom=0.0) == Fraction(1, 2)
    assert share_of(demand, headroom=0.01) == 1
    for wrong in (-0.1, 1.0, float("nan")):
        with refused("headroom .* is not in .*: write a fraction"):
            share_of(demand, headroom=wrong)


@pytest.mark.parametrize("together", range(1, MAX_TRIALS_PER_GPU + 1))
def test_as_many_trials_as_share_the_time_evenly_fit(together):
    assert share_of(Demand(1, GB, 1 / together)) == Fraction(1, together)


@some.composite
def demands(draw: some.DrawFn) -> Demand:
    total = draw(some.integers(1, 200 * GB))
    return Demand(draw(some.integers(1, total)), total, draw(some.floats(1e-6, 1.0)))


headrooms = some.floats(0.0, 0.99)


@given(demands(), headrooms)
def test_trials_that_share_a_gpu_fit_together_and_one_more_does_not(demand, headroom):
    share = share_of(demand, headroom=headroom)
    together = share.denominator
    assert share.numerator == 1
    assert 1 <= together <= 16
    usable = demand.total_bytes * (1 - headroom)
    if together > 1:
        assert together * demand.peak_bytes <= usable
        assert together * demand.busy <= 1 + 1e-12
    if together < 16:
        more = together + 1
        assert more * demand.peak_bytes > usable - 1 or more * demand.busy > 1 - 1e-12


@given(demands(), demands(), headrooms, headrooms)
def test_who_needs_more_never_gets_a_smaller_share(one, other, headroom, another):
    less = Demand(
        min(one.peak_bytes, other.peak_bytes),
        max(one.total_bytes, other.total_bytes),
        min(one.busy, other.busy),
    )
    ample = min(headroom, another)
    for demand in (one, other):
        assert share_of(less, headroom=ample) <= share_of(demand, headroom=max(headroom, another))


spans = some.lists(some.tuples(some.integers(0, 40), some.integers(0, 12)).map(lambda s: (s[0], s[0] + s[1])))


@given(spans)
def test_covered_time_counts_each_moment_once(drawn):
    moments = {moment for start, end in drawn for moment in range(start, end)}
    assert covered(iter(drawn)) == len(moments)


def test_a_short_split_keeps_the_proportion_of_training_to_validation(make_data):
    parts = split(make_data(train=1000), 0, Decimal("0.2"))
    short = profiled_split(parts, 2)
    assert (len(short.train), len(short.validation)) == (2 * PROFILED_STEPS, PROFILED_STEPS // 2)
    assert torch.equal(short.train.images, parts.train.images[: 2 * PROFILED_STEPS])
    assert torch.equal(short.validation.labels, parts.validation.labels[: PROFILED_STEPS // 2])
    whole = profiled_split(parts, 64)
    assert (len(whole.train), len(whole.validation)) == (800, 200)
    one = profiled_split(split(make_data(train=1000), 0, Decimal("0.001")), 1)
    assert (len(one.train), len(one.validation)) == (PROFILED_STEPS, 1)


@pytest.mark.parametrize("device", ["cpu", "mps", "gpu"])
def test_demand_on_anything_but_a_gpu_is_refused(device, refused):
    with refused(f"cannot be measured on '{device}': write cuda .* or write the share"):
        measure_demand(TrialConfig(), device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_demand_where_there_is_no_gpu_is_refused(refused):
    with refused("cannot be measured on 'cuda'"):
        measure_demand(TrialConfig())


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_demand_is_measured_and_the_memory_given_back(precision):
    selection = Selection(target="snip")
    config = TrialConfig(
        arm="freeze", selection=selection, density="0.05", training=Training(epochs=1, precision=precision)
    )
    measure_demand(config)
    held = torch.cuda.memory_allocated()  # what libraries keep for as long as the process lives
    demand = measure_demand(config)
    assert 0 < demand.peak_bytes <= demand.total_bytes
    assert demand.total_bytes == torch.cuda.mem_get_info()[1]
    assert 0 < demand.busy < 1  # digits keep no GPU busy: 1 would mean that no kernels were seen
    assert torch.cuda.memory_allocated() <= held + 2**20
    assert Fraction(1, 16) <= share_of(demand) <= 1


@pytest.mark.gpu
def test_a_trial_that_holds_more_needs_more():
    """ResNet18 keeps about 0.1 MB of each image of 8 x 8 for the backward pass, and more in between."""
    small, large = (
        measure_demand(TrialConfig(model="resnet18", training=Training(batch_size=size)))
        for size in (100, 1000)
    )
    assert large.peak_bytes > small.peak_bytes
