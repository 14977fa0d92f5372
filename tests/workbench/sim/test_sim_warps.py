"""Barriers, shuffles and votes work in the simulator, with the values and types of a GPU."""

import numba
import numpy as np
import pytest
from numba import cuda, types
from numba.core.errors import TypingError

from tests.workbench.sim.simulated import FULL, equal, run, seen_types, type_of, types_of, zeros
from workbench.sim import simulator


@pytest.fixture(autouse=True)
def _simulated():
    with simulator():
        yield


def test_barriers_count_and_agree():
    @cuda.jit
    def kernel(x, out):
        t = cuda.threadIdx.x
        out[0, t] = cuda.syncthreads_count(x[t])
        out[1, t] = cuda.syncthreads_and(x[t]) + 10 * cuda.syncthreads_and(1)
        out[2, t] = cuda.syncthreads_or(x[t]) + 10 * cuda.syncthreads_or(numba.int8(0))
        cuda.syncwarp()
        cuda.threadfence()
        cuda.threadfence_block()
        cuda.threadfence_system()
        cuda.nanosleep(100)
        cuda.nanosleep(numba.uint32(t))
        cuda.syncthreads()

    x, out = np.array([0, 5, -1, 0, 7] * 8, np.int32), zeros((3, 40), np.int32)
    run(kernel, x, out, block=40)
    equal(out, np.repeat([[24], [10], [1]], 40, axis=1))
    assert types_of(*(f"cuda.syncthreads_{each}(i64)" for each in ("count", "and", "or"))) == ["int32"] * 3
    for predicate in ("b", "f32"):
        with pytest.raises(TypingError, match="must be an integer"):
            types_of(f"cuda.syncthreads_count({predicate})")


def test_a_grid_synchronises_over_blocks():
    @cuda.jit
    def kernel(x, codes):
        grid = cuda.cg.this_grid()
        i, step = cuda.grid(1), cuda.gridsize(1)
        for turn in range(3):
            code = grid.sync()
            value = x[turn, (i + 7) % step] + 1
            x[turn + 1, i] = value
        codes[i] = type_of(grid.sync()) + 0 * code

    x, codes = zeros((4, 24)), zeros(24, np.int64)
    x[0] = np.arange(24)
    run(kernel, x, codes, grid=3, block=8)
    equal(x[3], (np.arange(24) + 21) % 24 + 3)
    assert seen_types[codes[0]] == "int32"
    assert kernel.overloads[(types.float32[:],)].max_cooperative_grid_blocks(8) >= 3


# warps


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64])
def test_shuffles(dtype):
    @cuda.jit
    def kernel(x, out, source, codes):
        t = cuda.threadIdx.x
        lane, value = t % 32, x[t]
        out[0, t] = cuda.shfl_sync(FULL, value, source[t])
        out[1, t] = cuda.shfl_sync(-1, value, 33)
        out[2, t] = cuda.shfl_up_sync(FULL, value, 3)
        out[3, t] = cuda.shfl_down_sync(FULL, value, np.int64(30))
        out[4, t] = cuda.shfl_xor_sync(FULL, value, 5)
        if lane < 8:
            out[5, t] = cuda.shfl_sync(0xFF, value, 7 - lane)
        codes[t] = type_of(cuda.shfl_up_sync(FULL, value, 1))

    x = (np.arange(64) * 2.0**33 / 3).astype(dtype) if dtype != np.int32 else np.arange(64, dtype=dtype) * -12345678
    source = np.arange(64, dtype=np.int32)[::-1].copy() % 32
    out, codes = zeros((6, 64), dtype), zeros(64, np.int64)
    run(kernel, x, out, source, codes, block=64)
    warp, lane = np.divmod(np.arange(64), 32)
    places = [source, 1, np.where(lane < 3, lane, lane - 3), np.where(lane > 1, lane, lane + 30), lane ^ 5]
    for found, place in zip(out, places, strict=False):
        equal(found, x[32 * warp + place])
    equal(out[5], np.where(lane < 8, x[32 * warp + (7 - lane) % 32], 0))
    assert seen_types[codes[0]] == np.dtype(dtype).name


def test_votes_matches_and_masks():
    @cuda.jit
    def kernel(x, out):
        t = cuda.threadIdx.x
        lane, value, number = cuda.laneid, x[t], numba.float64(x[t])
        out[0, t] = cuda.ballot_sync(FULL, value > 2)
        out[1, t] = cuda.all_sync(FULL, value) + 10 * cuda.any_sync(FULL, value > 6)
        out[2, t] = cuda.eq_sync(FULL, value > 2) + 10 * cuda.eq_sync(FULL, True) + 100 * cuda.all_sync(-1, 1)
        out[3, t] = cuda.match_any_sync(FULL, value)
        out[4, t] = cuda.match_any_sync(FULL, number / 3)
        mask, same = cuda.match_all_sync(FULL, number)
        everywhere = cuda.match_all_sync(FULL, np.float32(0.1))
        out[5, t] = 10 * mask + same
        out[6, t] = everywhere[1] * 10 + (everywhere[0] == np.int32(FULL))
        out[7, t] = cuda.lanemask_lt()
        if lane % 2:
            out[8, t] = cuda.activemask()
            cuda.syncwarp(0xAAAAAAAA)
            out[9, t] = cuda.ballot_sync(0xAAAAAAAA, lane > 16)

    x, out = np.tile(np.array([1, 3, 3, 7], np.int32), 16), zeros((10, 64), np.int64)
    run(kernel, x, out, block=64)
    odd = np.arange(64) % 2 == 1
    lane = np.arange(64) % 32
    masks = np.where(x == 1, 0x11111111, np.where(x == 3, 0x66666666, 0x88888888 - (1 << 32)))
    equal(out[0], 0xEEEEEEEE - (1 << 32))
    equal(out[1], 11)
    equal(out[2], 110)
    equal(out[3], masks)
    equal(out[4], masks)
    equal(out[5], 0)
    equal(out[6], 11)
    equal(out[7], (1 << lane) - 1)
    equal(out[8], np.where(odd, 0xAAAAAAAA, 0))
    equal(out[9], np.where(odd, 0xAAAA0000 - (1 << 32), 0))


def test_warp_operations_have_the_types_of_the_gpu():
    given = ["i32", "i64", "f32", "f64"]
    masks = [f"cuda.match_any_sync(1, {each})" for each in given]
    assert types_of(*masks, "cuda.ballot_sync(1, b)", "cuda.ballot_sync(1, u64)") == ["int32"] * 6
    assert types_of(*(f"cuda.{each}_sync(1, i64)" for each in ("all", "any", "eq"))) == ["bool"] * 3
    assert types_of("cuda.match_all_sync(1, f32)") == ["Tuple(int32, bool)"]
    for refused in ("shfl_sync(1, u32, 0)", "shfl_up_sync(1, i8, 0)", "shfl_xor_sync(1, b, 0)"):
        with pytest.raises(TypingError, match="shuffles"):
            types_of(f"cuda.{refused}")
    with pytest.raises(TypingError, match="predicate"):
        types_of("cuda.ballot_sync(1, f32)")


# atomic operations
