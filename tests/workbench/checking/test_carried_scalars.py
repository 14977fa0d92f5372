"""Variables that a prange loop carries from one iteration to another: found by name and line; reductions are not accused."""

import inspect

import numpy as np
import pytest
from numba import njit, prange

from workbench.checking.rebuilding import uncompiled, watchable
from workbench.checking.watching import watch


def table():
    return np.arange(20.0).reshape(5, 4)


def hazard_of(kernel, seed):
    return watch(watchable(kernel), (table(), np.zeros((5, 4))), ("x", "y"), seed=seed)


def lines_of(kernel):
    """The lines that a kernel marks: the access that the hazard names first, and the other one."""
    source, start = inspect.getsourcelines(kernel.py_func)
    return [
        next(number for number, line in enumerate(source, start) if line.rstrip().endswith(mark))
        for mark in ("# first", "# second")
    ]


@njit(parallel=True)
def running_total(x, y):
    for n in range(x.shape[0]):
        total = 0.0
        for i in prange(x.shape[1]):
            total += x[n, i]  # second
            y[n, i] = total  # first


@njit(parallel=True)
def previous(x, y):
    before = 0.0
    for i in prange(x.shape[0]):
        y[i, 0] = x[i, 0] - before  # first
        before = x[i, 0]  # second


@njit(parallel=True)
def counter(x, y):
    count = 0
    for i in prange(x.shape[0]):
        if x[i, 0] >= 0:
            y[count, 0] = x[i, 0]  # first
            count += 1  # second


@njit(parallel=True)
def largest_by_if(x, y):
    best = -1.0
    for i in prange(x.shape[0]):
        if x[i, 0] > best:  # first
            best = x[i, 0]  # second
    y[0, 0] = best


@njit(parallel=True)
def largest_by_choice(x, y):
    best = -1.0
    for i in prange(x.shape[0]):
        # fmt: off
        best = (  # second
            x[i, 0] if x[i, 0] > best else 0.0  # first
        )
        # fmt: on
    y[0, 0] = best


@njit(parallel=True)
def swapped(x, y):
    even, odd = 0.0, 1.0
    for i in prange(x.shape[0]):
        even, odd = (  # second
            odd,  # first
            even,
        )
        y[i, 0] = even


@njit(parallel=True)
def whole_rows(x, y):
    row = x[0]
    for i in prange(x.shape[0]):
        y[i] = row  # first
        row = x[i]  # second


@njit(parallel=True)
def subtracted_from(x, y):
    total = 0.0
    for i in prange(x.shape[0]):
        # fmt: off
        total = (  # second
            x[i, 0] - total  # first
        )
        # fmt: on
    y[0, 0] = total


@njit(parallel=True)
def two_operators(x, y):
    total = 1.0
    for i in prange(x.shape[0]):
        total += x[i, 0]  # first
        total *= 2  # second
    y[0, 0] = total


@njit(parallel=True)
def reset(x, y):
    total = 0.0
    for i in prange(x.shape[0]):
        total += x[i, 0]  # first
        if i == 2:
            total = 0.0  # second
    y[0, 0] = total


@njit(parallel=True)
def default_value(x, y):
    value = 7.0
    for i in prange(x.shape[0]):
        if i % 2:
            value = x[i, 0]  # second
        y[i, 0] = value  # first


@njit(parallel=True)
def random_state(x, y):
    state = 12345
    for i in prange(x.shape[0]):
        state = (  # second
            1103515245 * state + 12345  # first
        ) % 2**31
        y[i, 0] = state


@njit(parallel=True)
def in_an_inner_loop(x, y):
    step = 0
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = step  # first
            step = step + 1 if step < 3 else 0  # second


@njit(parallel=True)
def loop_of_a_helper(x, y):
    before = 0.0
    for i in prange(x.shape[0]):
        y[i, 0] = before  # first
        before = x[i, 0]  # second


@njit
def by_a_helper(x, y):
    loop_of_a_helper(x, y)


