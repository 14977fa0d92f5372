"""Kernels whose counters were worked out by hand: what every one must count, and the twin that does better.

A warp has 32 lanes, memory moves sectors of 32 bytes, shared memory has 32 banks of 4 bytes. ``x`` holds float32 and ``y``
is written, unless said otherwise; arrays begin at a multiple of 256 bytes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import complex128, cuda, float32, float64, int32, uint8

N = 4096
PAIR = np.dtype([("a", "f4"), ("b", "f4"), ("c", "f4"), ("d", "f4")])


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A kernel, its launch, and the totals due, by property of ``LaunchCounters`` or by (attribute, memory, access)."""

    kernel: Any
    due: dict[Any, int]
    grid: Any = 1
    block: Any = 32
    arguments: Any = None


COUNTED: dict[str, Counted] = {}


def counted(due, grid=1, block=32, arguments=None):
    """Add a kernel, under its name."""

    def add(function):
        COUNTED[function.__name__] = Counted(
            kernel=cuda.jit(function), due=due, grid=grid, block=block, arguments=arguments
        )
        return function

    return add


def loads(requests, sectors, needed, used, executions=None):
    """What loads from global memory count."""
    found = {("requests", "global", "load"): requests, ("sectors", "global", "load"): sectors}
    found |= {("sectors_needed", "global", "load"): needed, ("bytes_used", "global", "load"): used}
    return found | ({} if executions is None else {("executions", "global", "load"): executions})


def shared(access, requests, wavefronts, least):
    """What accesses to shared memory count."""
    found = {("requests", "shared", access): requests, ("wavefronts", "shared", access): wavefronts}
    return found | {("least_wavefronts", "shared", access): least}


# Global memory: one warp, 32 values of 4 bytes are 128 bytes, 4 sectors


@counted(loads(1, 4, 4, 128, 32))
def coalesced(x, y):
    i = cuda.grid(1)
    y[i] = x[i]


@counted(loads(1, 8, 4, 128))
def strided_by_2(x, y):
    i = cuda.grid(1)
    y[i] = x[2 * i]


@counted(loads(1, 16, 4, 128))
def strided_by_4(x, y):
    i = cuda.grid(1)
    y[i] = x[4 * i]


@counted(loads(1, 32, 4, 128))
def strided_by_8(x, y):
    i = cuda.grid(1)
    y[i] = x[8 * i]


@counted(loads(1, 32, 4, 128))
def strided_by_32(x, y):
    i = cuda.grid(1)
    y[i] = x[32 * i]


@counted(loads(1, 5, 4, 128))
def misaligned_by_1(x, y):
    i = cuda.grid(1)
    y[i] = x[i + 1]


@counted(loads(1, 4, 4, 128))
def moved_by_8(x, y):
    i = cuda.grid(1)
    y[i] = x[i + 8]


@counted(loads(1, 1, 1, 4))
def broadcast(x, y):
    y[cuda.grid(1)] = x[0]


@counted(loads(1, 4, 4, 128))
def backwards(x, y):
    i = cuda.grid(1)
    y[i] = x[31 - i]


@counted(loads(1, 4, 4, 128))
def permuted(x, y):
    i = cuda.grid(1)
    y[i] = x[(i * 5 + 3) % 32]


