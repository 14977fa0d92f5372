"""Fields of records, iterators and NumPy functions in the simulator: their accesses are watched like those of elements."""

import numpy as np
import pytest
from numba import cuda, float32

from workbench.sim import KernelHazard, simulator

POINT = np.dtype([("x", np.float32), ("y", np.int32)])
PACKED = np.dtype([("flag", np.bool_), ("value", np.float64), ("parts", np.uint16, (3,))])
PADDED = np.dtype([("flag", np.int8), ("value", np.float64)], align=True)
NESTED = np.dtype([("inner", POINT), ("z", np.float64)], align=True)
ROW = np.dtype([("row", np.int16, (3,))], align=True)


@pytest.fixture(autouse=True)
def _simulated():
    with simulator(seed=0):
        yield


def compiled(*lines):
    """Return a kernel of arrays a, b and out in which t is the thread."""
    names = {"cuda": cuda, "np": np, "POINT": POINT, "PADDED": PADDED, "set_x": set_x, "float32": float32}
    exec("\n    ".join(["def kernel(a, b, out):", "t = cuda.threadIdx.x", *lines]), names)
    return cuda.jit(names["kernel"])


@cuda.jit(device=True)
def set_x(record, value):
    record.x = value


def summaries(kernel, *arguments, block=2, shared=0):
    """Return the summaries of the hazards of a launch."""
    try:
        kernel[1, block, 0, shared](*arguments)
    except KernelHazard as hazard:
        return [f"{each.kind}: {each.summary.partition(' in ')[0]}" for each in hazard.hazards]
    return []


def zeros(dtype, size=4):
    return np.zeros(size, dtype)


@pytest.mark.parametrize(
    ("dtype", "lines", "place"),
    [
        (POINT, ["a[1].x = t"], "a[1].x"),
        (POINT, ["a[1]['x'] = t"], "a[1].x"),
        (POINT, ["a.x[1] = t"], "a[1].x"),
        (POINT, ["if t == 0:", "    a[3].y = 1", "else:", "    out[0] = a[3].y"], "a[3].y"),
        (POINT, ["if t == 0:", "    a[3]['y'] = 1", "else:", "    out[0] = a[3]['y']"], "a[3].y"),
        (POINT, ["set_x(a[1], t)"], "a[1].x"),
        (POINT, ["for each in a[1:]:", "    each.x = t"], "a[1].x"),
        (NESTED, ["a[2].inner.y = t"], "a[2].inner.y"),
        (PACKED, ["a[1].parts[2] = t"], "a[1].parts[2]"),
        (PACKED, ["if t == 0:", "    a[1].parts[2] = 1", "else:", "    out[0] = a[1]['parts'][2]"], "a[1].parts[2]"),
        (PACKED, ["for v in a[1].parts:", "    out[t] = v", "a[1].parts[2] = t"], "a[1].parts[2]"),
        (ROW, ["a[1]['row'] = b"], "a[1].row"),
        (ROW, ["if t == 0:", "    b[1] = 1", "else:", "    a[1]['row'] = b"], "b[1]"),
    ],
)  # fmt: skip
def test_a_race_in_a_field_is_found_at_the_field(dtype, lines, place):
    kernel = compiled(*lines)
    assert f"race: two threads touch {place}" in summaries(kernel, zeros(dtype), zeros(np.int16, 3), zeros(np.float64))


@pytest.mark.parametrize(
    ("dtype", "lines", "place"),
    [
        (POINT, ["a[1 - t] = a[t]"], "a["),
        (POINT, ["if t == 0:", "    a[1] = b[2]", "else:", "    b[2].x = 1"], "b[2]"),
        (POINT, ["if t == 0:", "    a[1] = b[2]", "else:", "    a[1].x = 1"], "a[1]"),
        (POINT, ["a[0:2] = b[0:2]"], "a[0]"),
        (POINT, ["if t == 0:", "    a[:] = b[1]", "else:", "    b[1].y = 2"], "b[1]"),
    ],
)
def test_the_copy_of_a_record_reads_one_and_writes_the_other(dtype, lines, place):
    (found, *_) = summaries(compiled(*lines), zeros(dtype), zeros(dtype), zeros(np.float64))
    assert found.startswith(f"race: two threads touch {place}")


