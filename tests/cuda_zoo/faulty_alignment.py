"""Views of bytes as larger elements that do not start where a GPU can read them."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, uint8

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

KIND = "misaligned"
BYTES = 512
HEADER = 4


@faulty(KIND, grid=1, block=32, arguments=lambda rng: (uniform(rng, 32, np.float64), zeros(32, np.float64)))
@cuda.jit
def doubles_behind_a_header(x: Array, y: Array) -> None:
    """The doubles begin behind a header of four bytes."""
    raw = cuda.shared.array(BYTES, uint8)
    t = cuda.threadIdx.x
    doubles = raw[HEADER : HEADER + 256].view(np.float64)
    doubles[t] = x[t]  # fault
    cuda.syncthreads()
    y[t] = doubles[t ^ 1]


@cuda.jit
def scale(x: Array) -> None:
    """Double the elements of an array."""
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= 2  # fault


@faulty(KIND, arguments=lambda rng: (integers(rng, 100, 129, np.uint8),))
def message_behind_one_byte(raw: Array) -> None:
    """The numbers of a message begin behind one byte."""
    message = cuda.to_device(raw)
    scale[1, 32](message[1:].view(np.float32))
    message.copy_to_host(raw)
