"""Kernels watched in plain Python: planted races and accesses outside are found and explained, right kernels pass."""

import inspect
import math
import types
from functools import partial

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numba import njit, prange

from workbench.checking.rebuilding import uncompiled
from workbench.checking.watching import Watched, prange_order, watch

FEW = settings(max_examples=40, deadline=None)


def hazard_of(kernel, *arrays, seed=None):
    """Watch a kernel on arrays named after its parameters."""
    body = uncompiled(kernel)
    return watch(body, arrays, tuple(inspect.signature(body).parameters), seed)


def line(kernel, mark="# here"):
    """The line of a kernel's source that bears a mark."""
    source, first = inspect.getsourcelines(kernel.py_func)
    return first + next(number for number, text in enumerate(source) if mark in text)


def table(rows=5, columns=4):
    return np.arange(float(rows * columns)).reshape(rows, columns) + 1


# --- right kernels: none of these is a hazard ---


@njit(parallel=True)
def scalar_reduction(x, y):
    total = 0.0
    for i in prange(x.shape[0]):
        total += x[i, 0]
    y[0, 0] = total


@njit(parallel=True)
def array_reduction(x, y):
    sums = np.zeros(x.shape[1])
    for i in prange(x.shape[0]):
        sums += x[i]
    y[0] = sums


@njit(parallel=True)
def array_reduction_of_a_variable_bound_to_a_row(x, y):
    sums = y[1]
    for i in prange(x.shape[0]):
        sums += x[i] * 2


@njit(parallel=True)
def private_scratch(x, y):
    for i in prange(x.shape[0]):
        scratch = np.empty(x.shape[1], x.dtype)
        for j in range(x.shape[1]):
            scratch[j] = x[i, j] ** 2
        y[i, :] = scratch


@njit(parallel=True)
def private_results_of_arithmetic(x, y):
    for i in prange(x.shape[0]):
        doubled = x[i] * 2
        doubled += 1
        doubled[0] = np.sum(x[i])
        y[i] = doubled


