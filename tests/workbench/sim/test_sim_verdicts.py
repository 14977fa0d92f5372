"""What hardware allows and what it does not: indices from the end, returns before a barrier, unused undefined values."""

import json
import os
import warnings

import numpy as np
import pytest
from numba import cuda, float32

from workbench.sim import HazardWarning, KernelHazard, simulating, simulator

N = 8
LAST = -1
BACK = 2


@pytest.fixture(autouse=True)
def in_the_simulator(request):
    if "plain" in request.keywords:
        yield
        return
    with simulator(seed=0):
        yield


def hazards(kernel, *arguments, block=1, **settings):
    with simulating(**settings), pytest.raises(KernelHazard) as raised:
        kernel[1, block](*arguments)
    return raised.value.hazards


@cuda.jit
def constants(x, m, y):
    tile = cuda.shared.array(4, float32)
    own = cuda.local.array(4, float32)
    tile[-1], own[-2], y[-3] = 7, 8, 9
    y[0], y[1], y[2], y[3] = x[-1], x[LAST], x[-BACK], m[1, -1]
    y[4], y[-1], y[-2], y[6] = m[-2, 0], x.shape[-1], tile[3], own[2]


@cuda.jit
def constant_outside(x, y):
    y[0] = x[-9]


@cuda.jit
def computed(x, m, y, i):
    y[0] = x[i]
    y[1] = m[1, i + 1]
    y[i] = m[i, -1]


@pytest.mark.parametrize("watched", [True, False])
def test_a_negative_constant_counts_from_the_end(watched):
    x, m, y = np.arange(N, dtype=np.float32), np.arange(12.0).reshape(3, 4), np.zeros(N)
    with simulating(hazards=watched):
        constants[1, 1](x, m, y)
    np.testing.assert_array_equal(y, [7, 7, 6, 7, 4, 9, 8, 8])


def test_a_negative_constant_beyond_the_beginning_is_outside():
    (found,) = hazards(constant_outside, np.zeros(N), np.zeros(1), allow_negative_index=True)
    assert (found.kind, found.summary) == ("out-of-bounds", "x[-9] is outside the array, of shape (8,)")


def test_a_computed_negative_index_is_reported_unless_it_is_allowed():
    x, m, y = np.arange(float(N)), np.arange(12.0).reshape(3, 4), np.zeros(N)
    (found,) = hazards(computed, x, m, y, -2, strict=True)
    assert (found.kind, found.summary) == ("out-of-bounds", "x[-2] is a negative index on an array of shape (8,)")
    assert "allow_negative_index=True" in found.text
    with simulating(allow_negative_index=True, strict=True):
        computed[1, 1](x, m, y, -2)
    np.testing.assert_array_equal(y, [6, 7, 0, 0, 0, 0, 7, 0])
    y[:] = 0
    with pytest.warns(HazardWarning, match="Numba counts it from the end on a GPU too") as warned:
        computed[1, 1](x, m, y, -2)
    np.testing.assert_array_equal(y, [6, 7, 0, 0, 0, 0, 7, 0])
    assert len({each.message.hazard.lines for each in warned}) == 3
    (found,) = hazards(computed, x, m, y, -5, allow_negative_index=True)
    assert found.summary == "m[-5, 3] is outside the array, of shape (3, 4)"


@cuda.jit
def mirrored(x, y):
    tile = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    if t >= x.size:
        return
    tile[t] = x[t]
    cuda.syncthreads()
    y[t] = tile[x.size - 1 - t]


@cuda.jit
def in_a_branch(x, y):
    t = cuda.threadIdx.x
    if t < 4:
        cuda.syncthreads()
    y[t] = x[t]


def test_a_return_before_a_barrier_is_a_warning_since_volta():
    x, y = np.arange(5, dtype=np.float32), np.zeros(5, np.float32)
    with pytest.warns(HazardWarning, match="not all threads of a block reach the barrier") as warned:
        mirrored[1, N](x, y)
    np.testing.assert_array_equal(y, x[::-1])
    (found,) = [each.message.hazard for each in warned]
    assert (found.kind, found.is_warning) == ("divergent-barrier", True)
    assert warned[0].filename == __file__