@pytest.mark.parametrize(
    ("dtype", "block", "lines"),
    [
        (POINT, 2, ["if t == 0:", "    a[0].x = 1", "else:", "    a[0].y = 2"]),
        (POINT, 2, ["if t == 0:", "    a.x[0] = 1", "else:", "    out[0] = a[0].y"]),
        (PACKED, 3, ["a[1].parts[t] = t", "if t == 0:", "    a[1].flag = True", "elif t == 1:", "    a[1].value = 3"]),
        (NESTED, 2, ["if t == 0:", "    a[1].inner = a[2].inner", "else:", "    a[1].z = a[2].z"]),
        (POINT, 4, ["a[t] = b[3 - t]", "a[t].x += t", "cuda.syncthreads()", "b[t] = a[3 - t]"]),
        (ROW, 2, ["a[t]['row'] = a[2 + t].row"]),
        (POINT, 4, ["for each in b:", "    if each.x == 0:", "        a[t].y += 1"]),
    ],
)  # fmt: skip
def test_different_fields_do_not_race(dtype, block, lines):
    assert summaries(compiled(*lines), zeros(dtype), zeros(dtype), zeros(np.float64), block=block) == []


def test_a_field_that_gets_what_it_holds_is_such_a_write():
    kernel = compiled("a[0].x = 3")
    with simulator(allow_same_value=True):
        kernel[1, 2](np.full(1, 3, POINT), zeros(POINT), zeros(POINT))
    assert summaries(kernel, zeros(POINT), zeros(POINT), zeros(POINT))


def test_atomic_operations_and_fields_are_the_same_memory():
    right = compiled("cuda.atomic.add(a['y'], 0, 1)", "cuda.atomic.add(a.y, 0, 1)", "if t == 0:", "    a[0].x = 1")
    points = zeros(POINT)
    assert (summaries(right, points, points, points, block=8), points[0]["y"]) == ([], 16)
    wrong = compiled("cuda.atomic.add(a['y'], 0, 1)", "if t == 0:", "    out[0] = a[0].y")
    assert summaries(wrong, zeros(POINT), zeros(POINT), zeros(np.int32)) == ["race: two threads touch a[0].y"]


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("a[t + 3].x = 1", "a[4] is outside the array, of shape (4,)"),
        ("a[t + 3] = a[0]", "a[4] is outside the array, of shape (4,)"),
        ("a[0].parts[t + 2] = 1", "a[...].parts[3] is outside the array, of shape (3,)"),
        ("out.flat[t + 3] = 1", "out.flat[4] is outside the array, of shape (4,)"),
        ("out[0] = out.flat[-1 - t]", "out.flat[-1] is a negative index on an array of shape (4,)"),
    ],
)
def test_an_index_outside(watched, line, text):
    kernel = compiled(line)
    dtype = PACKED if "parts" in line else POINT
    with simulator(seed=0, hazards=watched), pytest.raises(KernelHazard) as raised:
        kernel[1, 2](zeros(dtype), zeros(dtype), zeros(np.float64))
    assert text in [each.summary for each in raised.value.hazards]


SHARED = ["s = cuda.shared.array(4, POINT)", "s[t].x = t"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([*SHARED, "out[t] = s[1 - t].x"], "race: two threads touch s["),
        ([*SHARED, "cuda.syncthreads()", "out[t] = s[t].y"], "uninitialised: s[0].y"),
        ([*SHARED, "cuda.syncthreads()", "out[t] = s[1 - t].x"], None),
        ([*SHARED, "s[t].y = t", "cuda.syncthreads()", "a[t] = s[1 - t]"], None),
        (["s = cuda.shared.array(2, PADDED)", "s[t].flag = t", "s[t].value = t", "b[t] = s[t]"], None),
        (["s = cuda.shared.array(0, POINT)", "s[t].x = t", "s[1 - t].y = t"], None),
        (["s = cuda.shared.array(0, POINT)", "s[1].x = t"], "race: two threads touch byte 8 of the dynamic memory"),
        (["s = cuda.local.array(2, POINT)", "s[1].x = t + 1", "s[0] = s[1]", "out[t] = s[0].x"], None),
    ],
)
def test_records_in_shared_and_local_memory(lines, found):
    told = summaries(compiled(*lines), zeros(POINT), zeros(PADDED), zeros(np.float64), shared=32)
    assert (told == []) if found is None else any(each.startswith(found) for each in told)


