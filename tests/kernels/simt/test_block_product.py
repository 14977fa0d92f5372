"""Matrix products by blocks of threads: every way to read an operand, several parts and tiles, no bank conflicts."""

import numpy as np
import pytest

import kernels
from kernels.simt import operands
from kernels.simt.block_product import PLACES, SPREAD, TERMS
from workbench.sim.counting.collecting import counting

pytestmark = pytest.mark.usefixtures("in_the_simulator")

RNG = np.random.default_rng(0)


def values(*shape):
    """Small integers, whose products are exact in any order of summation."""
    return RNG.integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("places", "terms", "neighbours", "steps", "way"),
    [
        (7, 12, TERMS, (12, 1), TERMS),
        (8, 13, TERMS, (13, 1), SPREAD),  # rows begin at other multiples than 16 bytes
        (8, 13, PLACES, (1, 8), PLACES),
        (7, 12, PLACES, (1, 7), SPREAD),
    ],
)
def test_operands_are_read_as_widely_as_they_are_aligned(places, terms, neighbours, steps, way):
    array = kernels.to_device(np.zeros(places * terms, np.float32))
    assert operands.layout(array, places, terms, neighbours) == (way, places, *steps)
    shifted = kernels.to_device(np.zeros(places * terms + 1, np.float32))[1:]
    assert operands.layout(shifted, places, terms, neighbours).way == SPREAD


@pytest.mark.parametrize("rows", [1, 63, 65, 130])
@pytest.mark.parametrize(("columns", "terms"), [(64, 64), (68, 36), (5, 1), (3, 200), (129, 17)])
def test_products_of_any_size_are_exact(rows, columns, terms):
    x, w, b = values(rows, terms), values(columns, terms), values(columns)
    np.testing.assert_array_equal(kernels.dense(x, w, b, device="cuda"), x @ w.T + b)
    dy = values(rows, columns)
    dx, dw, db = kernels.dense_backward(dy, x, w, device="cuda")
    np.testing.assert_array_equal(dx, dy @ w)
    np.testing.assert_array_equal(dw, dy.T @ x)
    np.testing.assert_array_equal(db, dy.sum(axis=0))


@pytest.mark.parametrize("op", ["dense", "conv2d"])
def test_shared_memory_has_no_bank_conflicts_and_global_memory_moves_what_is_needed(op):
    arguments = {
        "dense": (values(64, 64), values(64, 64)),
        "conv2d": (values(1, 32, 8, 8), values(32, 32, 3, 3)),
    }[op]
    with counting() as launches:
        getattr(kernels, op)(*arguments, device="cuda")
        if op == "dense":
            kernels.dense_backward(values(64, 64), *arguments, device="cuda")
    products = [launch for launch in launches if launch.kernel == "_product"]
    assert len(products) == (3 if op == "dense" else 1)
    for launch in products:
        assert launch.shared_conflicts == 0
        assert launch.shared_wavefronts > 0
    if op == "dense":  # of the other, arrays in the simulator need not begin with a sector
        wide = [each for launch in products for each in launch.accesses if each.memory == "global" and each.bytes == 16]
        assert wide
        assert [each.sectors for each in wide] == [each.sectors_needed for each in wide]


@pytest.mark.parametrize(
    "options", [{"padding": 2}, {"stride": 2, "padding": 1, "dilation": 2}, {"groups": 2, "stride": 3}]
)
def test_convolutions_with_many_channels_are_exact(options):
    groups = options.get("groups", 1)
    x, w, b = values(2, 32 * groups, 9, 7), values(33 * groups, 32, 3, 2), values(33 * groups)
    y = kernels.conv2d(x, w, b, device="cuda", **options)
    np.testing.assert_array_equal(y, kernels.conv2d(x, w, b, device="cpu", **options))
    dy = values(*y.shape)
    found = kernels.conv2d_backward(dy, x, w, device="cuda", **options)
    expected = kernels.conv2d_backward(dy, x, w, device="cpu", **options)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_the_parts_of_a_sum_are_chosen_by_sizes_alone():
    assert operands.split(64, 64, 4096) == (128, 32, 128)
    assert operands.split(512, 4096, 4096) == (1, 4096, 512)
    assert operands.split(64, 64, 0) == (1, 16, 1)
    assert operands.split(0, 64, 16) == (1, 16, 0)
