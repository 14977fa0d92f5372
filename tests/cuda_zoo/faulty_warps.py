"""Warp operations whose mask names absent lanes or not the caller, or that read from a lane that is not there."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

FULL = 0xFFFFFFFF
LOWER = 0x0000FFFF
WARP = 32
KIND = "absent-lane"


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)))
@cuda.jit
def shuffle_in_a_branch(x: Array, y: Array) -> None:
    """The mask names all lanes but half of them are elsewhere: undefined, may hang."""
    lane = cuda.laneid
    value = x[lane]
    if lane < 16:
        value += cuda.shfl_down_sync(FULL, value, 1)  # fault
    y[lane] = value


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)))
@cuda.jit
def mask_without_the_caller(x: Array, y: Array) -> None:
    """Half of the lanes call with a mask that does not name them: what they get is undefined."""
    lane = cuda.laneid
    y[lane] = cuda.shfl_sync(LOWER, x[lane], 3)  # fault


@faulty(KIND, grid=1, block=16, arguments=lambda rng: (integers(rng, 100, 16), zeros(16, np.int32)))
@cuda.jit
def neighbour_of_the_last_lane(x: Array, y: Array) -> None:
    """Lane 15 of a block of sixteen reads from lane 16, which does not exist: its difference is undefined."""
    lane = cuda.laneid
    y[lane] = cuda.shfl_down_sync(LOWER, x[lane], 1) - x[lane]  # fault


@faulty(KIND, grid=1, block=16, arguments=lambda rng: (integers(rng, 100, 16), zeros(16, np.int32)))
@cuda.jit
def butterfly_of_a_short_warp(x: Array, y: Array) -> None:
    """The butterfly of 32 lanes is used on sixteen: partners of the first step do not exist."""
    lane = cuda.laneid
    value = x[lane]
    for k in range(5):
        value += cuda.shfl_xor_sync(LOWER, value, 16 >> k)  # fault
    y[lane] = value


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)))
@cuda.jit
def ballot_in_a_branch(x: Array, y: Array) -> None:
    """Lanes that do not vote are named in the mask: undefined, may hang."""
    lane = cuda.laneid
    if x[lane] % 2 == 0:
        y[lane] = cuda.popc(cuda.ballot_sync(FULL, x[lane] > 50))  # fault


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (uniform(rng, 32), zeros(32)))
@cuda.jit
def syncwarp_in_a_branch(x: Array, y: Array) -> None:
    """Half of the lanes wait for all of them."""
    s = cuda.shared.array(16, np.float32)
    lane = cuda.laneid
    if lane < 16:
        s[lane] = x[lane]
        cuda.syncwarp()  # fault
        y[lane] = s[15 - lane]


@faulty(KIND, grid=2, block=64, arguments=lambda rng: (integers(rng, 100, 100), zeros(100, np.int32)))
@cuda.jit
def shuffle_after_a_return(x: Array, y: Array) -> None:
    """Lanes of the tail have returned, but the mask names them."""
    i = cuda.grid(1)
    if i >= x.size:
        return  # fault
    y[i] = x[i] + cuda.shfl_xor_sync(FULL, x[i], 1)  # fault


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)))
@cuda.jit
def read_from_a_lane_outside(x: Array, y: Array) -> None:
    """The mask is that of the branch, but the value is read from a lane of the other one."""
    lane = cuda.laneid
    if lane < 16:
        y[lane] = cuda.shfl_sync(LOWER, x[lane], 20)  # fault


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 50), zeros(1, np.int32)))
@cuda.jit
def shuffle_in_a_strided_loop(x: Array, out: Array) -> None:
    """In the last round the lanes of the tail have left the loop."""
    for i in range(cuda.laneid, x.size, WARP):
        value = x[i]
        for k in range(5):
            value += cuda.shfl_xor_sync(FULL, value, 1 << k)  # fault
        if cuda.laneid == 0:
            out[0] += value


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 4, 32), zeros(32, np.int32)))
@cuda.jit
def match_in_a_branch(keys: Array, y: Array) -> None:
    """Lanes with key zero do not take part, but are waited for."""
    lane = cuda.laneid
    if keys[lane] != 0:
        y[lane] = cuda.popc(cuda.match_any_sync(FULL, keys[lane]))  # fault


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)))
@cuda.jit
def mask_from_before_the_branch(x: Array, y: Array) -> None:
    """The mask was asked for before the lanes parted: it is out of date."""
    lane = cuda.laneid
    mask = cuda.ballot_sync(FULL, True)
    if x[lane] % 2 == 0:
        y[lane] = cuda.shfl_sync(mask, x[lane], lane)  # fault


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)))
@cuda.jit
def vote_behind_an_and(x: Array, y: Array) -> None:
    """The vote on the right of `and` is not evaluated by lanes whose left side is false."""
    lane = cuda.laneid
    if x[lane] > 50 and cuda.any_sync(FULL, x[lane] > 90):  # fault
        y[lane] = 1


@faulty(KIND, grid=1, block=WARP, arguments=lambda rng: (integers(rng, 100, 32), 20, zeros(32, np.int32)))
@cuda.jit
def mask_of_the_first_lanes(x: Array, n: int, y: Array) -> None:
    """The mask names the first lanes, which is right for them, but the others vote too."""
    lane = cuda.laneid
    every = cuda.all_sync((1 << n) - 1, x[lane] >= 0)  # fault
    y[lane] = 1 if every else 0


@faulty(KIND, grid=1, block=24, arguments=lambda rng: (integers(rng, 100, 24), zeros(1, np.int32)))
@cuda.jit
def sum_of_a_short_warp(x: Array, out: Array) -> None:
    """The tree is that of 32 lanes: lane 8 adds what the missing lane 24 gives, and hands it on to lane 0."""
    lane = cuda.laneid
    value = x[lane]
    for k in range(5):
        value += cuda.shfl_down_sync(FULL, value, 16 >> k)  # fault
    if lane == 0:
        out[0] = value


@cuda.jit(device=True)
def _neighbour(value: Any) -> Any:
    return cuda.shfl_down_sync(LOWER, value, 1)  # fault


@faulty(KIND, grid=1, block=16, arguments=lambda rng: (integers(rng, 16, 16), zeros(16, np.int32)))
@cuda.jit
def undefined_place_of_an_update(x: Array, counts: Array) -> None:
    """Lane 15 counts at an index that a lane gives that does not exist."""
    place = _neighbour(x[cuda.laneid])
    cuda.syncthreads()
    cuda.atomic.add(counts, place & 15, 1)
