"""How soon lines are used again, and what blocks have in common: worked out by hand."""

import numpy as np
import pytest
from numba import cuda, float32

from workbench.sim import counting, simulator
from workbench.sim.counting.locality import DISTANCES


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


def launched(kernel, grid, block, *arrays):
    """The counters of a launch of which the recorded blocks run alone."""
    with counting(0) as found:
        cuda.jit(kernel)[grid, block](*arrays)
    return found[0]


def reuse(launch):
    """Sectors by class of reuse distance, of all loads; the class of first uses is None."""
    found = {}
    for each in launch.accesses:
        for number, count in enumerate(each.reuse):
            if count:
                key = None if number == DISTANCES else number
                found[key] = found.get(key, 0) + count
    return found


def same_line(x, y):
    y[cuda.grid(1)] = x[cuda.threadIdx.x % 32]


def test_warps_that_read_one_line_have_it_from_the_first():
    launch = launched(same_line, 1, 128, np.zeros(32, "f4"), np.zeros(128, "f4"))
    assert reuse(launch) == {None: 4, 0: 12}


def two_passes(x, y):
    t, total = cuda.threadIdx.x, float32(0)
    for _ in range(2):
        for k in range(8):
            total += x[t + 32 * k]
    y[t] = total


def test_a_second_pass_finds_each_line_after_the_others():
    """Seven other lines lie between: class 3 is for fewer than 8."""
    launch = launched(two_passes, 1, 32, np.zeros(256, "f4"), np.zeros(32, "f4"))
    assert reuse(launch) == {None: 32, 3: 32}


def some_of_rows(x, y):
    t, total = cuda.threadIdx.x, float32(0)
    for k in range(10):
        if (7 * t + k * k) % 5 < 2:
            total += x[t, k]
    y[t] = total


def test_the_order_in_which_lanes_run_does_not_matter():
    """The requests of a warp touch different lines."""
    arrays = np.zeros((32, 10), "f4"), np.zeros(32, "f4")
    found = []
    for seed in range(4):
        with simulator(seed=seed):
            found.append(reuse(launched(some_of_rows, 1, 32, *arrays)))
    assert all(each == found[0] for each in found)


def to_and_fro(x, y):
    total = float32(0)
    for _ in range(3000):
        total += x[0] + x[32]
    y[0] = total


def test_a_long_loop_over_few_lines():
    """One other line lies between two uses: class 1 is for fewer than 2."""
    launch = launched(to_and_fro, 1, 1, np.zeros(64, "f4"), np.zeros(1, "f4"))
    assert reuse(launch) == {None: 2, 1: 5998}


def by_column(x, y):
    t, total = cuda.threadIdx.x, float32(0)
    for k in range(8):
        total += x[t, k]
    y[t] = total


def test_a_warp_that_reads_columns_uses_its_lines_again():
    """32 rows of 32 bytes are 32 sectors; each of the 7 later reads finds them, after the 7 other lines that they fill."""
    launch = launched(by_column, 1, 32, np.zeros((32, 8), "f4"), np.zeros(32, "f4"))
    assert reuse(launch) == {None: 32, 3: 7 * 32}


def with_neighbour(x, y):
    i = cuda.grid(1)
    y[i] = x[i] + x[i + 32]


@pytest.mark.parametrize("blocks", [4, 40])
def test_blocks_share_what_they_both_read(blocks):
    launch = launched(with_neighbour, blocks, 32, np.zeros(32 * blocks + 32, "f4"), np.zeros(32 * blocks, "f4"))
    found = {(each.array, each.access): each for each in launch.footprints}
    assert found["x", "load"].bytes == 256
    assert found["x", "load"].shared == (0.5, 0, 0)
    assert found["y", "store"].bytes == 128
    assert found["y", "store"].shared == (0, 0, 0)


def product(a, b, c):
    j, i = cuda.grid(2)
    total = float32(0)
    for k in range(a.shape[1]):
        total += a[i, k] * b[k, j]
    c[i, j] = total


def test_a_product_shares_rows_along_x_and_columns_along_y():
    a, b, c = np.zeros((64, 16), "f4"), np.zeros((16, 256), "f4"), np.zeros((64, 256), "f4")
    launch = launched(product, (8, 8), (32, 8), a, b, c)
    found = {each.array: each for each in launch.footprints}
    assert (found["a"].bytes, found["a"].shared) == (8 * 64, (1, 0, 0))
    assert (found["b"].bytes, found["b"].shared) == (16 * 128, (0, 1, 0))
    assert (found["c"].bytes, found["c"].shared) == (8 * 128, (0, 0, 0))


def test_neighbours_are_recorded_along_every_axis():
    launch = launched(
        product, (8, 8), (32, 8), np.zeros((64, 1), "f4"), np.zeros((1, 256), "f4"), np.zeros((64, 256), "f4")
    )
    middle = 3 * 8 + 3
    assert {0, middle, middle + 1, middle + 8, 63} < set(launch.recorded)
    assert len(launch.recorded) == 6
