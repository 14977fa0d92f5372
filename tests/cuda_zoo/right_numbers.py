"""Right kernels that compute with integers: random numbers, overflow, iterations without a common end."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, zeros

DRAWS = 16
STEPS = 8
ITERATIONS = 24
BITS = 32
DIGITS = 0xFFFFFFFF


@cuda.jit(device=True)
def _next(state: Any) -> Any:
    """Step a linear congruential generator, modulo 2^32."""
    return np.uint32(state * np.uint32(1664525) + np.uint32(1013904223))


def _next_on_host(state: Array) -> Array:
    return (state.astype(np.uint64) * 1664525 + 1013904223) & DIGITS


def _states(seeds: Array, steps: int) -> list[Array]:
    states = [seeds.astype(np.uint64)]
    for _ in range(steps):
        states.append(_next_on_host(states[-1]))
    return states[1:]


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (integers(rng, 1 << BITS, 64, np.uint32),),
    expected=lambda seeds: {0: _states(seeds, STEPS)[-1].astype(np.uint32)},
    exact=True,
)
@cuda.jit
def linear_congruential(states: Array) -> None:
    """Let integers of 32 bits wrap."""
    i = cuda.grid(1)
    state = states[i]
    for _ in range(STEPS):
        state = _next(state)
    states[i] = state


def _xorshift_on_host(seeds: Array) -> Array:
    state = seeds.astype(np.uint64)
    for _ in range(STEPS):
        state ^= (state << np.uint64(13)) & np.uint64(DIGITS)
        state ^= state >> np.uint64(17)
        state ^= (state << np.uint64(5)) & np.uint64(DIGITS)
    return state.astype(np.uint32)


@right(
    grid=1,
    block=64,
    arguments=lambda rng: (1 + integers(rng, 1 << 31, 64, np.uint32),),
    expected=lambda seeds: {0: _xorshift_on_host(seeds)},
    exact=True,
)
@cuda.jit
def xorshift(states: Array) -> None:
    """Shift bits out of an integer of 32 bits."""
    i = cuda.grid(1)
    state = states[i]
    for _ in range(STEPS):
        state = np.uint32(state ^ np.uint32(state << np.uint32(13)))
        state = np.uint32(state ^ np.uint32(state >> np.uint32(17)))
        state = np.uint32(state ^ np.uint32(state << np.uint32(5)))
    states[i] = state


@right(
    grid=1,
    block=64,
    arguments=lambda rng: (integers(rng, 1 << 31, 64), zeros(64, np.int32)),
    expected=lambda x, _: {1: (x.astype(np.int64) * 1103515245 + 12345).astype(np.int32)},
    exact=True,
)
@cuda.jit
def signed_overflow(x: Array, y: Array) -> None:
    """Let signed integers wrap."""
    i = cuda.grid(1)
    y[i] = np.int32(x[i] * np.int32(1103515245) + np.int32(12345))


def _hits_on_host(seeds: Array) -> Array:
    drawn = [state / 2.0**BITS for state in _states(seeds, 2 * DRAWS)]
    hits = np.zeros(seeds.shape, np.int32)
    for x, y in zip(drawn[::2], drawn[1::2], strict=True):
        hits += x * x + y * y <= 1
    return hits


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (integers(rng, 1 << BITS, 64, np.uint32), zeros(64, np.int32), zeros(1, np.int32)),
    expected=lambda seeds, *_: {1: _hits_on_host(seeds), 2: _hits_on_host(seeds).sum(keepdims=True)},
    exact=True,
)
@cuda.jit
def monte_carlo_pi(seeds: Array, hits: Array, total: Array) -> None:
    """Draw points of the unit square and count those in the circle."""
    i = cuda.grid(1)
    state = seeds[i]
    inside = 0
    for _ in range(DRAWS):
        state = _next(state)
        x = state / 4294967296.0
        state = _next(state)
        y = state / 4294967296.0
        if x * x + y * y <= 1.0:
            inside += 1
    hits[i] = inside
    cuda.atomic.add(total, 0, inside)


def _escapes(image: Array) -> Array:
    counts = np.zeros_like(image)
    for row, column in np.ndindex(*image.shape):
        c = complex(-2.0 + 3.0 * column / image.shape[1], -1.0 + 2.0 * row / image.shape[0])
        z = 0j
        while counts[row, column] < ITERATIONS and z.real * z.real + z.imag * z.imag <= 4.0:
            z = complex(z.real * z.real - z.imag * z.imag, 2.0 * z.real * z.imag) + c
            counts[row, column] += 1
    return counts


@right(
    grid=(3, 2),
    block=(8, 8),
    arguments=lambda _: (zeros((11, 19), np.int32),),
    expected=lambda image: {0: _escapes(image)},
    exact=True,
)
@cuda.jit
def mandelbrot(image: Array) -> None:
    """Iterate as long as each pixel needs."""
    column, row = cuda.grid(2)
    if row >= image.shape[0] or column >= image.shape[1]:
        return
    real = -2.0 + 3.0 * column / image.shape[1]
    imaginary = -1.0 + 2.0 * row / image.shape[0]
    x = 0.0
    y = 0.0
    count = 0
    while count < ITERATIONS and x * x + y * y <= 4.0:
        x, y = x * x - y * y + real, 2.0 * x * y + imaginary
        count += 1
    image[row, column] = count


def _collatz(number: int) -> int:
    count = 0
    while number != 1:
        number = 3 * number + 1 if number % 2 else number // 2
        count += 1
    return count


@right(
    grid=2,
    block=48,
    arguments=lambda _: (zeros(90, np.int64),),
    expected=lambda steps: {0: np.array([_collatz(i + 1) for i in range(steps.size)])},
    exact=True,
)
@cuda.jit
def collatz(steps: Array) -> None:
    """Loop until a value that depends on the thread is reached."""
    i = cuda.grid(1)
    if i < steps.size:
        number = i + 1
        count = 0
        while number != 1:
            number = number // 2 if number % 2 == 0 else 3 * number + 1
            count += 1
        steps[i] = count


@right(
    grid=4,
    block=32,
    arguments=lambda rng: (
        np.cumsum(rng.integers(0, 2, 120)).astype(np.int64),
        np.cumsum(rng.integers(0, 3600, 120)).astype(np.int64),
        zeros(120, np.int64),
    ),
    expected=lambda user, time, _: {2: _sessions(user, time)},
    exact=True,
)
@cuda.jit
def sessions_of_clicks(user: Array, time: Array, session: Array) -> None:
    """Divide clicks into sessions: each first click of one numbers those that follow."""
    first = cuda.grid(1)
    if first >= user.size:
        return
    if first > 0 and user[first] == user[first - 1] and time[first] - time[first - 1] <= 1800:
        return
    session[first] = first
    i = first + 1
    while i < user.size and user[i] == user[i - 1] and time[i] - time[i - 1] <= 1800:
        session[i] = first
        i += 1


def _sessions(user: Array, time: Array) -> Array:
    starts = np.ones(user.size, bool)
    starts[1:] = (np.diff(user) != 0) | (np.diff(time) > 1800)
    return np.maximum.accumulate(np.where(starts, np.arange(user.size), 0))
