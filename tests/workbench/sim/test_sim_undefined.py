"""The result of a shuffle from a lane that does not take part may be used in computations, but not written."""

import numpy as np
import pytest
from numba import cuda

from workbench.sim import KernelHazard, simulator

FULL = 0xFFFFFFFF
LANES = 20


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


@cuda.jit(device=True)
def following(value):
    """Undefined in the last lane."""
    return cuda.shfl_down_sync(FULL, value, 1)


@cuda.jit(device=True)
def twice(value):
    return 2 * value


def written(x, y):
    y[cuda.laneid] = cuda.shfl_down_sync(FULL, x[cuda.laneid], 1)


def through_arithmetic_and_a_device_function(x, y):
    value = twice(x[cuda.laneid] + following(x[cuda.laneid]))
    cuda.syncthreads()
    y[cuda.laneid] = max(value, 1)


def in_a_tuple(x, y):
    pair = (x[cuda.laneid], following(x[cuda.laneid]))
    y[cuda.laneid] = pair[1]


def as_an_index(x, y):
    place = following(x[cuda.laneid])
    if cuda.laneid == LANES - 1:
        y[place & 31] = 1


def by_an_atomic_operation(x, y):
    cuda.atomic.add(y, 0, following(x[cuda.laneid]))


def with_a_cache_hint(x, y):
    cuda.stcg(y, cuda.laneid, following(x[cuda.laneid]))


def gathered_in_a_loop(x, y):
    total = 0
    for _ in range(2):
        total += following(x[cuda.laneid])
    y[cuda.laneid] = total


def handed_on_by_another_lane(x, y):
    value = following(x[cuda.laneid])
    value = cuda.shfl_up_sync(FULL, value, 0)  # each lane's own
    value = cuda.shfl_xor_sync(FULL, value, 1)  # lane 18 has what lane 19 had
    if cuda.laneid == 18:
        y[0] = value


@cuda.jit(device=True)
def store(y, i, value):
    y[i] = value
    return value


def by_a_device_function(x, y):
    store(y, cuda.laneid, 1 + following(x[cuda.laneid]))


def in_a_function_of_the_kernel(x, y):
    shifted = lambda distance: cuda.shfl_down_sync(FULL, x[cuda.laneid], distance)  # noqa: E731
    y[cuda.laneid] = shifted(1)


def in_a_view_of_its_place(x, y):
    place = following(x[cuda.laneid])
    if cuda.laneid == LANES - 1:
        y[place & 15 :][0] = 1


@pytest.mark.parametrize(
    "body",
    [
        by_a_device_function,
        in_a_function_of_the_kernel,
        in_a_view_of_its_place,
        written,
        through_arithmetic_and_a_device_function,
        in_a_tuple,
        as_an_index,
        by_an_atomic_operation,
        with_a_cache_hint,
        gathered_in_a_loop,
        handed_on_by_another_lane,
    ],
)
def test_is_told_where_it_is_written(body):
    x, y = np.ones(LANES, np.int32), np.zeros(32, np.int32)
    with pytest.raises(KernelHazard, match=r"shfl_\w+ reads from lane 20, which does not take part") as caught:
        cuda.jit(body)[1, LANES](x, y)
    hazard = caught.value.hazards[0]
    assert hazard.kind == "absent-lane"
    assert "the block has no such thread" in hazard.text


def chosen_by_lane(x, y):
    value = following(x[cuda.laneid])
    y[cuda.laneid] = value if cuda.laneid < LANES - 1 else 0


def overwritten(x, y):
    value = following(x[cuda.laneid])
    if cuda.laneid == LANES - 1:
        value = 0
    y[cuda.laneid] = value


def only_in_lanes_that_have_it(x, y):
    value = following(x[cuda.laneid])
    if cuda.laneid < LANES - 1:
        y[cuda.laneid] = value


def beside_it(x, y):
    value = following(x[cuda.laneid])
    y[cuda.laneid] = cuda.laneid
    if cuda.laneid < LANES - 1:
        y[cuda.laneid] += value - cuda.laneid


def kept_in_a_local_array(x, y):
    kept = cuda.local.array(1, np.int32)
    kept[0] = following(x[cuda.laneid])
    y[cuda.laneid] = cuda.laneid
    if cuda.laneid < LANES - 1:
        y[cuda.laneid] = kept[0]
    else:
        y[cuda.laneid] = 0


@cuda.jit(device=True)
def larger_of(value, other, has_other):
    if has_other:
        return max(value, other)
    return value


@cuda.jit(device=True)
def following_if_any(value):
    return cuda.shfl_down_sync(FULL, value, 1), cuda.laneid < LANES - 1


def thrown_away_by_a_device_function(x, y):
    y[cuda.laneid] = larger_of(x[cuda.laneid], following(x[cuda.laneid]), cuda.laneid < LANES - 1)


def beside_it_in_a_tuple(x, y):
    value, is_there = following_if_any(x[cuda.laneid])
    y[cuda.laneid] = 0
    cuda.atomic.add(y, cuda.laneid, 1 if is_there else 0)
    pair = (value, x[cuda.laneid])
    y[cuda.laneid] += pair[1]


def left_out_by_selp(x, y):
    y[cuda.laneid] = cuda.selp(cuda.laneid < LANES - 1, following(x[cuda.laneid]), x[cuda.laneid])


@pytest.mark.parametrize(
    "body",
    [
        chosen_by_lane,
        overwritten,
        only_in_lanes_that_have_it,
        beside_it,
        kept_in_a_local_array,
        thrown_away_by_a_device_function,
        beside_it_in_a_tuple,
        left_out_by_selp,
    ],
)
def test_is_not_told_where_it_is_thrown_away(body):
    x, y = np.arange(LANES, dtype=np.int32), np.zeros(LANES, np.int32)
    cuda.jit(body)[1, LANES](x, y)
    assert y[: LANES - 1].tolist() == list(range(1, LANES))


def test_values_have_the_same_types_with_and_without_hazards():
    @cuda.jit
    def kernel(x, y):
        value = x[cuda.laneid]
        for step in (8, 4, 2, 1):
            value += cuda.shfl_down_sync(FULL, value, step)
        y[cuda.laneid] = value / 3

    x = np.arange(32, dtype=np.float32)
    results = []
    for hazards in (True, False):
        with simulator(hazards=hazards):
            y = np.zeros(32)
            kernel[1, 32](x, y)
            results.append(y)
    np.testing.assert_array_equal(*results)
