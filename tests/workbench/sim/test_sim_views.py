"""Views of arrays: an integer index outside its axis would show memory beyond the array."""

import numpy as np
import pytest
from numba import cuda

from workbench.sim import KernelHazard, simulating, simulator


@pytest.fixture(autouse=True)
def in_the_simulator():
    with simulator(seed=0):
        yield


@cuda.jit
def row(x, y, i):
    found = x[i]
    y[0] = found[1]


@cuda.jit
def part_of_row(x, y, i):
    found = x[i, 1:]
    y[0] = found[0]


@cuda.jit
def column(x, y, i):
    found = x[..., i]
    y[0] = found[0]


@cuda.jit
def set_row(x, y, i):
    x[i, :] = y[0]


@cuda.jit
def copy_row(x, y, i):
    x[i] = x[0]


@cuda.jit
def last_row(x, y, i):
    x[-1][:] = 7
    y[0] = x[-1, 1:][0]


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("kernel", [row, part_of_row, column, set_row, copy_row])
def test_an_index_of_a_view_is_inside_its_axis(kernel, watched):
    length = 4 if kernel is column else 3
    with simulating(hazards=watched):
        kernel[1, 1](np.arange(12.0).reshape(3, 4), np.zeros(1), length - 1)
        for index in (length, 100, 10**9, -length - 1):
            with pytest.raises(KernelHazard) as raised:
                kernel[1, 1](np.arange(12.0).reshape(3, 4), np.zeros(1), index)
            (found,) = raised.value.hazards
            assert found.kind == "out-of-bounds"
            assert found.summary == f"x[{index}] is outside the array, of shape ({length},)"


def test_a_negative_constant_counts_from_the_end():
    x, y = np.arange(12.0).reshape(3, 4), np.zeros(1)
    last_row[1, 1](x, y, 0)
    assert y[0] == 7
    assert x[2].tolist() == [7] * 4