@counted(loads(1, 2, 2, 64))
def by_pairs(x, y):
    i = cuda.grid(1)
    y[i] = x[i // 2]


@counted(
    {("requests", "global", "store"): 1, ("sectors", "global", "store"): 32, ("bytes_used", "global", "store"): 128}
)
def scattered(x, y):
    i = cuda.grid(1)
    y[16 * i] = x[i]


@counted(loads(4, 64, 16, 512), arguments=lambda: (np.zeros(N, PAIR), np.zeros(N, "f4")))
def array_of_structures(x, y):  # the fields of 32 records of 16 bytes: each load touches all 16 sectors
    i = cuda.grid(1)
    y[i] = x[i].a + x[i].b + x[i].c + x[i].d


@counted(loads(4, 16, 16, 512), arguments=lambda: (np.zeros((4, N), "f4"), np.zeros(N, "f4")))
def structure_of_arrays(x, y):
    i = cuda.grid(1)
    y[i] = x[0, i] + x[1, i] + x[2, i] + x[3, i]


@counted(loads(1, 8, 8, 256), arguments=lambda: (np.zeros(N), np.zeros(N)))
def doubles(x, y):
    i = cuda.grid(1)
    y[i] = x[i]


@counted(loads(1, 16, 16, 512), arguments=lambda: (np.zeros(N, "c16"), np.zeros(N, "c16")))
def sixteen_bytes(x, y):
    i = cuda.grid(1)
    y[i] = x[i]


@counted(loads(1, 1, 1, 32), arguments=lambda: (np.zeros(N, "u1"), np.zeros(N, "u1")))
def single_bytes(x, y):
    i = cuda.grid(1)
    y[i] = x[i]


@counted(loads(8, 32, 32, 1024), block=(16, 16), arguments=lambda: (np.zeros((64, 64), "f4"), np.zeros((64, 64), "f4")))
def sixteen_wide(x, y):  # a warp has two rows of 16 values, 64 bytes each
    j, i = cuda.grid(2)
    y[i, j] = x[i, j]


@counted(loads(2, 64, 8, 256), block=(8, 8), arguments=lambda: (np.zeros((64, 64), "f4"), np.zeros((64, 64), "f4")))
def down_the_columns(x, y):  # a warp has 8 values in x, which are 8 rows, and 4 in y: 8 rows of 16 bytes
    i, j = cuda.grid(2)
    y[j, i] = x[i, j]


COUNTED["down_the_columns"].due.update(loads(2, 16, 8, 256))


@counted(
    loads(32, 1024, 128, 4096), block=(32, 32), arguments=lambda: (np.zeros((32, 32), "f4"), np.zeros((32, 32), "f4"))
)
def transposed(x, y):
    i, j = cuda.grid(2)
    y[j, i] = x[i, j]


# Warps and blocks that are not whole


@counted(loads(1, 3, 3, 80, 20), block=20)
def partial_warp(x, y):
    i = cuda.grid(1)
    y[i] = x[i]


@counted({**loads(2, 5, 5, 160, 40), "idle_threads": 24, "splits": 1}, block=64)
def guarded(x, y):
    i = cuda.grid(1)
    if i < 40:
        y[i] = x[i]


@counted({**loads(13, 50, 50, 1600, 400), "idle_threads": 112}, grid=4, block=128)
def partial_block(x, y):
    i = cuda.grid(1)
    if i < 400:
        y[i] = x[i]


@counted({**loads(1000, 1000, 1000, 4000, 1000), "idle_threads": 31})
def one_thread(x, y):
    if cuda.threadIdx.x == 0:
        total = float32(0)
        for k in range(1000):
            total += x[k]
        y[0] = total


# Shared memory


@counted(shared("load", 1, 1, 1) | shared("store", 1, 1, 1))
def along_a_row(x, y):
    tile, t = cuda.shared.array((32, 32), float32), cuda.threadIdx.x
    tile[0, t] = x[t]
    cuda.syncthreads()
    y[t] = tile[0, 31 - t]


@counted({**shared("store", 1, 32, 1), "shared_conflicts": 31 * 2})
def along_a_column(x, y):
    tile, t = cuda.shared.array((32, 32), float32), cuda.threadIdx.x
    tile[t, 0] = x[t]
    cuda.syncthreads()
    y[t] = tile[31 - t, 0]


@counted({**shared("store", 1, 1, 1), "shared_conflicts": 0})
def along_a_padded_column(x, y):
    tile, t = cuda.shared.array((32, 33), float32), cuda.threadIdx.x
    tile[t, 0] = x[t]
    cuda.syncthreads()
    y[t] = tile[31 - t, 0]


@counted({**shared("store", 32, 32, 32), **shared("load", 32, 32, 32), "shared_conflicts": 0}, block=(32, 32))
def swizzled(x, y):  # rows in, columns out, without padding
    tile = cuda.shared.array((32, 32), float32)
    j, i = cuda.threadIdx.x, cuda.threadIdx.y
    tile[i, j ^ i] = x[32 * i + j]
    cuda.syncthreads()
    y[32 * i + j] = tile[j, i ^ j]


def apart(distance):
    """A kernel whose lanes are so many words apart in shared memory."""

    def kernel(x, y):
        s, t = cuda.shared.array(1024, float32), cuda.threadIdx.x
        s[distance * t] = x[t]
        cuda.syncthreads()
        y[t] = s[distance * t]

    kernel.__name__ = f"{distance}_words_apart"
    return kernel


for words in (1, 2, 3, 4, 8, 16, 32):
    ways = words if words != 3 else 1
    counted({**shared("load", 1, ways, 1), "shared_conflicts": 2 * (ways - 1), ("ways", ways): 2})(apart(words))


@counted({**shared("load", 1, 1, 1), "shared_conflicts": 0})
def one_word_for_all(x, y):
    s, t = cuda.shared.array(32, float32), cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[7]


@counted({**shared("load", 1, 1, 1), "shared_conflicts": 0})
def one_word_for_two(x, y):
    s, t = cuda.shared.array(32, float32), cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[t // 2]


@counted({**shared("load", 1, 2, 2), "shared_conflicts": 0}, arguments=lambda: (np.zeros(N), np.zeros(N)))
def shared_doubles(x, y):  # two halves of 16 lanes, 128 bytes each
    s, t = cuda.shared.array(32, float64), cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[t]


@counted({**shared("load", 1, 4, 2), "shared_conflicts": 4}, arguments=lambda: (np.zeros(N), np.zeros(N)))
def shared_doubles_by_2(x, y):  # lanes t and t + 8 of each half share a bank
    s, t = cuda.shared.array(64, float64), cuda.threadIdx.x
    s[2 * t] = x[t]
    cuda.syncthreads()
    y[t] = s[2 * t]


@counted({**shared("load", 1, 4, 4), "shared_conflicts": 0}, arguments=lambda: (np.zeros(N, "c16"), np.zeros(N, "c16")))
def shared_sixteen_bytes(x, y):  # four quarters of 8 lanes, 128 bytes each
    s, t = cuda.shared.array(32, complex128), cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[t]


@counted({**shared("load", 1, 8, 4), "shared_conflicts": 8}, arguments=lambda: (np.zeros(N, "c16"), np.zeros(N, "c16")))
def shared_sixteen_bytes_by_2(x, y):  # lanes t and t + 4 of each quarter share banks
    s, t = cuda.shared.array(64, complex128), cuda.threadIdx.x
    s[2 * t] = x[t]
    cuda.syncthreads()
    y[t] = s[2 * t]


@counted({**shared("load", 1, 1, 1), "shared_conflicts": 0}, arguments=lambda: (np.zeros(N, "u1"), np.zeros(N, "u1")))
def shared_bytes(x, y):  # 32 bytes are 8 words in 8 banks
    s, t = cuda.shared.array(32, uint8), cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[t]


# Divergence


@counted({"splits": 1, ("warps", "odd"): 1, ("warps", "even"): 1})
def by_lane(x, y):
    t = cuda.threadIdx.x
    if t % 2:
        y[t] = x[t]  # odd
    else:
        y[t] = 2 * x[t]  # even


@counted({"splits": 0, ("warps", "odd"): 1, ("warps", "even"): 1}, block=64)
def by_warp(x, y):
    t = cuda.threadIdx.x
    if t // 32 % 2:
        y[t] = x[t]  # odd
    else:
        y[t] = 2 * x[t]  # even


@counted(
    {("requests", "global", "load"): 1 + 31, ("executions", "global", "load"): 32 + 496, "splits": 31},
    arguments=lambda: (np.arange(N, dtype="i4"), np.zeros(N, "f4")),
)
def by_data(x, y):  # lane t makes t rounds: the warp makes 31, with fewer and fewer lanes
    t, total = cuda.threadIdx.x, float32(0)
    for k in range(x[t]):
        total += x[64 + 32 * k + t]
    y[t] = total


@counted({("requests", "global", "load"): 8, ("executions", "global", "load"): 4 * (16 * 1 + 16 * 2)})
def inner_rounds_differ(x, y):  # in each of 4 rounds one or two: the lanes meet again after each
    t, total = cuda.threadIdx.x, float32(0)
    for k in range(4):
        for m in range(1 + t % 2):
            total += x[64 * k + 32 * m + t]
    y[t] = total


@counted({("requests", "global", "load"): 10, ("executions", "global", "load"): 10 * 16})
def skipped_in_turn(x, y):  # even lanes in even rounds, odd lanes in odd ones: never together
    t, total = cuda.threadIdx.x, float32(0)
    for k in range(10):
        if k % 2 == t % 2:
            total += x[32 * k + t]
    y[t] = total


@counted({("requests", "global", "load"): 6, ("executions", "global", "load"): 6 * 32})
def until_break(x, y):
    t, total = cuda.threadIdx.x, float32(0)
    for k in range(100):
        total += x[32 * k + t]
        if k == 5:
            break
    y[t] = total


# Atomic operations


@counted(
    {("addresses", "global", "atomic"): 4, ("most_at_one_address", "global", "atomic"): 128}
    | {"atomic_requests": 4, "hottest_address": 128},
    grid=2,
    block=64,
)
def on_one_address(x, y):
    cuda.atomic.add(y, 0, x[cuda.grid(1)])


@counted(
    {("addresses", "global", "atomic"): 32, ("most_at_one_address", "global", "atomic"): 1}
    | {("sectors", "global", "atomic"): 4, "hottest_address": 1}
)
def on_own_addresses(x, y):
    i = cuda.grid(1)
    cuda.atomic.add(y, i, x[i])


@counted({("addresses", "global", "atomic"): 4, ("most_at_one_address", "global", "atomic"): 8, "hottest_address": 8})
def on_four_addresses(x, y):
    i = cuda.grid(1)
    cuda.atomic.add(y, i % 4, x[i])


@counted({("requests", "shared", "atomic"): 1, ("most_at_one_address", "shared", "atomic"): 32, "hottest_address": 0})
def on_shared_memory(x, y):
    s, t = cuda.shared.array(1, float32), cuda.threadIdx.x
    if t == 0:
        s[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(s, 0, x[t])
    cuda.syncthreads()
    y[t] = s[0]


@counted(
    {("requests", "global", "compare-and-swap"): 1, ("executions", "global", "compare-and-swap"): 32}
    | {"atomic_requests": 1, ("requests", "global", "atomic"): 0},
    arguments=lambda: (np.zeros(N, "i4"), np.zeros(N, "i4")),
)
def compare_and_swap(x, y):
    t = cuda.threadIdx.x
    x[t] = cuda.atomic.cas(y, t, 0, t)


# Local arrays, meetings, device functions


@counted({("requests", "local", "store"): 4, ("requests", "local", "load"): 1, ("sectors", "local", "load"): 16})
def local_array(x, y):  # lanes read four different rows of local memory, each of 128 bytes
    local, t = cuda.local.array(4, float32), cuda.threadIdx.x
    for k in range(4):
        local[k] = x[32 * k + t]
    y[t] = local[t % 4]


@counted({("barriers", "executions"): 3 * 64, ("barriers", "requests"): 3 * 2}, block=64)
def three_barriers(x, y):
    for _ in range(3):
        cuda.syncthreads()


@counted({("warp operations", "executions"): 5 * 32, ("warp operations", "requests"): 5})
def reduced_by_shuffles(x, y):
    t = cuda.threadIdx.x
    value, apart = x[t], int32(16)
    while apart > 0:
        value += cuda.shfl_down_sync(0xFFFFFFFF, value, apart)
        apart //= 2
    if t == 0:
        y[0] = value


@cuda.jit(device=True)
def read_twice(x, i):
    total = float32(0)
    for k in range(2):
        total += x[i + 32 * k]
    return total


@counted({("requests", "global", "load"): 3 * 2, ("executions", "global", "load"): 3 * 2 * 32})
def calls_in_a_loop(x, y):
    t, total = cuda.threadIdx.x, float32(0)
    for k in range(3):
        total += read_twice(x, 64 * k + t)
    y[t] = total


@counted({("requests", "global", "load"): 4, ("executions", "global", "load"): 4 * 32, "splits": 0})
def calls_twice(x, y):
    t = cuda.threadIdx.x
    y[t] = read_twice(x, t) + read_twice(x, 64 + t)