@njit(parallel=True)
def disjoint_slices(x, y):
    source, target = x.reshape(x.size), y.reshape(-1)
    for i in prange(x.size // 2):
        target[2 * i : 2 * i + 2] = source[2 * i : 2 * i + 2] + source.sum()


@njit(parallel=True)
def two_loops(x, y):
    scratch = np.zeros_like(x)
    for i in prange(x.shape[0]):
        scratch[i] = x[i] + 1
    for j in prange(x.shape[1]):
        y[:, j] = scratch[:, j]
        scratch[:, j] = 0


@njit(parallel=True)
def transposed_columns(x, y):
    turned = y.T
    for j in prange(x.shape[1]):
        turned[j] = x[:, j]
        turned[j, -1] /= 2


@njit
def add_rows(target, left, right):
    for j in range(target.size):
        target[j] = left[j] + right[j]
    target += left


@njit(parallel=True)
def rows_by_a_helper(x, y):
    for i in prange(x.shape[0]):
        add_rows(y[i], x[i], x[0])


@njit(parallel=True)
def nested_prange(x, y):
    for i in prange(x.shape[0]):
        y[i, 0] = 0
        for j in prange(x.shape[1]):
            y[i, 0] += x[i, j]


@njit
def serial_prange(x):
    total = np.zeros(1)
    for i in prange(x.shape[0]):
        total[0] += x[i, 0]
    return total[0]


@njit
def serial_prange_of_the_module(x):
    total = np.zeros(1)
    for i in numba.prange(x.shape[0]):
        total[0] += x[i, 0]
    return total[0]


@njit(parallel=True)
def calls_a_serial_prange(x, y):
    y[0, 0] = serial_prange(x) + serial_prange_of_the_module(x)
    y[0, 1] = sum([numba.float64(v) for v in x[0]])


@njit(parallel=True)
def outside_any_loop(x, y):
    for i in range(x.shape[0]):
        y[0, 0] += x[i, 0]


@njit(parallel=True)
def whole_arrays(x, y):
    for i in prange(x.shape[0]):
        y[i] = np.dot(x, x[i])[: x.shape[1]] + np.minimum(x[i], x[0])
        y[i, x[i] > 3.5] = 0
        y[i][np.array([0, 2])] = 1


@njit(parallel=True)
def wraps_and_clips(x, y):
    n = x.shape[0]
    for i in prange(n):
        y[-i - 1, -1] = x[i - n, -x.shape[1]]
        y[i, :100][0] = 1


@njit(parallel=True)
def many_private_arrays(x, y):
    scratch = np.zeros(x.shape[1])
    for i in prange(x.shape[0]):
        scratch = np.zeros(x.shape[1])
        scratch[0] = x[i, 0]
        y[i] = scratch


RIGHT = [
    scalar_reduction,
    array_reduction,
    array_reduction_of_a_variable_bound_to_a_row,
    private_scratch,
    private_results_of_arithmetic,
    disjoint_slices,
    two_loops,
    transposed_columns,
    rows_by_a_helper,
    nested_prange,
    calls_a_serial_prange,
    outside_any_loop,
    whole_arrays,
    wraps_and_clips,
    many_private_arrays,
]


@pytest.mark.parametrize("kernel", RIGHT, ids=lambda kernel: kernel.__name__)
@pytest.mark.parametrize("seed", [None, 1])
def test_a_right_kernel_has_no_hazard(kernel, seed):
    x, y = table(), np.zeros((5, 4))
    assert hazard_of(kernel, x, y, seed=seed) is None
    assert (x == table()).all()


@pytest.mark.parametrize("kernel", RIGHT, ids=lambda kernel: kernel.__name__)
def test_watching_changes_no_result(kernel):
    plain, watched = np.zeros((5, 4), np.float32), np.zeros((5, 4), np.float32)
    uncompiled(kernel)(table().astype(np.float32), plain)
    assert hazard_of(kernel, table().astype(np.float32), watched) is None
    assert plain.tobytes() == watched.tobytes()


# --- races ---


@njit(parallel=True)
def same_element(x, y):
    for i in prange(x.shape[0]):
        y[0, 2] = x[i, 0]  # here


@njit(parallel=True)
def lost_update(x, y):
    for i in prange(x.shape[0]):
        y[0, 2] += x[i, 0]  # here


@njit(parallel=True)
def lost_update_of_a_row(x, y):
    for i in prange(x.shape[0]):
        y[1] += x[i]  # here


@njit(parallel=True)
def lost_update_of_a_slice(x, y):
    sums = np.zeros(x.shape[1])
    for i in prange(x.shape[0]):
        sums[:] += x[i]  # here


@njit(parallel=True)
def lost_update_of_a_row_variable(x, y):
    for i in prange(x.shape[0]):
        row = y[1]
        row += x[i]  # here


@njit(parallel=True)
def lost_update_in_a_helper(x, y):
    for i in prange(x.shape[0]):
        accumulate(y[0], x[i])


@njit
def accumulate(target, values):
    target += values  # here


@njit(parallel=True)
def shared_scratch(x, y):
    scratch = np.empty(x.shape[1])
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            scratch[j] = x[i, j]  # here
        for j in range(x.shape[1]):
            y[i, j] = scratch[j]


@njit(parallel=True)
def overlapping_slices(x, y):
    flat = y.ravel()
    for i in prange(x.shape[0]):
        flat[2 * i : 2 * i + 3] = 1  # here


@njit(parallel=True)
def reads_the_neighbour(x, y):
    for i in prange(1, x.shape[0]):
        y[i, 0] = y[i - 1, 0] + x[i, 0]  # here


@njit(parallel=True)
def whole_array_read(x, y):
    for i in prange(x.shape[0]):
        y[i, 0] = np.max(y)  # here


@njit(parallel=True)
def method_reads_all(x, y):
    for i in prange(x.shape[0]):
        y[i, 0] = y.sum()  # here


@njit(parallel=True)
def out_of_a_ufunc(x, y):
    for i in prange(x.shape[0]):
        np.add(x[i], 1, y[0])  # here


@njit(parallel=True)
def out_of_dot(x, y):
    for _ in prange(x.shape[0]):
        np.dot(x.T, np.ascontiguousarray(x[:, 0]), y[2])  # here


@njit(parallel=True)
def filled(x, y):
    for i in prange(x.shape[0]):
        y[0].fill(x[i, 0])  # here


@njit(parallel=True)
def through_ascontiguousarray(x, y):
    for i in prange(x.shape[0]):
        row = np.ascontiguousarray(y[0])
        row[0] = x[i, 0]  # here


@njit(parallel=True)
def through_the_transposed(x, y):
    turned = y.T
    for i in prange(x.shape[0]):
        turned[:, 3] = x[i, 0]  # here


@njit(parallel=True)
def histogram(x, y):
    for i in prange(x.size):
        y[int(x[i // 4, i % 4]) % 2, 0] += 1  # here


@njit(parallel=True)
def by_an_array_of_indices(x, y):
    where = np.array([0, 2])
    for i in prange(x.shape[0]):
        y[0][where] = x[i, 0]  # here


@njit(parallel=True)
def iterated(x, y):
    for i in prange(x.shape[0]):
        for value in y[:, 1]:  # here
            y[i, 1] = value


@njit(parallel=True)
def flat(x, y):
    for i in prange(x.shape[0]):
        for k in range(3):
            y.flat[k] = i  # here


@njit(parallel=True)
def reduced_and_read(x, y):
    sums = np.zeros(x.shape[1])
    for i in prange(x.shape[0]):
        y[i, 0] = sums[1]  # here
        sums += x[i]


@njit(parallel=True)
def second_loop(x, y):
    for i in prange(x.shape[0]):
        y[i, 0] = x[i, 0]
    for _ in prange(2):
        y[0, 0] = 1  # here


RACES = [
    (same_element, "both write y[0, 2]"),
    (lost_update, "reads y[0, 2]"),
    (lost_update_of_a_row, "reads y[1, 0]"),
    (lost_update_of_a_slice, "reads sums[0]"),
    (lost_update_of_a_row_variable, "reads y[1, 0]"),
    (shared_scratch, "both write scratch[0]"),
    (overlapping_slices, "both write y["),
    (reads_the_neighbour, "reads y["),
    (whole_array_read, "reads y["),
    (method_reads_all, "reads y["),
    (out_of_a_ufunc, "both write y[0, 0]"),
    (out_of_dot, "both write y[2, 0]"),
    (filled, "both write y[0, 0]"),
    (through_ascontiguousarray, "both write y[0, 0]"),
    (through_the_transposed, "both write y[3, 0]"),
    (histogram, "reads y["),
    (by_an_array_of_indices, "both write y[0, 0]"),
    (iterated, "reads y["),
    (flat, "both write y[0, 0]"),
    (reduced_and_read, "reads sums[1]"),
    (second_loop, "both write y[0, 0]"),
]


@pytest.mark.parametrize(("kernel", "words"), RACES, ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_race_is_found_at_its_line(kernel, words, seed):
    hazard = hazard_of(kernel, table(), np.zeros((5, 4)), seed=seed)
    assert hazard is not None
    assert (hazard.kind, hazard.line, hazard.file) == ("race", line(kernel), __file__)
    assert words in hazard.reason
    assert "\n" not in hazard.reason


def test_a_race_in_a_helper_is_found_at_the_line_of_the_helper():
    hazard = hazard_of(lost_update_in_a_helper, table(), np.zeros((5, 4)))
    assert hazard.line == line(accumulate)
    assert "reads y[0, 0]" in hazard.reason


def test_a_race_is_told_in_one_sentence():
    loop = line(same_element, "prange")
    assert hazard_of(same_element, table(), np.zeros((5, 4))).reason == (
        f"race: iterations 0 and 1 of the prange at line {loop} both write y[0, 2] (line {loop + 1})"
    )
    loop = line(reads_the_neighbour, "prange")
    assert hazard_of(reads_the_neighbour, table(), np.zeros((5, 4))).reason == (
        f"race: iteration 2 of the prange at line {loop} reads y[1, 0] (line {loop + 1}), "
        f"which iteration 1 writes (line {loop + 1})"
    )


def test_an_array_without_a_name_is_told_by_its_line():
    @njit(parallel=True)
    def kernel(x, y):
        both = (np.zeros(3), x)  # here
        for i in prange(x.shape[0]):
            both[0][1] = i

    hazard = hazard_of(kernel, table(), np.zeros((5, 4)))
    assert f"both write [1] of an array made at line {line(kernel)}" in hazard.reason


def test_a_line_of_another_file_is_told_with_its_name(tmp_path):
    module = types.ModuleType("elsewhere")
    exec(compile("def behind(x):\n    return x[x.shape[0], 0]\n", tmp_path / "elsewhere.py", "exec"), vars(module))

    def body(x):
        module.behind(x)

    for watched in (body, partial(body)):
        hazard = watch(watched, (table(),), ("x",))
        assert hazard.reason == "x[5, 0] is outside x, of shape (5, 4) (elsewhere.py, line 2)"
        assert (hazard.line, hazard.file) == (2, str(tmp_path / "elsewhere.py"))


def test_two_arguments_that_share_memory_can_race():
    def body(x, y):
        for i in prange(1, x.size):
            y[i] = x[i - 1]

    memory = np.zeros(6)
    assert watch(body, (memory, np.zeros(6)), ("x", "y")) is None
    assert watch(body, (memory, memory[:]), ("x", "y")).kind == "race"


@FEW
@given(st.data())
def test_a_race_is_found_exactly_where_two_iterations_conflict(data):
    accesses = st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=4)
    plan = data.draw(st.lists(accesses, min_size=1, max_size=5), label="(element, written) per iteration")
    seed = data.draw(st.none() | st.integers(0, 100), label="seed")

    def body(y):
        for i in prange(len(plan)):
            for element, written in plan[i]:
                if written:
                    y[element // 4, element % 4] = 1
                else:
                    y[element // 4, element % 4]

    conflict = any(
        first == second and (one_writes or other_writes)
        for i, one in enumerate(plan)
        for other in plan[:i]
        for first, one_writes in one
        for second, other_writes in other
    )
    assert (watch(body, (np.zeros((3, 4)),), ("y",), seed) is not None) == conflict


# --- outside an array ---


@njit(parallel=True)
def read_behind(x, y):
    for i in prange(x.shape[0]):
        y[i, 0] = x[i, 4]  # here


@njit
def write_behind(x, y):
    for i in range(6):
        y[i, 0] = 1  # here


@njit
def below(x, y):
    y[0, 0] = x[-6, 1]  # here


@njit
def behind_a_row(x, y):
    row = x[1]
    y[0, 0] = row[4]  # here


@njit
def behind_an_unnamed_row(x, y):
    y[0, 0] = x[1][4]  # here


@njit
def behind_scratch(x, y):
    scratch = np.zeros(3)
    scratch[3] = 1  # here


@njit
def with_a_slice(x, y):
    y[1:3, 4] = 1  # here


@njit
def with_an_ellipsis(x, y):
    y[..., 4] = 1  # here


@njit
def in_an_array_of_indices(x, y):
    y[0, 0] = x[np.array([0, 7]), 1][0]  # here


@njit
def updated(x, y):
    y[5, 0] += 1  # here


OUTSIDE = [
    (read_behind, "x[0, 4] is outside x, of shape (5, 4)"),
    (write_behind, "y[5, 0] is outside y, of shape (5, 4)"),
    (below, "x[-6, 1] is outside x, of shape (5, 4)"),
    (behind_a_row, "row[4] is outside row, of shape (4,), a view of x"),
    (behind_an_unnamed_row, "[4] is outside a view of x, of shape (4,)"),
    (behind_scratch, "scratch[3] is outside scratch, of shape (3,)"),
    (with_a_slice, "y[1:3, 4] is outside y, of shape (5, 4)"),
    (with_an_ellipsis, "y[:, 4] is outside y, of shape (5, 4)"),
    (in_an_array_of_indices, "x[7, 1] is outside x, of shape (5, 4)"),
    (updated, "y[5, 0] is outside y, of shape (5, 4)"),
]


@pytest.mark.parametrize(("kernel", "reason"), OUTSIDE, ids=lambda value: getattr(value, "__name__", None))
def test_an_access_outside_is_found_at_its_line(kernel, reason):
    hazard = hazard_of(kernel, table(), np.zeros((5, 4)))
    assert hazard is not None
    assert (hazard.kind, hazard.line, hazard.file) == ("bounds", line(kernel), __file__)
    assert hazard.reason == f"{reason} (line {line(kernel)})"


@FEW
@given(st.integers(-9, 9), st.integers(-9, 9), st.booleans())
def test_exactly_the_indices_outside_are_hazards(row, column, written):
    def body(x):
        if written:
            x[row, column] = 1
        else:
            x[row, column]

    hazard = watch(body, (table(3, 7),), ("x",))
    assert (hazard is None) == (-3 <= row < 3 and -7 <= column < 7)
    assert hazard is None or f"x[{row}, {column}] is outside x" in hazard.reason


def test_no_handler_in_the_body_hides_a_hazard():
    def body(x):
        try:
            x[7, 0] = 1
        except:  # noqa: E722
            x[0, 0] = 1

    assert "x[7, 0] is outside x" in watch(body, (table(),), ("x",)).reason


def test_other_errors_pass_unchanged():
    def too_many(x):
        x[0, 0, 0]

    def from_a_tuple(x):
        x.shape[2]

    def undefined(x):
        missing  # noqa: B018, F821

    for body, error in ((too_many, IndexError), (from_a_tuple, IndexError), (undefined, NameError)):
        with pytest.raises(error):
            watch(body, (table(),), ("x",))
        assert np.empty(1).__class__ is np.ndarray
        assert isinstance(prange(3), range)


# --- watched arrays ---


def layouts(draw):
    array = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    return array.transpose(draw(st.permutations(range(4)), label="axes"))


@FEW
@given(st.data())
def test_a_view_has_the_addresses_of_its_elements(data):
    array = layouts(data.draw)
    watched = array.view(Watched)
    data.draw(st.sampled_from([lambda: None, lambda: watched.addresses]), label="known before")()
    for _ in range(data.draw(st.integers(1, 3), label="steps")):
        part = st.slices(6) | st.integers(-2, 1) | st.just(Ellipsis)
        key = data.draw(part | st.tuples(st.slices(6), st.slices(3)), label="key")
        assume(array.ndim >= (len(key) if isinstance(key, tuple) else 1))
        try:
            array = array[key]
        except IndexError:
            continue
        watched = watched[key]
        if not isinstance(array, np.ndarray):
            return
    expected = {index: array[index].__array_interface__["data"][0] for index in ()}  # scalars have none of their own
    for index in np.ndindex(array.shape):
        offset = sum(place * stride for place, stride in zip(index, array.strides, strict=True))
        expected[index] = array.__array_interface__["data"][0] + offset
    assert {index: watched.addresses[index] for index in np.ndindex(array.shape)} == expected


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_scalars_keep_their_dtype(dtype):
    seen = []

    def body(x):
        for i in prange(2):
            seen.extend([x[i], x[i] * x[i], np.sum(x), x.max(), math.exp(x[i])])

    assert watch(body, (np.ones(3, dtype),), ("x",)) is None
    assert [type(value) for value in seen[:4]] == [np.dtype(dtype).type] * 4


# --- the order of prange ---


@FEW
@given(st.integers(0, 40), st.none() | st.integers(0, 2**32 - 1))
def test_prange_walks_every_iteration_once(size, seed):
    with prange_order(seed):
        order = list(prange(size))
        again = list(numba.prange(size))
    assert sorted(order) == sorted(again) == list(range(size))
    assert seed is not None or order == list(range(size))
    with prange_order(seed):
        assert list(prange(size)) == order


def test_only_the_outermost_prange_is_permuted():
    with prange_order(3) as position:
        outer = []
        for i in prange(8):
            outer.append(i)
            assert list(prange(8)) == list(range(8))
            assert position.iteration == i
            assert position.loop is not None
        assert position.loop is None
    assert outer != sorted(outer)
    assert list(prange(4)) == [0, 1, 2, 3]
