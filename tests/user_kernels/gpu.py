"""CUDA kernels."""

from numba import cuda, float32

from workbench import implements

TILE = 8


@implements(
    "dense",
    device="cuda",
    grid=lambda y: (-(-y.shape[0] // TILE), -(-y.shape[1] // TILE)),
    block=(TILE, TILE),
)
@cuda.jit
def shared_tiles(x, w, b, y):
    """A block computes a tile of outputs; tiles of x and w go through shared memory."""
    x_tile = cuda.shared.array((TILE, TILE), float32)
    w_tile = cuda.shared.array((TILE, TILE), float32)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    n, m = cuda.grid(2)
    total = float32(0)
    for first in range(0, x.shape[1], TILE):
        x_tile[i, j] = x[n, first + j] if n < x.shape[0] and first + j < x.shape[1] else 0
        w_tile[j, i] = w[m, first + i] if m < w.shape[0] and first + i < x.shape[1] else 0
        cuda.syncthreads()
        for k in range(min(TILE, x.shape[1] - first)):
            total += x_tile[i, k] * w_tile[j, k]
        cuda.syncthreads()
    if n < y.shape[0] and m < y.shape[1]:
        y[n, m] = total + b[m]


@cuda.jit
def _relu(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] if not x[i] <= 0 else 0


@implements("relu")
def launches(x, y):
    """A host function that launches a kernel."""
    if x.size:
        _relu[-(-x.size // 32), 32](x.reshape(x.size), y.reshape(y.size))


@implements("dense", device="cuda", grid=lambda y: y.size, block=1)
@cuda.jit
def loses_a_term(x, w, b, y):
    n, m = cuda.blockIdx.x // y.shape[1], cuda.blockIdx.x % y.shape[1]
    total = b[m]
    for k in range(1, x.shape[1]):
        total += x[n, k] * w[m, k]
    y[n, m] = total


@implements("softmax_backward", device="cuda", grid=lambda dy: dy.shape[0], block=1)
@cuda.jit
def reads_beyond(dy, y, dx):
    n = cuda.blockIdx.x
    total = dy.dtype.type(0)
    for k in range(dy.shape[1] + 1):
        total += dy[n, k] * y[n, k]  # fault: reads_beyond
    for k in range(dy.shape[1]):
        dx[n, k] = y[n, k] * (dy[n, k] - total)
