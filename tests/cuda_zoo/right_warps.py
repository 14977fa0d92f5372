"""Right kernels whose lanes exchange values by shuffles."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

FULL = 0xFFFFFFFF
LOWER = 0x0000FFFF
WARP = 32
WARPS = 4
TWO_WARPS = 2 * WARP
THREADS = WARP * WARPS


@right(
    grid=2,
    block=2 * WARP,
    arguments=lambda rng: (integers(rng, 100, 128), zeros(4, np.int32)),
    expected=lambda x, _: {1: x.reshape(4, -1).sum(axis=1)},
    exact=True,
)
@cuda.jit
def sums_of_warps(x: Array, sums: Array) -> None:
    """Reduce by shuffles from the lanes above."""
    i = cuda.grid(1)
    value = x[i]
    offset = WARP // 2
    while offset > 0:
        value += cuda.shfl_down_sync(FULL, value, offset)
        offset //= 2
    if cuda.laneid == 0:
        sums[i // WARP] = value


@right(
    grid=1,
    block=2 * WARP,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    expected=lambda x, _: {1: (x.reshape(2, -1) / x.reshape(2, -1).max(axis=1, keepdims=True)).ravel()},
    exact=True,
)
@cuda.jit
def butterfly(x: Array, y: Array) -> None:
    """Find the largest of a warp, known to all lanes in the end."""
    i = cuda.grid(1)
    largest = x[i]
    for k in range(5):
        largest = max(largest, cuda.shfl_xor_sync(FULL, largest, 1 << k))
    y[i] = x[i] / largest


@cuda.jit(device=True)
def _warp_sum(value: Any) -> Any:
    offset = WARP // 2
    while offset > 0:
        value += cuda.shfl_down_sync(FULL, value, offset)
        offset //= 2
    return value


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 350, np.float64), zeros(3, np.float64)),
    expected=lambda x, _: {1: np.add.reduceat(x, [0, 128, 256])},
)
@cuda.jit
def block_sum_in_two_stages(x: Array, sums: Array) -> None:
    """Let the first warp add the sums of all warps; every lane has a value, be it zero."""
    parts = cuda.shared.array(WARPS, np.float64)
    i = cuda.grid(1)
    warp = cuda.threadIdx.x // WARP
    lane = cuda.laneid
    value = 0.0
    if i < x.size:
        value = x[i]
    value = _warp_sum(value)
    if lane == 0:
        parts[warp] = value
    cuda.syncthreads()
    if warp == 0:
        value = 0.0
        if lane < WARPS:
            value = parts[lane]
        value = _warp_sum(value)
        if lane == 0:
            sums[cuda.blockIdx.x] = value


@right(
    grid=2,
    block=48,
    arguments=lambda rng: (integers(rng, 100, 96), zeros(2, np.int32)),
    expected=lambda x, _: {1: x.reshape(2, -1).sum(axis=1)},
    exact=True,
)
@cuda.jit
def half_warps(x: Array, sums: Array) -> None:
    """Reduce in groups of sixteen lanes, of which a block of 48 threads has three."""
    t = cuda.threadIdx.x
    value = x[cuda.grid(1)]
    mask = FULL if t < WARP else LOWER
    for k in range(4):
        value += cuda.shfl_xor_sync(mask, value, 8 >> k)
    if t % 16 == 0:
        cuda.atomic.add(sums, cuda.blockIdx.x, value)


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 128), zeros(128, np.int32)),
    expected=lambda x, _: {1: x.cumsum()},
    exact=True,
)
@cuda.jit
def scan_by_warps(x: Array, y: Array) -> None:
    """Scan each warp by shuffles from below, then the sums of the warps, then add."""
    sums = cuda.shared.array(WARPS, np.int32)
    t = cuda.threadIdx.x
    lane = cuda.laneid
    value = x[t]
    for k in range(5):
        below = cuda.shfl_up_sync(FULL, value, 1 << k)
        if lane >= 1 << k:
            value += below
    if lane == WARP - 1:
        sums[t // WARP] = value
    cuda.syncthreads()
    before = 0
    for warp in range(t // WARP):
        before += sums[warp]
    y[t] = value + before


@right(
    grid=1,
    block=WARP,
    arguments=lambda rng: (integers(rng, 1000, 32), zeros(32, np.int32)),
    expected=lambda x, _: {1: np.sort(x)},
    exact=True,
)
@cuda.jit
def bitonic_sort_of_a_warp(x: Array, y: Array) -> None:
    """Exchange with the lane across; no shared memory."""
    lane = cuda.laneid
    value = x[lane]
    size = 2
    while size <= WARP:
        stride = size // 2
        while stride > 0:
            other = cuda.shfl_xor_sync(FULL, value, stride)
            ascending = (lane & size) == 0
            lower = (lane & stride) == 0
            if ascending == lower:
                value = min(value, other)
            else:
                value = max(value, other)
            stride //= 2
        size *= 2
    y[lane] = value


@right(
    grid=1,
    block=2 * WARP,
    arguments=lambda rng: (integers(rng, 100, 64), integers(rng, 32, 64), zeros(64, np.int32)),
    expected=lambda x, source, _: {2: np.take_along_axis(x.reshape(2, -1), source.reshape(2, -1), axis=1).ravel()},
    exact=True,
)
@cuda.jit
def gather_of_lanes(x: Array, source: Array, y: Array) -> None:
    """Read from any lane."""
    i = cuda.grid(1)
    y[i] = cuda.shfl_sync(FULL, x[i], source[i])


@right(
    grid=1,
    block=WARP,
    arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)),
    expected=lambda x, _: {1: np.concatenate([x[:16][::-1], x[16:] + 1])},
    exact=True,
)
@cuda.jit
def shuffle_of_a_branch(x: Array, y: Array) -> None:
    """Name in the mask exactly the lanes that take the branch."""
    lane = cuda.laneid
    value = x[lane]
    if lane < 16:
        value = cuda.shfl_sync(LOWER, value, 15 - lane)
    else:
        value += 1
    y[lane] = value


@right(
    grid=1,
    block=2 * WARP,
    arguments=lambda rng: (uniform(rng, 64), zeros(1)),
    expected=lambda x, _: {1: x.sum(keepdims=True)},
)
@cuda.jit
def last_warp_with_syncwarp(x: Array, out: Array) -> None:
    """Reduce within a warp in shared memory: read, wait for the warp, write, wait for the warp."""
    s = cuda.shared.array(TWO_WARPS, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    if t < WARP:
        value = s[t] + s[t + WARP]
        cuda.syncwarp()
        s[t] = value
        cuda.syncwarp()
        stride = WARP // 2
        while stride > 0:
            value += s[t + stride]
            cuda.syncwarp()
            s[t] = value
            cuda.syncwarp()
            stride //= 2
        if t == 0:
            out[0] = value


@right(
    grid=1,
    block=WARP,
    arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)),
    expected=lambda x, _: {1: np.concatenate([np.roll(x[:16], -1), x[16:]])},
    exact=True,
)
@cuda.jit
def syncwarp_of_a_branch(x: Array, y: Array) -> None:
    """Wait for the lanes of a branch only."""
    s = cuda.shared.array(16, np.int32)
    lane = cuda.laneid
    if lane < 16:
        s[lane] = x[lane]
        cuda.syncwarp(LOWER)
        y[lane] = s[(lane + 1) % 16]
    else:
        y[lane] = x[lane]


@right(
    grid=2,
    block=2 * WARP,
    arguments=lambda rng: (uniform(rng, (4, 50)), uniform(rng, 50), zeros(4)),
    expected=lambda a, x, _: {2: a @ x},
)
@cuda.jit
def warp_per_row(a: Array, x: Array, y: Array) -> None:
    """Stride over a row, lanes as often as they need, and shuffle when all are back."""
    row = cuda.grid(1) // WARP
    total = np.float32(0)
    for column in range(cuda.laneid, a.shape[1], WARP):
        total += a[row, column] * x[column]
    for k in range(5):
        total += cuda.shfl_xor_sync(FULL, total, 16 >> k)
    if cuda.laneid == 0:
        y[row] = total


@right(
    grid=1,
    block=20,
    arguments=lambda rng: (integers(rng, 100, 20), zeros(20, np.int32)),
    expected=lambda x, _: {1: np.append(np.diff(x), 0)},
    exact=True,
)
@cuda.jit
def differences_of_a_short_warp(x: Array, y: Array) -> None:
    """What the last lane receives from the one that does not exist is thrown away."""
    t = cuda.threadIdx.x
    following = cuda.shfl_down_sync(FULL, x[t], 1)
    y[t] = following - x[t] if t < x.size - 1 else 0


@cuda.jit(device=True)
def _sum_of_lanes(value: Any, lanes: Any) -> Any:
    offset = WARP // 2
    while offset > 0:
        received = cuda.shfl_down_sync(FULL, value, offset)
        if cuda.laneid + offset < lanes:
            value += received
        offset //= 2
    return value


@right(
    grid=1,
    block=40,
    arguments=lambda rng: (integers(rng, 100, 40), zeros(2, np.int32)),
    expected=lambda x, _: {1: np.array([x[:32].sum(), x[32:].sum()])},
    exact=True,
)
@cuda.jit
def sums_with_a_short_warp(x: Array, sums: Array) -> None:
    """The second warp has eight lanes, and adds only what comes from them."""
    t = cuda.threadIdx.x
    total = _sum_of_lanes(x[t], min(WARP, x.size - t // WARP * WARP))
    if cuda.laneid == 0:
        sums[t // WARP] = total


@right(
    grid=1,
    block=24,
    arguments=lambda rng: (rng.permutation(24).astype(np.int32), zeros(1, np.int32)),
    expected=lambda x, _: {1: np.array([x.argmax()])},
    exact=True,
)
@cuda.jit
def place_of_the_largest(x: Array, place: Array) -> None:
    """The largest value and where it is go down the lanes, those that exist, together."""
    t = cuda.threadIdx.x
    best, where = x[t], t
    for step in (16, 8, 4, 2, 1):
        other = cuda.shfl_down_sync(FULL, best, step)
        other_where = cuda.shfl_down_sync(FULL, where, step)
        if t + step < x.size and other > best:
            best, where = other, other_where
    if t == 0:
        place[0] = where