def test_a_record_is_an_argument_that_is_written():
    points = zeros(POINT)
    kernel = compiled("if t == 0:", "    a.x = 7", "else:", "    a.y = b[1][0].y")
    points[2]["y"] = 5
    assert summaries(kernel, points[1], (points[0], (points[2],)), points[3]) == []
    assert points[1].tolist() == (7, 5)
    assert summaries(compiled("a.y = t"), points[1], points, points) == ["race: two threads touch a.y"]
    assert summaries(compiled("a[0].y = t"), (points[1],), 1, 1) == ["race: two threads touch a[0].y"]
    assert summaries(compiled("a['x'] = 2"), cuda.to_device(points[1]), 1, 1, block=1) == []


def test_a_record_that_must_not_be_written_stays():
    points = zeros(POINT)
    points.flags.writeable = False
    compiled("a.x = 7")[1, 1](points[1], 1, 1)
    assert points[1]["x"] == 0


def test_dates_are_arguments():
    out = zeros("M8[D]", 1)
    compiled("out[t] = a + b")[1, 1](np.datetime64("2020-01-30"), np.timedelta64(3, "D"), out)
    assert out[0] == np.datetime64("2020-02-02")


READERS = [
    "out[0] = a.flat[2]",
    "out[0] = a.reshape((2, 2)).T.flat[1]",
    "for v in a.flat: out[0] += v",
    "for v in a: out[0] += v",
    "for row in a.reshape((2, 2)): out[0] += row[0]",
    "for i, v in enumerate(a): out[0] += v",
    "for v, w in zip(b, a): out[0] += w",
    "for i, v in np.ndenumerate(a): out[0] += v",
    "for v, w in np.nditer((b, a)): out[0] += w[()]",
    "v, w, x, y = a; out[0] = v",
    "out[0] = a.sum()",
    "out[0] = np.max(a)",
    "out[0] = a[2:3].item()",
    "out[0] = 3.0 in a",
    "b += a",
    "np.add(a, b, b)",
]
WRITERS = ["a.flat[2] = 1", "a.fill(4)", "a.sort()", "a += 1"]
OTHERS = [
    "out[0] = a.flat[1]",
    "out[0] = a.reshape((2, 2)).T.flat[2]",
    "for v in a[::3].flat: out[0] += v",
    "v, w = a.reshape((2, 2))[0]; out[0] = v",
    "for i, v in enumerate(a[:2]): out[0] += v",
    "out[0] = a[:2].mean()",
    "out[0] = len(a) + a.size + np.size(a) + a.shape[0]",
    "for i in np.ndindex(a.shape): out[0] += b[i]",
    "a.T[1] = 1",
]


@pytest.mark.parametrize("line", [*READERS, *WRITERS])
def test_what_touches_elements_in_other_ways_races(line):
    kernel = compiled("if t == 0:", "    a[2] = 1", "else:", f"    {line}")
    (found, *_) = summaries(kernel, np.arange(4.0), np.arange(4.0), zeros(np.float64))
    assert found == "race: two threads touch a[2]"


def test_what_touches_other_elements_does_not():
    kernel = compiled("if t == 0:", "    a[2] = 1", "else:", *(f"    {line}" for line in OTHERS))
    assert summaries(kernel, np.arange(4.0), np.arange(4.0), zeros(np.float64)) == []


def test_parts_of_complex_numbers_do_not_race():
    kernel = compiled("if t == 0:", "    a.real[1] = 1", "else:", "    a.imag[1] = 2")
    numbers = zeros(np.complex64)
    assert (summaries(kernel, numbers, 1, 1), numbers[1]) == ([], 1 + 2j)


@pytest.mark.parametrize("line", ["c = a + b", "c = -a", "a[a > 0] = 1"])
def test_an_array_made_by_an_operator_is_refused(line):
    with pytest.raises(Exception, match="an array made by an operator"):
        compiled(line)[1, 1](np.arange(4.0), np.arange(4.0), 1)
