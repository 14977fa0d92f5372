"""Functions on the elements of register tiles: compiled against plain Python, exp against the library's."""

import numpy as np
import pytest

from kernels.compile.jit import cpu_inline
from kernels.declare.rounding import TRANSCENDENTAL_ULPS
from kernels.simd.tile import lanes, load, steps, store
from kernels.simd.vector_math import (
    even,
    exp,
    interleave,
    keep_first,
    larger,
    largest_of,
    load_between,
    multiply,
    odd,
    shift,
    store_between,
    sum_of,
    where_equal,
    where_replaces,
)

DTYPES = ("float32", "float64")
SPECIAL = (0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-40, 2.0)


def values(dtype, count, seed=0):
    """Numbers among which every pair of special ones occurs at some place."""
    drawn = np.random.default_rng(seed).choice(SPECIAL, count)
    return drawn.astype(dtype)


def both(function, *arguments):
    """Run a compiled function and its Python version on copies of the same arrays; return both results."""
    results = []
    for run in (function, getattr(function, "py_func", function)):
        copies = [each.copy() if isinstance(each, np.ndarray) else each for each in arguments]
        with np.errstate(all="ignore"):
            run(*copies)
        results.append(copies)
    return results


@cpu_inline
def elementwise(a, b, out):
    rows = steps(2, 0, 2 * lanes(a))
    columns = steps(2, 0, lanes(a))
    size = 4 * lanes(a)
    one, two = load(a, rows, columns), load(b, rows, columns)
    store(shift(one, 1.5), out, rows, columns)
    store(multiply(one, two), out, steps(2, size, 2 * lanes(a)), columns)
    store(larger(one, two), out, steps(2, 2 * size, 2 * lanes(a)), columns)
    store(where_replaces(one, two, shift(one, 1.0), two), out, steps(2, 3 * size, 2 * lanes(a)), columns)
    store(where_equal(one, 1.0, two), out, steps(2, 4 * size, 2 * lanes(a)), columns)
    store(keep_first(one, lanes(a) + 1, -7.0), out, steps(2, 5 * size, 2 * lanes(a)), columns)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(8))
def test_element_by_element(dtype, seed):
    width = lanes(np.empty(0, dtype))
    arrays = values(dtype, 4 * width, seed), values(dtype, 4 * width, seed + 100), np.zeros(24 * width, dtype)
    compiled, plain = both(elementwise, *arrays)
    np.testing.assert_array_equal(compiled[2], plain[2])


@cpu_inline
def reordered(a, out):
    columns = steps(2, 0, lanes(a))
    tile = load(a, (0,), columns)
    store(even(tile), out, (0,), (0,))
    store(odd(tile), out, (lanes(a),), (0,))
    store(interleave(even(tile), odd(tile)), out, (2 * lanes(a),), columns)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_second_element(dtype):
    width = lanes(np.empty(0, dtype))
    a = np.arange(2 * width, dtype=dtype)
    for result in both(reordered, a, np.zeros(4 * width, dtype)):
        np.testing.assert_array_equal(result[1], np.concatenate([a[::2], a[1::2], a]))


@cpu_inline
def reduced(a, out):
    tile = load(a, (0,), steps(3, 0, lanes(a)))
    out[0] = sum_of(tile)
    out[1] = largest_of(tile)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_maxima(dtype):
    width = lanes(np.empty(0, dtype))
    numbers = np.random.default_rng(0).normal(size=3 * width).astype(dtype)
    with_nan = numbers.copy()
    with_nan[-1] = np.nan
    for a in (numbers, with_nan):
        compiled, plain = both(reduced, a, np.zeros(2, dtype))
        np.testing.assert_array_equal(compiled[1], plain[1])
        assert np.isnan(plain[1][1]) == np.isnan(a).any()


@cpu_inline
def between(a, out, first, last):
    columns = steps(2, 0, lanes(a))
    tile = load_between(load(out, (0,), columns), a, (0,), columns, first, last)
    store(tile, out, (0,), columns)
    store_between(tile, out, (2 * lanes(a),), columns, first, last)


@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_of_rows(dtype):
    width = 2 * lanes(np.empty(0, dtype))
    a, out = np.arange(1, 1 + width, dtype=dtype), np.zeros(2 * width, dtype)
    places = (0, 1, width // 2 - 1, width // 2, width // 2 + 1, width)
    for first, last in [(first, last) for first in places for last in places if first <= last]:
        expected = np.zeros(width, dtype)
        expected[first:last] = a[first:last]
        for result in both(between, a, out, first, last):
            np.testing.assert_array_equal(result[1], np.concatenate([expected, expected]))


@cpu_inline
def exponentials(x, y):
    columns = steps(2, 0, lanes(x))
    for k in range(0, x.size, 2 * lanes(x)):
        store(exp(load(x, (k,), columns)), y, (k,), columns)


EDGES = {  # around overflow, the least normal, the least subnormal and half of it
    "float32": (88.72283, 88.72284, -87.33654, -87.33655, -103.27892, -103.97208, -103.97209),
    "float64": (709.782712893384, 709.7827128933841, -708.3964185322641, -744.4400719213812, -745.1332191019412),
}


@pytest.mark.parametrize(("dtype", "precise"), [("float32", np.float64), ("float64", np.longdouble)])
def test_exp_is_right_within_half_of_what_the_bounds_assume(dtype, precise):
    limits = np.finfo(dtype)
    reach = 1.1 * float(np.log(limits.max))
    generator = np.random.default_rng(0)
    edges = np.array([*EDGES[dtype], 0.0, -0.0, 1e-40, -1e-40, 1e30, -1e30, np.inf, -np.inf, np.nan])
    x = np.concatenate([np.linspace(-reach, reach, 300_000), generator.normal(0, 3, 100_000), edges]).astype(dtype)
    x = np.concatenate([x, np.zeros(-x.size % (2 * lanes(x)), dtype)])
    y = np.full_like(x, np.nan)
    exponentials(x, y)
    with np.errstate(all="ignore"):
        expected = np.exp(x.astype(precise))
        rounded = expected.astype(dtype)
        finite = np.isfinite(rounded)
        ulp = np.spacing(rounded[finite]).astype(precise)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    assert float(np.max(np.abs(y[finite].astype(precise) - expected[finite]) / ulp)) <= TRANSCENDENTAL_ULPS / 2
