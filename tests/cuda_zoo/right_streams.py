"""Programs on the host whose streams and whose host wait for each other: twins of the faulty ones."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, right, uniform, zeros


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


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100)), expected=lambda x, _: {1: 2 * x})
def two_kernels_on_one_stream(x: Array, y: Array) -> None:
    """Kernels and copies on one stream follow each other; another stream has another array."""
    first, second = cuda.stream(), cuda.stream()
    d_x, d_y, other = cuda.to_device(x), cuda.to_device(y), cuda.to_device(x)
    double[1, 128, first](d_x)
    double[1, 128, second](other)
    add[1, 128, first](d_x, d_y)
    d_y.copy_to_host(y, stream=first)
    first.synchronize()


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100)), expected=lambda x, _: {1: 2 * x})
def stream_that_waits_for_an_event(x: Array, y: Array) -> None:
    """The second stream waits for the event after the first kernel."""
    first, second, done = cuda.stream(), cuda.stream(), cuda.event()
    d_x, d_y = cuda.to_device(x), cuda.to_device(y)
    double[1, 128, first](d_x)
    done.record(first)
    done.wait(second)
    add[1, 128, second](d_x, d_y)
    cuda.synchronize()
    d_y.copy_to_host(y)


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100)), expected=lambda x, _: {1: 2 * x})
def halves_on_two_streams(x: Array, y: Array) -> None:
    """Each stream has one half of the array; the default stream waits for both."""
    first, second = cuda.stream(), cuda.stream()
    d_x = cuda.to_device(x)
    double[1, 64, first](d_x[:50])
    double[1, 64, second](d_x[50:])
    d_x.copy_to_host(y)


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100)), expected=lambda x, _: {1: 3 * x})
def both_streams_read(x: Array, y: Array) -> None:
    """Two streams read one array, after the host has waited for the copy of it."""
    first, second = cuda.stream(), cuda.stream()
    d_x = cuda.to_device(x, stream=first)
    sums = [cuda.to_device(y) for _ in range(2)]
    first.synchronize()
    add[1, 128, first](d_x, sums[0])
    add[1, 128, second](d_x, sums[1])
    add[1, 128](sums[0], sums[1])
    add[1, 128](d_x, sums[1])
    sums[1].copy_to_host(y)


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100)), expected=lambda x, _: {1: 2 * x + 1})
def managed_memory_after_the_kernel(x: Array, y: Array) -> None:
    """The host waits for the kernel before it reads managed memory."""
    data = cuda.managed_array(x.size, np.float32)
    data[:] = x
    double[1, 128](data)
    cuda.synchronize()
    y[:] = data + 1


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100)), expected=lambda x, _: {1: 2 * x})
def pinned_copy_after_its_event(x: Array, y: Array) -> None:
    """The host waits for the event after the copy into pinned memory."""
    stream, host, done = cuda.stream(), cuda.pinned_array(x.size, np.float32), cuda.event()
    d_x = cuda.to_device(x, stream=stream)
    double[1, 128, stream](d_x)
    d_x.copy_to_host(host, stream=stream)
    done.record(stream)
    done.synchronize()
    for i in range(x.size):
        y[i] = host[i]


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100)), expected=lambda x, _: {1: 4 * x})
def arrays_of_the_host(x: Array, y: Array) -> None:
    """NumPy arrays are copied back before the launch returns; so are those of the stream's block."""
    stream = cuda.stream()
    y[:] = x
    double[1, 128, stream](y)
    y[:] = y + 0
    with stream.auto_synchronize():
        double[1, 128, stream](y)
