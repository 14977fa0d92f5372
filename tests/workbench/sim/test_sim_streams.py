"""Streams, events and memory that the host shares with the device: what orders work, and what does not."""

import asyncio
import gc
from types import SimpleNamespace

import numpy as np
import pytest
from numba import cuda

from workbench.sim import KernelHazard, simulating, simulator
from workbench.sim.host import timeline

N = 32


@pytest.fixture(autouse=True)
def in_the_simulator():
    with simulator(seed=0):
        yield


@cuda.jit
def put(x, first, value):
    i = first + cuda.grid(1)
    if i < x.size:
        x[i] = value


@cuda.jit
def every_other(x, first):
    x[first + 2 * cuda.grid(1)] = first


def race(program):
    with pytest.raises(KernelHazard) as raised:
        program()
    (found,) = raised.value.hazards
    assert found.kind == "race"
    return found


def test_a_race_of_two_streams_is_told_with_both_lines():
    first, second, x = cuda.stream(), cuda.stream(), cuda.to_device(np.zeros(N))
    put[1, N, first](x, 0, 1)
    found = race(lambda: put[1, N, second](x, 0, 2))
    assert found.summary == "kernel put and kernel put touch the same memory on two streams, and one of them writes it"
    assert found.text.count("test_sim_streams.py:") == 2
    assert "event.wait(stream)" in found.text


def test_the_elements_count_not_the_arrays():
    first, second, x = cuda.stream(), cuda.stream(), cuda.to_device(np.zeros(N))
    every_other[1, N // 2, first](x, 0)
    every_other[1, N // 2, second](x, 1)
    race(lambda: put[1, 1, second](x, 0, 1))


@pytest.mark.parametrize(
    "wait",
    [
        lambda s: s.first.synchronize(),
        lambda _: cuda.synchronize(),
        lambda s: s.done.wait(s.second),
        lambda s: s.done.synchronize(),
        lambda s: s.done.query(),
        lambda _: put[1, 1](cuda.to_device(np.zeros(1)), 0, 1),
        lambda _: cuda.default_stream().synchronize(),
        lambda _: cuda.to_device(np.zeros(1)).copy_to_host(),
        lambda _: cuda.current_context().synchronize(),
    ],
    ids=["stream", "device", "wait", "event", "query", "default stream", "its end", "copy", "context"],
)
def test_what_orders_two_streams(wait):
    s, x = SimpleNamespace(first=cuda.stream(), second=cuda.stream(), done=cuda.event()), cuda.to_device(np.zeros(N))
    put[1, N, s.first](x, 0, 1)
    s.done.record(s.first)
    wait(s)
    put[1, N, s.second](x, 0, 2)


def test_the_default_stream_of_threads_waits_for_no_other():
    x = cuda.to_device(np.zeros(N))
    put[1, N, cuda.stream()](x, 0, 1)
    race(lambda: put[1, N, cuda.per_thread_default_stream()](x, 0, 2))


def test_what_is_not_looked_for():
    first, second, x = cuda.stream(), cuda.stream(), cuda.to_device(np.zeros(N))
    with simulating(hazards=False):
        put[1, N, first](x, 0, 1)
        put[1, N, second](x, 0, 2)


def test_freed_memory_is_forgotten():
    first, second = cuda.stream(), cuda.stream()
    for k in range(20):
        x = cuda.to_device(np.zeros(N))
        put[1, N, (first, second)[k % 2]](x, 0, 1)
        del x  # the next one has its memory


@pytest.mark.parametrize("make", ["managed_array", "mapped_array", "pinned_array"])
@pytest.mark.parametrize(
    "look",
    [
        lambda x: x[0],
        lambda x: x[1:][3],
        lambda x: float(x.sum()),
        lambda x: x + 1,
        lambda x: np.testing.assert_array_equal(x, np.ones(N)),
        lambda x: np.concatenate([x, x]),
        lambda x: list(x),
        lambda x: x.copy(),
        lambda x: x.__setitem__(0, 2),
        lambda x: x.__iadd__(1),
    ],
    ids=["element", "view", "sum", "add", "testing", "concatenate", "list", "copy", "set", "in place"],
)
def test_the_host_must_wait_before_it_touches_memory_that_both_see(make, look):
    with simulator(seed=0):
        x = getattr(cuda, make)(N, np.float64)
        x[:] = 0
        put[1, N](x, 0, 1)
        found = race(lambda: look(x))
        assert "memory before it has waited for kernel put" in found.summary
        cuda.synchronize()
        look(x)


def test_the_host_may_go_on_with_other_memory():
    x, y = cuda.managed_array(N, np.float64), cuda.managed_array(N, np.float64)
    x[:], y[:] = 0, 0
    put[1, N](x, N // 2, 1)
    y[:] = 2
    assert (x[: N // 2] == 0).all()
    race(lambda: x[N // 2 :].sum())
    assert x.copy_to_host().sum() == N // 2


def test_pageable_memory_is_there_when_a_copy_returns():
    stream, x, host = cuda.stream(), cuda.to_device(np.zeros(N)), np.zeros(N)
    put[1, N, stream](x, 0, 1)
    x.copy_to_host(host, stream=stream)
    other = cuda.stream()
    put[1, N, other](x, 0, 2)
    other.synchronize()
    with cuda.pinned(host):
        x.copy_to_host(host, stream=stream)
        race(lambda: put[1, N, cuda.stream()](x, 0, 3))


def test_callbacks_and_futures():
    stream, seen = cuda.stream(), []
    stream.add_callback(lambda *arguments: seen.append(arguments), "argument")
    assert seen == [(stream, 0, "argument")]

    async def wait():
        return await stream.async_done()

    assert asyncio.run(wait()) is stream


def test_streams_that_are_gone_leave_nothing_that_slows_down_later_launches():
    x = cuda.to_device(np.zeros(N))
    for value in range(5):
        for stream in (cuda.stream(), cuda.stream()):
            put[1, N, stream](x, 0, value)
            put[1, N](x, 0, value)
    del stream
    cuda.synchronize()
    put[1, N](x, 0, 1)
    gc.collect()  # exceptions of other tests hold streams
    assert not timeline.is_watched()
    assert set(timeline.DEFAULT.known) <= {timeline.DEFAULT, timeline.PER_THREAD}


def test_a_stream_that_is_dropped_still_does_its_work():
    x = cuda.to_device(np.zeros(N))
    put[1, N, cuda.stream()](x, 0, 1)
    race(lambda: put[1, N, cuda.stream()](x, 0, 2))
