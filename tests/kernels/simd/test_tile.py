"""Register tiles: every compiled function agrees with its plain Python to the bit, and writes nothing else.

A program is compiled with ``njit`` and runs beside the function that it was compiled from, in which ``kernels.simd.tile`` is
plain Python. Both write into arrays full of marks, which are compared whole. Only multiply-adds may differ, by one rounding.
"""

import mmap
from functools import cache

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.simd import tile
from kernels.simd.registers import has_fma, register_bytes

MARK = -77.0
"""What stands wherever nothing is to be written."""

SHAPES = [(2, 1), (tile.ROWS, tile.COLUMNS)]
DTYPES = [np.float32, np.float64]
LANES = {dtype: register_bytes() // np.dtype(dtype).itemsize for dtype in DTYPES}

shapes = pytest.mark.parametrize(("m", "n"), SHAPES)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
drawn = settings(max_examples=25, deadline=None)


@cache
def programs(m, n):
    """Programs over tiles of one shape, by name: (x, w, y, integers) -> None, the integers being those of ``places``."""
    longer = m + 3

    def load(x, w, y, p):
        rows, columns = tile.steps(m, p[0], p[1]), tile.steps(n, p[2], p[3])
        tile.store(tile.load(x, rows, columns), y, tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x)))

    def store(x, w, y, p):
        rows, columns = tile.steps(m, p[0], p[1]), tile.steps(n, p[2], p[3])
        tile.store(tile.load(x, tile.steps(m, 0, 1), tile.steps(n, 0, 1)), y, rows, columns)

    def load_first(x, w, y, p):
        rows, columns = tile.steps(m, p[0], p[1]), tile.steps(n, p[2], p[3])
        whole = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        tile.store(tile.load_first(x, rows, columns, p[4]), y, *whole)

    def store_first(x, w, y, p):
        rows, columns = tile.steps(m, p[0], p[1]), tile.steps(n, p[2], p[3])
        tile.store_first(tile.load(x, tile.steps(m, 0, 1), tile.steps(n, 0, 1)), y, rows, columns, p[4])

    def steps_to(x, w, y, p):
        rows, columns = tile.steps_to(m, p[0], p[1], p[2]), tile.steps(n, 0, tile.lanes(x))
        tile.store(tile.load(x, rows, columns), y, tile.steps(m, 0, n * tile.lanes(x)), columns)

    def spread(x, w, y, p):
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        tile.store(tile.spread(x, tile.steps(m, p[0], p[1]), columns), y, rows, columns)

    def zeros(x, w, y, p):
        rows, columns = tile.steps(m, p[0], p[1]), tile.steps(n, p[2], p[3])
        tile.store(tile.zeros(rows, columns, y), y, rows, columns)

    def outer(x, w, y, p):
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        t = tile.load(y, rows, columns)
        for k in range(p[4] % 4):
            t = tile.outer(t, x, tile.steps(m, p[0], p[1]), k, w, tile.steps(n, p[2], p[3]), 2 * k)
        tile.store(t, y, rows, columns)

    segment = max(m // 2, 1)

    def sweep(x, w, y, p):
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        t = tile.load(y, rows, columns)
        for k in range(p[4] % 4):
            t = tile.sweep(t, segment, x, p[0] + k, p[1], w, p[2] + p[3] * k)
        tile.store(t, y, rows, columns)

    def inner(x, w, y, p):
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        t = tile.load(y, rows, columns)
        for k in range(p[4] % 4):
            t = tile.inner(t, x, tile.steps(m, p[0], p[1]), k, w, tile.steps(n, p[2], p[3]), 2 * k)
        tile.store(t, y, rows, columns)

    def slide(x, w, y, p):
        """Three taps below each other, in a window that is longer than need be."""
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        window = tile.load(w, tile.steps(longer, p[0], p[1]), tile.steps(n, p[2], p[3]))
        t = tile.load(y, rows, columns)
        t = tile.slide(t, x, p[0], window, 0)
        t = tile.slide(t, x, p[2], window, 1)
        t = tile.slide(t, x, p[4], window, 2)
        tile.store(t, y, rows, columns)

    def add_sums(x, w, y, p):
        rows, columns = tile.steps(m, p[0], p[1]), tile.steps(n, p[2], p[3])
        tile.add_sums(tile.load(x, rows, columns), y, tile.steps(m, p[4], n), tile.steps(n, 0, 1))

    def add(x, w, y, p):
        rows, columns = tile.steps(m, p[0], p[1]), tile.steps(n, p[2], p[3])
        total = tile.add(tile.load(x, rows, columns), tile.load(w, rows, columns))
        tile.store(total, y, tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x)))

    def scale(x, w, y, p):
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        tile.store(tile.scale(tile.load(x, rows, columns), w[p[0]]), y, rows, columns)

    def scale_by_a_double(x, w, y, p):
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        tile.store(tile.scale(tile.load(x, rows, columns), 0.1), y, rows, columns)

    def positive(x, w, y, p):
        rows, columns = tile.steps(m, 0, n * tile.lanes(x)), tile.steps(n, 0, tile.lanes(x))
        tile.store(tile.positive(tile.load(x, rows, columns)), y, rows, columns)

    made = (
        load,
        store,
        load_first,
        store_first,
        steps_to,
        spread,
        zeros,
        outer,
        sweep,
        inner,
        slide,
        add_sums,
        add,
        scale,
    )
    return {each.__name__: numba.njit(each) for each in (*made, scale_by_a_double, positive)}


