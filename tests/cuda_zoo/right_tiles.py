"""Right kernels with tiles of two dimensions in shared memory."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float32

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

TILE = 8
PADDED = TILE + 1
HALOED = TILE + 2
KERNEL = np.array([[0.1, 0.2, 0.1], [0.0, 0.5, 0.25], [0.3, 0.05, 0.15]], np.float32)


@right(
    grid=(2, 3),
    block=(TILE, TILE),
    arguments=lambda rng: (uniform(rng, (21, 13)), uniform(rng, (13, 11)), zeros((21, 11))),
    expected=lambda a, b, _: {2: a @ b},
)
@cuda.jit
def tiled_matmul(a: Array, b: Array, c: Array) -> None:
    """Multiply matrices whose sizes are no multiples of the tile's: tiles are filled up with zeros."""
    s = cuda.shared.array((TILE, TILE), float32)
    r = cuda.shared.array((TILE, TILE), float32)
    column, row = cuda.grid(2)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    total = float32(0.0)
    for first in range(0, a.shape[1], TILE):
        s[ty, tx] = 0
        r[ty, tx] = 0
        if row < a.shape[0] and first + tx < a.shape[1]:
            s[ty, tx] = a[row, first + tx]
        if first + ty < b.shape[0] and column < b.shape[1]:
            r[ty, tx] = b[first + ty, column]
        cuda.syncthreads()
        for k in range(TILE):
            total += s[ty, k] * r[k, tx]
        cuda.syncthreads()
    if row < c.shape[0] and column < c.shape[1]:
        c[row, column] = total


@right(
    grid=(2, 2),
    block=(TILE, TILE),
    arguments=lambda rng: (uniform(rng, (16, 24)), uniform(rng, (24, 16)), zeros((16, 16))),
    expected=lambda a, b, _: {2: a @ b},
)
@cuda.jit
def matmul_of_two_buffers(a: Array, b: Array, c: Array) -> None:
    """Fill one pair of tiles while the other is read: one barrier for each."""
    s = cuda.shared.array((2, TILE, TILE), np.float32)
    r = cuda.shared.array((2, TILE, TILE), np.float32)
    column, row = cuda.grid(2)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    s[0, ty, tx] = a[row, tx]
    r[0, ty, tx] = b[ty, column]
    tiles = a.shape[1] // TILE
    total = np.float32(0)
    for tile in range(tiles):
        cuda.syncthreads()
        now = tile % 2
        if tile + 1 < tiles:
            s[1 - now, ty, tx] = a[row, (tile + 1) * TILE + tx]
            r[1 - now, ty, tx] = b[(tile + 1) * TILE + ty, column]
        for k in range(TILE):
            total += s[now, ty, k] * r[now, k, tx]
    c[row, column] = total


@right(
    grid=(3, 2),
    block=(TILE, TILE),
    arguments=lambda rng: (uniform(rng, (12, 20)), zeros((20, 12))),
    expected=lambda x, _: {1: x.T},
    exact=True,
)
@cuda.jit
def tiled_transpose(x: Array, y: Array) -> None:
    """Transpose through a tile whose extra column avoids bank conflicts."""
    tile = cuda.shared.array((TILE, PADDED), np.float32)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    column = cuda.blockIdx.x * TILE + tx
    row = cuda.blockIdx.y * TILE + ty
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    row = cuda.blockIdx.x * TILE + ty
    column = cuda.blockIdx.y * TILE + tx
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = tile[tx, ty]


@right(
    grid=(2, 2),
    block=(TILE, 2),
    arguments=lambda rng: (integers(rng, 100, (16, 16)), zeros((16, 16), np.int32)),
    expected=lambda x, _: {1: x.T},
    exact=True,
)
@cuda.jit
def transpose_of_four_rows_each(x: Array, y: Array) -> None:
    """Let each thread move four elements of its tile."""
    tile = cuda.shared.array((TILE, PADDED), np.int32)
    tx = cuda.threadIdx.x
    first_row = cuda.blockIdx.y * TILE
    first_column = cuda.blockIdx.x * TILE
    for k in range(cuda.threadIdx.y, TILE, cuda.blockDim.y):
        tile[k, tx] = x[first_row + k, first_column + tx]
    cuda.syncthreads()
    for k in range(cuda.threadIdx.y, TILE, cuda.blockDim.y):
        y[first_column + k, first_row + tx] = tile[tx, k]


def _with_border(inner: Array, x: Array) -> Array:
    y = x.copy()
    y[1:-1, 1:-1] = inner
    return y


def _convolved(x: Array) -> Array:
    padded = np.pad(x, 1)
    y = np.zeros(x.shape)
    for i, j in np.ndindex(3, 3):
        y += KERNEL[i, j] * padded[i : i + x.shape[0], j : j + x.shape[1]]
    return y


