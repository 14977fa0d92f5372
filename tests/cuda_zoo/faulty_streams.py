"""Programs on the host whose streams, or whose host, do not wait for each other."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, uniform, zeros

KIND = "race"


@cuda.jit
def double(x: Array) -> None:
    """Double an array."""
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= 2


@cuda.jit
def add(x: Array, y: Array) -> None:
    """Add an array to another one."""
    i = cuda.grid(1)
    if i < x.size:
        y[i] += x[i]


@faulty(KIND, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
def two_streams_on_one_array(x: Array, y: Array) -> None:
    """One stream doubles the array that another one adds."""
    first, second = cuda.stream(), cuda.stream()
    d_x, d_y = cuda.to_device(x), cuda.to_device(y)
    double[1, 128, first](d_x)  # fault
    add[1, 128, second](d_x, d_y)  # fault
    cuda.synchronize()
    d_y.copy_to_host(y)


@faulty(KIND, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
def event_that_nobody_waits_for(x: Array, y: Array) -> None:
    """The event after the first kernel is recorded, but the second stream does not wait for it."""
    first, second, done = cuda.stream(), cuda.stream(), cuda.event()
    d_x, d_y = cuda.to_device(x), cuda.to_device(y)
    double[1, 128, first](d_x)  # fault
    done.record(first)
    add[1, 128, second](d_x, d_y)  # fault
    done.wait(second)
    cuda.synchronize()
    d_y.copy_to_host(y)


@faulty(KIND, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
def event_recorded_too_early(x: Array, y: Array) -> None:
    """The second stream waits for an event that was recorded before the kernel."""
    first, second, done = cuda.stream(), cuda.stream(), cuda.event()
    d_x, d_y = cuda.to_device(x), cuda.to_device(y)
    done.record(first)
    double[1, 128, first](d_x)  # fault
    done.wait(second)
    add[1, 128, second](d_x, d_y)  # fault
    cuda.synchronize()
    d_y.copy_to_host(y)


@faulty(KIND, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
def copy_on_another_stream(x: Array, y: Array) -> None:
    """The data are copied to the device on one stream and used on another."""
    copying, computing = cuda.stream(), cuda.stream()
    d_x = cuda.to_device(x, stream=copying)  # fault
    double[1, 128, computing](d_x)  # fault
    cuda.synchronize()
    d_x.copy_to_host(y)


@faulty(KIND, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
def managed_memory_read_too_early(x: Array, y: Array) -> None:
    """The host reads managed memory while the kernel may still run."""
    data = cuda.managed_array(x.size, np.float32)
    data[:] = x
    double[1, 128](data)  # fault
    y[:] = data + 1  # fault


@faulty(KIND, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
def pinned_copy_read_too_early(x: Array, y: Array) -> None:
    """The host reads pinned memory while the copy into it may still run."""
    stream, host = cuda.stream(), cuda.pinned_array(x.size, np.float32)
    d_x = cuda.to_device(x, stream=stream)
    double[1, 128, stream](d_x)
    d_x.copy_to_host(host, stream=stream)  # fault
    for i in range(x.size):
        y[i] = host[i]  # fault
