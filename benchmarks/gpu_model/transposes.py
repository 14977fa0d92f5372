"""Matrix transposes, step by step, as in M. Harris, "An Efficient Matrix Transpose in CUDA C/C++"."""

from numba import cuda, float32, uint32

SIDE, PADDED = 32, 33


@cuda.jit
def naive(x, y):
    """Neighbouring threads read neighbours and write into different rows."""
    j, i = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        y[j, i] = x[i, j]


@cuda.jit
def tiled(x, y):
    """Through a tile of shared memory; its columns are in one bank."""
    tile = cuda.shared.array((SIDE, SIDE), float32)
    own_row, own_column = uint32(cuda.threadIdx.y), uint32(cuda.threadIdx.x)
    tile[own_row, own_column] = x[cuda.blockIdx.y * SIDE + own_row, cuda.blockIdx.x * SIDE + own_column]
    cuda.syncthreads()
    y[cuda.blockIdx.x * SIDE + own_row, cuda.blockIdx.y * SIDE + own_column] = tile[own_column, own_row]


@cuda.jit
def padded(x, y):
    """With one more column, neighbours in a column are in different banks."""
    tile = cuda.shared.array((SIDE, PADDED), float32)
    own_row, own_column = uint32(cuda.threadIdx.y), uint32(cuda.threadIdx.x)
    tile[own_row, own_column] = x[cuda.blockIdx.y * SIDE + own_row, cuda.blockIdx.x * SIDE + own_column]
    cuda.syncthreads()
    y[cuda.blockIdx.x * SIDE + own_row, cuda.blockIdx.y * SIDE + own_column] = tile[own_column, own_row]


def _coarsened(rows):
    @cuda.jit
    def coarsened(x, y):
        """A block has so many rows of threads; each moves several values."""
        tile = cuda.shared.array((SIDE, PADDED), float32)
        own_row, own_column = uint32(cuda.threadIdx.y), uint32(cuda.threadIdx.x)
        row, column = cuda.blockIdx.y * SIDE + own_row, cuda.blockIdx.x * SIDE + own_column
        n = 0
        while n < SIDE:
            tile[own_row + n, own_column] = x[row + n, column]
            n += rows
        cuda.syncthreads()
        row, column = cuda.blockIdx.x * SIDE + own_row, cuda.blockIdx.y * SIDE + own_column
        n = 0
        while n < SIDE:
            y[row + n, column] = tile[own_column, own_row + n]
            n += rows

    return coarsened


by_2, by_4, by_8 = _coarsened(16), _coarsened(8), _coarsened(4)