@right(
    grid=(2, 3),
    block=(TILE, TILE),
    arguments=lambda rng: (uniform(rng, (19, 13)), zeros((19, 13))),
    expected=lambda x, _: {1: _convolved(x)},
)
@cuda.jit
def convolution_of_haloed_tiles(x: Array, y: Array) -> None:
    """Fill tile and halo together, zeros outside of the image; the weights are constant."""
    weights = cuda.const.array_like(KERNEL)
    tile = cuda.shared.array((HALOED, HALOED), np.float32)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    first_row = cuda.blockIdx.y * TILE - 1
    first_column = cuda.blockIdx.x * TILE - 1
    for cell in range(ty * TILE + tx, HALOED * HALOED, TILE * TILE):
        i = cell // HALOED
        j = cell % HALOED
        row = first_row + i
        column = first_column + j
        if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
            tile[i, j] = x[row, column]
        else:
            tile[i, j] = 0
    cuda.syncthreads()
    row = first_row + 1 + ty
    column = first_column + 1 + tx
    if row < y.shape[0] and column < y.shape[1]:
        total = np.float32(0)
        for i in range(3):
            for j in range(3):
                total += weights[i, j] * tile[ty + i, tx + j]
        y[row, column] = total


@right(
    grid=(2, 2),
    block=(TILE, TILE),
    arguments=lambda rng: (uniform(rng, (15, 16)), zeros((15, 16))),
    expected=lambda x, _: {
        1: _with_border((x[1:-1, :-2] + x[1:-1, 2:] + x[:-2, 1:-1] + x[2:, 1:-1]) / 4, x),
    },
)
@cuda.jit
def five_point_stencil(x: Array, y: Array) -> None:
    """Read neighbours from the tile where it has them, from global memory elsewhere."""
    tile = cuda.shared.array((TILE, TILE), np.float32)
    column, row = cuda.grid(2)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    inside = row < x.shape[0] and column < x.shape[1]
    if inside:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    if not inside:
        return
    if row == 0 or column == 0 or row == x.shape[0] - 1 or column == x.shape[1] - 1:
        y[row, column] = tile[ty, tx]
        return
    west = tile[ty, tx - 1] if tx > 0 else x[row, column - 1]
    east = tile[ty, tx + 1] if tx < TILE - 1 else x[row, column + 1]
    north = tile[ty - 1, tx] if ty > 0 else x[row - 1, column]
    south = tile[ty + 1, tx] if ty < TILE - 1 else x[row + 1, column]
    y[row, column] = (west + east + north + south) / 4


def _generation(cells: Array) -> Array:
    neighbours: Array = -cells.astype(int)
    for shift in np.ndindex(3, 3):
        neighbours += np.roll(cells, (shift[0] - 1, shift[1] - 1), (0, 1))
    following: Array = (neighbours == 3) | ((neighbours == 2) & (cells == 1))
    return following.astype(cells.dtype)


@right(
    grid=(2, 2),
    block=(TILE, TILE),
    arguments=lambda rng: (integers(rng, 2, (14, 15), np.uint8), zeros((14, 15), np.uint8)),
    expected=lambda cells, _: {1: _generation(cells)},
    exact=True,
)
@cuda.jit
def game_of_life(cells: Array, following: Array) -> None:
    """Count neighbours on a torus."""
    column, row = cuda.grid(2)
    rows, columns = cells.shape
    if row >= rows or column >= columns:
        return
    alive = 0
    for i in range(3):
        for j in range(3):
            if i != 1 or j != 1:
                alive += cells[(row + i + rows - 1) % rows, (column + j + columns - 1) % columns]
    following[row, column] = 1 if alive == 3 or (alive == 2 and cells[row, column] == 1) else 0


@right(
    grid=1,
    block=(TILE, TILE),
    arguments=lambda rng: (integers(rng, 2, (TILE, TILE)), 3),
    expected=lambda cells, _: {0: _generation(_generation(_generation(cells)))},
    exact=True,
)
@cuda.jit
def generations_in_shared_memory(cells: Array, generations: int) -> None:
    """Read all neighbours, wait, write, wait: several generations in one buffer."""
    s = cuda.shared.array((TILE, TILE), np.int32)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    s[ty, tx] = cells[ty, tx]
    for _ in range(generations):
        cuda.syncthreads()
        alive = -s[ty, tx]
        for i in range(3):
            for j in range(3):
                alive += s[(ty + i + TILE - 1) % TILE, (tx + j + TILE - 1) % TILE]
        cuda.syncthreads()
        if alive == 3 or (alive == 2 and s[ty, tx] == 1):
            s[ty, tx] = 1
        else:
            s[ty, tx] = 0
    cells[ty, tx] = s[ty, tx]