CARRIED = {
    running_total: "total",
    previous: "before",
    counter: "count",
    largest_by_if: "best",
    largest_by_choice: "best",
    swapped: "odd",
    whole_rows: "row",
    subtracted_from: "total",
    two_operators: "total",
    reset: "total",
    default_value: "value",
    random_state: "state",
    in_an_inner_loop: "step",
    by_a_helper: "before",
}


@pytest.mark.parametrize("kernel", CARRIED, ids=lambda kernel: kernel.__name__)
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_carried_variable_is_found_at_its_line(kernel, seed):
    hazard = hazard_of(kernel, seed)
    assert hazard is not None
    marked = loop_of_a_helper if kernel is by_a_helper else kernel
    first, second = lines_of(marked)
    assert hazard.reason.startswith(f"race: {CARRIED[kernel]} is carried between the iterations of the prange at line ")
    assert hazard.kind == "race"
    assert (hazard.file, hazard.line) == (__file__, first)
    assert f"(line {first})" in hazard.reason
    assert f"(line {second})" in hazard.reason


def test_a_carried_variable_is_told_in_one_sentence():
    first, second = lines_of(running_total)
    assert hazard_of(running_total, None).reason == (
        f"race: total is carried between the iterations of the prange at line {second - 1}: "
        f"iteration 0 reads it (line {first}), iteration 1 updates it (line {second})"
    )


@njit(parallel=True)
def last_value(x, y):
    value = 0.0
    for i in prange(x.shape[0]):
        value = x[i, 0]  # second
    y[0, 0] = value  # first


@njit(parallel=True)
def flag(x, y):
    found = False
    for i in prange(x.shape[0]):
        if x[i, 0] > 7:
            found = True  # second
    if found:  # first
        y[0, 0] = 1


@njit(parallel=True)
def first_loop_to_second(x, y):
    value = 0.0
    for i in prange(x.shape[0]):
        value = x[i, 0]  # second
        y[i, 0] = value
    for i in prange(x.shape[0]):
        y[i, 1] = value  # first


@pytest.mark.parametrize("kernel", [last_value, flag, first_loop_to_second], ids=lambda kernel: kernel.__name__)
def test_what_iterations_assign_is_not_read_after_the_loop(kernel):
    first, second = lines_of(kernel)
    hazard = hazard_of(kernel, 0)
    assert (hazard.kind, hazard.file, hazard.line) == ("race", __file__, first)
    name = "found" if kernel is flag else "value"
    assert hazard.reason.startswith(f"race: {name} is read (line {first}) after the prange at line ")
    assert hazard.reason.endswith(f", whose iterations assign it (line {second})")


@njit(parallel=True)
def sums(x, y):
    total, least, most, product, quotient = 0.0, 9.0, -9.0, 1.0, 1.0
    for i in prange(x.shape[0]):
        total += x[i, 0]
        total -= 1
        least = min(least, x[i, 0])
        most = max(x[i, 1], most)
        product = product * 2
        quotient /= x[i, 0] + 1
    y[0, 0] = total + least + most + product + quotient


@njit(parallel=True)
def written_out(x, y):
    total, other = 0.0, 0.0
    for i in prange(x.shape[0]):
        total = total + x[i, 0]
        other = x[i, 1] + other
    y[0, 0] = total - other


@njit(parallel=True)
def in_some_iterations(x, y):
    count = 0
    for i in prange(x.shape[0]):
        if x[i, 0] > 4:
            count += 1
        else:
            count -= 2
    y[0, 0] = count


@njit(parallel=True)
def inside_inner_loops(x, y):
    total = 0.0
    for i in prange(x.shape[0]):
        for j in prange(x.shape[1]):
            total += x[i, j]
    y[0, 0] = total


@njit(parallel=True)
def private(x, y):
    for i in prange(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j]
            y[i, j] = total
        row, scale = x[i], 2.0
        y[i, 0] = row[0] * scale


@njit(parallel=True)
def set_in_the_first_round(x, y):
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            if j == 0:
                total = 0.0
            total += x[i, j]
        y[i, 0] = total