@pytest.mark.parametrize("settings", [{"strict": True}, {"capability": (6, 1)}], ids=str)
def test_a_return_before_a_barrier_is_a_failure_before_volta_and_if_strict(settings):
    (found,) = hazards(mirrored, np.zeros(5, np.float32), np.zeros(5, np.float32), block=N, **settings)
    assert (found.kind, found.is_warning) == ("divergent-barrier", False)


def test_a_barrier_in_a_branch_is_a_failure_on_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = hazards(in_a_branch, np.zeros(N), np.zeros(N), block=N)
    assert (found.kind, found.is_warning) == ("divergent-barrier", False)


@cuda.jit
def another_first(x, y):
    i = cuda.grid(1)
    if i == 0:
        y[0] = -1
    y[0] = 7
    x[i] = i


@cuda.jit
def another_last(x, y):
    i = cuda.grid(1)
    y[0] = 7
    if i == 3:
        y[0] = -1


@cuda.jit
def read_after_the_barrier(x, y):
    tile = cuda.shared.array(1, float32)
    i = cuda.grid(1)
    if i % 32 == 0:
        tile[0] = 1
    tile[0] = 2
    cuda.syncthreads()
    x[i] = tile[0]
    cuda.syncthreads()
    if i % 32 == 5:
        tile[0] = 9
    cuda.syncthreads()
    x[i] += tile[0]


@cuda.jit
def another_at_the_barrier(x, y):
    tile = cuda.shared.array(1, float32)
    i = cuda.grid(1)
    tile[0] = 2
    if i % 32 == 0:
        tile[0] = 1
    cuda.syncthreads()
    x[i] = tile[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("kernel", "is_right"),
    [(another_first, True), (another_last, False), (read_after_the_barrier, True), (another_at_the_barrier, False)],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_last_values_of_all_writers_count_if_they_may_be_the_same(kernel, is_right, seed):
    x, y = np.zeros(64), np.zeros(1)
    with simulating(allow_same_value=True, seed=seed):
        if is_right:
            kernel[2, 32](x, y)
            assert y[0] in (0, 7)
            assert kernel is not read_after_the_barrier or x.tolist() == [11] * 64
            return
        with pytest.raises(KernelHazard) as raised:
            kernel[2, 32](x, y)
    assert {each.kind for each in raised.value.hazards} == {"race"}


MINE = """
from numba import cuda, float64
from workbench import implements

@implements("relu", grid=lambda x: x.size // 32 + 1, block=32)
@cuda.jit
def my_relu(x, y):
    flat_x, flat_y = x.reshape(x.size), y.reshape(y.size)
    i = cuda.grid(1)
    if i >= x.size:
        return
    cuda.syncthreads()
    flat_y[i] = max(flat_x[i - x.size], 0)
"""


@pytest.mark.plain
def test_check_warns_or_fails_as_its_options_say(tmp_path, warm_workbench):
    (tmp_path / "mine.py").write_text(MINE)
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    words = ["check", "mine.py", "--device", "sim", "--dtype", "float32", "--examples", "8", "--json", "out.json"]

    def row(*options):
        done = warm_workbench([*words, *options], tmp_path, environment)
        assert done.returncode in (0, 1), done.stderr
        (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
        return done.returncode, result["status"], result["reason"]

    code, status, reason = row()
    assert (code, status) == (0, "warn")
    assert "is a negative index on an array" in reason or "not all threads" in reason
    code, status, reason = row("--allow-negative-index")
    assert (code, status) == (0, "warn")
    assert reason.startswith("divergent-barrier: not all threads of a block reach the barrier at line 12; GPUs since")
    code, status, reason = row("--allow-negative-index", "--strict")
    assert (code, status, reason.startswith("divergent-barrier")) == (1, "fail", True)
    assert row("--allow-negative-index", "--cc", "6.1")[:2] == (1, "fail")
    refused = warm_workbench(["check", "relu", "--device", "cpu", "--strict"], tmp_path, environment)
    assert (refused.returncode, "--strict: is for the simulator" in refused.stderr) == (2, True)
