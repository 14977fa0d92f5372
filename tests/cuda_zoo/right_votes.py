"""Right kernels whose lanes vote, match and compact."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, zeros

FULL = 0xFFFFFFFF
LAST = 0x000000FF
WARP = 32
WARPS = 2
THREADS = WARP * WARPS
BINS = 6


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 2, 128) | np.repeat([0, 1, 0, 0], 32), zeros((4, 3), np.int32)),
    expected=lambda x, _: {1: np.array([[r.all(), r.any(), r.all() == r.any()] for r in x.reshape(4, -1)])},
    exact=True,
)
@cuda.jit
def votes(x: Array, out: Array) -> None:
    """Ask whether all, any, or equal are the predicates of a warp."""
    i = cuda.grid(1)
    holds = x[i] != 0
    every = cuda.all_sync(FULL, holds)
    some = cuda.any_sync(FULL, holds)
    same = cuda.eq_sync(FULL, holds)
    if cuda.laneid == 0:
        out[i // WARP, 0] = 1 if every else 0
        out[i // WARP, 1] = 1 if some else 0
        out[i // WARP, 2] = 1 if same else 0


def _compacted(x: Array) -> Array:
    kept = np.zeros_like(x)
    positive = x[x > 0]
    kept[: positive.size] = positive
    return kept


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 64) - 50, zeros(64, np.int32), zeros(1, np.int32)),
    expected=lambda x, *_: {1: _compacted(x), 2: np.array([np.count_nonzero(x > 0)])},
    exact=True,
)
@cuda.jit
def compaction_by_ballots(x: Array, kept: Array, count: Array) -> None:
    """Count the votes of lower lanes and of lower warps for a place that keeps the order."""
    counts = cuda.shared.array(WARPS, np.int32)
    t = cuda.threadIdx.x
    warp = t // WARP
    keep = x[t] > 0
    ballot = cuda.ballot_sync(FULL, keep)
    if cuda.laneid == 0:
        counts[warp] = cuda.popc(ballot)
    cuda.syncthreads()
    place = cuda.popc(ballot & cuda.lanemask_lt())
    for lower in range(warp):
        place += counts[lower]
    if keep:
        kept[place] = x[t]
    if t == THREADS - 1:
        count[0] = place + (1 if keep else 0)


@right(
    grid=2,
    block=40,
    arguments=lambda rng: (integers(rng, 2, 80), zeros(80, np.int32)),
    expected=lambda x, _: {
        1: np.concatenate([np.full(part.size, part.sum()) for part in np.split(x, [32, 40, 72])]),
    },
    exact=True,
)
@cuda.jit
def ballots_of_a_short_warp(x: Array, counts: Array) -> None:
    """Name only the eight lanes that the last warp of the block has."""
    i = cuda.grid(1)
    if cuda.threadIdx.x < WARP:
        counts[i] = cuda.popc(cuda.ballot_sync(FULL, x[i] != 0))
    else:
        counts[i] = cuda.popc(cuda.ballot_sync(LAST, x[i] != 0))


@right(
    grid=2,
    block=50,
    arguments=lambda rng: (integers(rng, 2, 100), zeros(100, np.int32), zeros(1, np.int32)),
    expected=lambda x, *_: {
        1: (np.arange(100) < x.sum()).astype(np.int32),
        2: x.sum(keepdims=True),
    },
    exact=True,
)
@cuda.jit
def aggregated_atomics(x: Array, taken: Array, count: Array) -> None:
    """Let one of the lanes that are active together take places for all of them."""
    i = cuda.grid(1)
    if i < x.size and x[i] != 0:
        mask = cuda.activemask()
        leader = cuda.ffs(mask) - 1
        base = 0
        if cuda.laneid == leader:
            base = cuda.atomic.add(count, 0, cuda.popc(mask))
        base = cuda.shfl_sync(mask, base, leader)
        taken[base + cuda.popc(mask & cuda.lanemask_lt())] = 1


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, BINS, 128), zeros(BINS, np.int32)),
    expected=lambda keys, _: {1: np.bincount(keys, minlength=BINS)},
    exact=True,
)
@cuda.jit
def histogram_by_matching(keys: Array, counts: Array) -> None:
    """Let the first of the lanes with the same key add for all of them."""
    key = keys[cuda.grid(1)]
    peers = cuda.match_any_sync(FULL, key)
    if cuda.laneid == cuda.ffs(peers) - 1:
        cuda.atomic.add(counts, key, cuda.popc(peers))


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (np.where(np.arange(64) < 32, 7, integers(rng, 9, 64)).astype(np.int32), zeros(2, np.int32)),
    expected=lambda x, _: {1: np.array([row.min() == row.max() for row in x.reshape(2, -1)])},
    exact=True,
)
@cuda.jit
def matching_all(x: Array, same: Array) -> None:
    """Ask whether all lanes of a warp have the same value."""
    t = cuda.threadIdx.x
    _, equal = cuda.match_all_sync(FULL, x[t])
    if cuda.laneid == 0:
        same[t // WARP] = 1 if equal else 0


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (1 + integers(rng, 60, 64), zeros(64, np.int32), zeros(2, np.int32)),
    expected=lambda x, *_: {
        1: np.repeat(x.reshape(2, -1).max(axis=1), 32),
        2: x.reshape(2, -1).max(axis=1),
    },
    exact=True,
)
@cuda.jit
def loop_until_no_lane_goes_on(x: Array, rounds: Array, of_warps: Array) -> None:
    """Vote in the condition of a loop: all lanes of a warp leave it together."""
    t = cuda.threadIdx.x
    count = 0
    while cuda.any_sync(FULL, count < x[t]):
        count += 1
    rounds[t] = count
    if cuda.laneid == 0:
        of_warps[t // WARP] = count


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32)),
    expected=lambda x, _: {1: np.concatenate([x[:32] - x[31:32], x[32:] * 2])},
    exact=True,
)
@cuda.jit
def warps_of_two_kinds(x: Array, y: Array) -> None:
    """Branch by the warp: the lanes of one shuffle, those of the other do not."""
    t = cuda.threadIdx.x
    if t // WARP == 0:
        y[t] = x[t] - cuda.shfl_sync(FULL, x[t], WARP - 1)
    else:
        y[t] = x[t] * 2