@njit(parallel=True)
def read_only(x, y):
    scale, offset = 2.0, x[0, 0]
    for i in prange(x.shape[0]):
        scaled = x[i, 0] * scale
        y[i, 0] = scaled + offset
    scale = 3.0
    for i in prange(x.shape[0]):
        y[i, 1] = scale


@njit(parallel=True)
def array_of_sums(x, y):
    columns = np.zeros(4)
    for i in prange(x.shape[0]):
        columns += x[i]
    y[0] = columns


@njit(parallel=True)
def same_names_again(x, y):
    for i in prange(x.shape[0]):
        value = x[i, 0]
        y[i, 0] = value
    for i in prange(x.shape[0]):
        value = x[i, 1]
        y[i, 1] = value


@njit(parallel=True)
def rows_summed(x, y):
    for i in prange(x.shape[0]):
        total = 0.0
        for j in prange(x.shape[1]):
            total += x[i, j]
        y[i, 0] = total


@njit(parallel=True)
def summed_by_a_function(row):
    total = 0.0
    for j in prange(row.size):
        total += row[j]
        last = row[j]
        total += last
    return total


@njit(parallel=True)
def calls_a_parallel_function(x, y):
    for i in prange(x.shape[0]):
        y[i, 0] = summed_by_a_function(x[i])


@njit(parallel=True)
def while_loops(x, y):
    for i in prange(x.shape[0]):
        j = 0
        while j < 4:
            y[i, j] = (k := j + 1) * x[i, j]
            j = k


REDUCED = (
    *(sums, written_out, in_some_iterations, inside_inner_loops, private, set_in_the_first_round, read_only),
    *(array_of_sums, same_names_again, rows_summed, calls_a_parallel_function, while_loops),
)


@pytest.mark.parametrize("kernel", REDUCED, ids=lambda kernel: kernel.__name__)
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_reductions_and_private_variables_are_not_accused(kernel, seed):
    assert hazard_of(kernel, seed) is None


@pytest.mark.parametrize("kernel", [*REDUCED, *CARRIED], ids=lambda kernel: kernel.__name__)
def test_reporting_changes_no_result(kernel):
    results = []
    for twin in (uncompiled(kernel), watchable(kernel)):
        results.append(np.zeros((5, 4)))
        twin(table(), results[-1])
    np.testing.assert_array_equal(*results)


@njit(parallel=True)
def array_rebound(x, y):
    total = np.zeros(4)
    for i in prange(x.shape[0]):
        total = total + x[i]
    y[0] = total


@njit(parallel=True)
def array_added(x, y):
    total = np.zeros(4)
    for i in prange(x.shape[0]):
        total += x[i]
    y[0] = total


def test_an_array_is_reduced_in_place_only():
    """Numba gives the array that was there before the loop for ``total = total + x[i]``."""
    hazard = hazard_of(array_rebound, None)
    assert hazard is not None
    assert hazard.reason.startswith("race: total is carried between the iterations")
    assert hazard_of(array_added, None) is None


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (previous, "compute before in a serial loop"),
        (array_rebound, "compute total in a serial loop"),
    ],
)
def test_a_race_has_a_remedy(kernel, words):
    hazard = hazard_of(kernel, None)
    assert hazard is not None
    assert words in hazard.remedy


def test_a_closure_reports_too():
    step = 1.0

    @njit(parallel=True)
    def enclosed(x, y):
        before = step
        for i in prange(x.shape[0]):
            y[i, 0] = before
            before = x[i, 0] + step

    hazard = hazard_of(enclosed, None)
    assert hazard is not None
    assert hazard.reason.startswith("race: before is carried")


def test_a_body_without_source_runs_as_it_is():
    namespace = {"njit": njit, "prange": prange}
    source = "@njit(parallel=True)\ndef f(x, y):\n  t = 0.0\n  for i in prange(5):\n    y[i, 0] = t\n    t = x[i, 0]\n"
    exec(source, namespace)
    assert hazard_of(namespace["f"], None) is None