EXACT = ["load", "store", "load_first", "store_first", "steps_to", "spread", "zeros", "add_sums", "add", "scale"]
EXACT += ["scale_by_a_double", "positive"]
PRODUCTS = ["outer", "sweep", "inner", "slide"]

SIZE = 512
"""Elements of every array: all that a program addresses by ``places``, and zones of marks beyond."""

places = st.tuples(
    *(st.integers(0, 9), st.integers(0, 19)),  # the first row, and a step to the next
    *(st.integers(0, 9), st.integers(0, 17)),  # the same of columns
    st.integers(0, 4 * max(LANES.values())),  # a count
)


def floats(dtype):
    """Arrays of SIZE numbers of all kinds, from a seed and some chosen ones."""
    width = np.dtype(dtype).itemsize * 8
    special = st.lists(st.tuples(st.integers(0, SIZE - 1), st.floats(width=width)), max_size=12)

    def make(seed, chosen):
        array = np.random.default_rng(seed).standard_normal(SIZE).astype(dtype)
        for place, value in chosen:
            array[place] = value
        return array

    return st.builds(make, st.integers(0, 2**32 - 1), special)


def run(function, *arguments):
    """What a program makes of arrays: the last of them afterwards. Its inputs must not change."""
    copies = [each.copy() for each in arguments[:-1]]
    with np.errstate(all="ignore"):
        function(*copies, np.array(arguments[-1]))
    for before, after in zip(arguments[:2], copies[:2], strict=True):
        np.testing.assert_array_equal(before, after)
    return copies[2]


def assert_same_bits(left, right):
    """Equal, zeros with their signs; a NaN is a NaN."""
    np.testing.assert_array_equal(left, right)
    numbers = ~np.isnan(left)
    np.testing.assert_array_equal(np.signbit(left[numbers]), np.signbit(right[numbers]))


@dtypes
@shapes
@pytest.mark.parametrize("name", EXACT)
def test_as_in_python(name, m, n, dtype):
    program = programs(m, n)[name]

    @drawn
    @given(floats(dtype), floats(dtype), places)
    def holds(x, w, integers):
        y = np.full(SIZE, MARK, dtype)
        assert_same_bits(run(program, x, w, y, integers), run(program.py_func, x, w, y, integers))

    holds()


