"""What a report advises where the source shows more than the two lines: rounds of a loop, and locks."""

import inspect
import linecache

import numpy as np
import pytest
from numba import cuda, float32

from workbench.sim import KernelHazard, simulator
from workbench.sim.common.sites import Site
from workbench.sim.host.advice import of_rounds

N = 32


@cuda.jit
def tiles(x, y):
    tile = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    total = float32(0)
    for first in range(0, x.size, N):
        tile[t] = x[first + t]
        cuda.syncthreads()
        for k in range(N):
            total += tile[k]
    y[t] = total


@cuda.jit
def no_barrier(x, y):
    tile = cuda.shared.array(N, float32)
    t = cuda.threadIdx.x
    for first in range(0, x.size, N):
        tile[t] = x[first + t]
        y[t] += tile[N - 1 - t]


@cuda.jit
def locked(mutex, y):
    if cuda.threadIdx.x == 0:
        while cuda.atomic.cas(mutex, 0, 0, 1) != 0:
            pass
        y[0] += 1
        cuda.atomic.exch(mutex, 0, 0)


@cuda.jit
def fenced(mutex, y):
    if cuda.threadIdx.x == 0:
        while cuda.atomic.cas(mutex, 0, 0, 1) != 0:
            pass
        y[0] += 1
        cuda.threadfence()
        cuda.atomic.exch(mutex, 0, 0)


def line_of(kernel, text):
    lines, first = inspect.getsourcelines(kernel.py_func)
    return next(first + place for place, line in enumerate(lines) if text in line)


def advice(kernel, blocks, threads, *arguments):
    with simulator(seed=0), pytest.raises(KernelHazard) as raised:
        kernel[blocks, threads](*arguments)
    (found,) = raised.value.hazards
    assert found.kind == "race"
    return found.text.splitlines()[-1]


def test_the_second_barrier_of_a_tile_loop_is_missed_at_its_end():
    said = advice(tiles, 1, N, np.zeros(3 * N, np.float32), np.zeros(N, np.float32))
    assert f"The barrier at line {line_of(tiles, 'syncthreads')} stands between the two lines" in said
    assert f"round of the loop at line {line_of(tiles, 'for first')}" in said
    assert f"after line {line_of(tiles, 'total += tile')}" in said


def test_without_a_barrier_one_is_missed_between_the_lines():
    with simulator(seed=0), pytest.raises(KernelHazard) as raised:
        no_barrier[1, N](np.zeros(3 * N, np.float32), np.zeros(N, np.float32))
    assert all("between the two lines" in each.text for each in raised.value.hazards)
    assert not any("round of the loop" in each.text for each in raised.value.hazards)


def test_a_lock_is_mended_by_a_fence():
    said = advice(locked, 2, N, np.zeros(1, np.int32), np.zeros(1))
    assert f"The lock that is taken at line {line_of(locked, 'while')} does not order memory by itself" in said
    assert f"call cuda.threadfence() before the lock is released (line {line_of(locked, 'exch')})" in said
    y = np.zeros(1)
    with simulator(seed=0):
        fenced[2, N](np.zeros(1, np.int32), y)
    assert y[0] == 2


def test_advice_follows_a_source_that_changed_and_kept_its_length(tmp_path):
    path = tmp_path / "kernel.py"
    places = [Site(function="f", file=str(path), line=line) for line in (3, 5)]
    lines = ["def f(x, y):", "    for k in x:", "        y[k] = 1", "        syncthreads()", "        y[0] = y[k]"]
    said = []
    for changed in ("syncthreads", "threadfence"):
        path.write_text("\n".join(lines).replace("syncthreads", changed))
        linecache.checkcache(str(path))
        said.append(of_rounds(*places))
    assert said[0].startswith("The barrier at line 4 stands between the two lines")
    assert said[1] == ""