@dtypes
@shapes
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_integers_are_exact(name, m, n, dtype):
    program = programs(m, n)[name]

    @drawn
    @given(st.integers(0, 2**32 - 1), places)
    def holds(seed, integers):
        x, w, y = np.random.default_rng(seed).integers(-99, 100, (3, SIZE)).astype(dtype)
        assert_same_bits(run(program, x, w, y, integers), run(program.py_func, x, w, y, integers))

    holds()


def test_a_multiply_add_rounds_once_where_the_processor_can():
    program, size = programs(1, 1)["outer"], LANES[np.float32]

    @drawn
    @given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(0, 9))
    def holds(seed, row, column):
        x, w, y = np.random.default_rng(seed).standard_normal((3, SIZE)).astype(np.float32)
        integers = (row, 0, column, 0, 1)
        got = run(program, x, w, y, integers)
        if has_fma():
            exact = y[:size] + x[row].astype(np.float64) * w[column : column + size]
            once = 2.0**-24 * (1 + 2.0**-20) * np.abs(exact)  # the exact value has been rounded too, to float64
            assert np.all(np.abs(got[:size] - exact) <= once)
            np.testing.assert_array_equal(got[size:], y[size:])
        else:
            assert_same_bits(got, run(program.py_func, x, w, y, integers))

    holds()


@dtypes
def test_rows_and_lanes_exchange(dtype):
    lanes = LANES[dtype]

    def exchange(x, y):
        rows = tile.steps(lanes, 0, tile.lanes(x))
        tile.store(tile.transpose(tile.load(x, rows, (0,))), y, rows, (0,))

    x = np.arange(lanes * lanes, dtype=dtype)
    y, expected = np.zeros_like(x), np.zeros_like(x)
    numba.njit(exchange)(x, y)
    exchange(x, expected)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(y.reshape(lanes, lanes), x.reshape(lanes, lanes).T)


@dtypes
def test_lanes_are_a_register(dtype):
    array = np.zeros(1, dtype)
    assert numba.njit(lambda x: tile.lanes(x))(array) == tile.lanes(array) == LANES[dtype]


@pytest.mark.parametrize(
    ("count", "start", "step", "last"), [(1, 5, 7, 9), (4, 0, 16, 1000), (4, 3, 16, 35), (3, 9, 5, 2)]
)
def test_offsets(count, start, step, last):
    def all_of(start, step):
        return tile.steps(count, start, step)

    def some_of(start, step, last):
        return tile.steps_to(count, start, step, last)

    assert numba.njit(all_of)(start, step) == all_of(start, step)
    assert numba.njit(some_of)(start, step, last) == some_of(start, step, last)


FENCED = """
import ctypes, mmap, os
import numba, numpy as np
from kernels import tile

PAGE = mmap.PAGESIZE
memory = mmap.mmap(-1, 3 * PAGE)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
for page in (0, 2):  # touching it ends the process
    assert ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(start + page * PAGE), PAGE, 0) == 0

@numba.njit
def copy(x, y, count):
    rows, columns = tile.steps(1, 0, 0), tile.steps(2, 0, tile.lanes(x))
    tile.store_first(tile.load_first(x, rows, columns, count), y, rows, columns, count)

for dtype in (np.float32, np.float64):
    page = np.frombuffer(memory, dtype, PAGE // dtype().itemsize, PAGE)
    for count in range(2 * tile.lanes(page) + 1):
        page[:] = np.arange(page.size)
        there, here = page[page.size - count :], np.full(count, -1, dtype)
        copy(there, here, count)
        np.testing.assert_array_equal(here, there)
        copy(-here, there, count)
        np.testing.assert_array_equal(there, -here)
        assert np.all(page[: page.size - count] == np.arange(page.size - count))
print("done", flush=True)
os._exit(0)  # the mapping cannot be closed while arrays lie in it
"""


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs POSIX's mprotect")
def test_what_is_left_out_is_not_touched(run_python):
    """At the end of a page that is followed by unmapped memory."""
    assert run_python(FENCED) == "done\n"
