"""Published series of kernels, each written anew in Numba: what was measured, where, and for which launch.

Half of the rows of a series were looked at while the model was made (``seen``); the others are for its test alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Arrays = tuple[tuple[int, ...], ...]
Parts = tuple[tuple[Arrays, int], ...]
Launch = tuple[tuple[int, ...], tuple[int, ...], int]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kernel of a series, and its published figure.

    Attributes
    ----------
    kernel : its name in the module of the series
    published : in the unit of the series
    seen : whether the model was made with a view on it
    launches : grid, block and bytes of dynamic shared memory; of several the fastest counts, as in the publication
    """

    kernel: str
    published: float
    seen: bool
    launches: tuple[Launch, ...]


@dataclass(frozen=True, kw_only=True)
class Series:
    """One published table.

    Attributes
    ----------
    name, source : its title, and where it was published
    gpu : where it was measured, a key of ``GPUS``
    module : the module of its kernels
    parts : shapes of the arrays, and how often the time for them counts: a launch too large to be counted is made up of two
        smaller ones and what the larger of these adds
    work : what a launch does, in ``unit`` times seconds
    unit : of the published figures
    rows : its kernels
    """

    name: str
    source: str
    gpu: str
    module: str
    parts: Parts
    work: float
    unit: str
    rows: tuple[Row, ...]

    def milliseconds(self, figure: float) -> float:
        """Return the time of a launch from a published figure."""
        return self.work / figure * 1e3

    def figure(self, milliseconds: float) -> float:
        """Return a time in the unit of the series."""
        return self.work / milliseconds * 1e3


def _row(kernel: str, published: float, *launches: Launch, seen: bool = False) -> Row:
    return Row(kernel=kernel, published=published, seen=seen, launches=launches)


N = 4096
"""The side of the matrices that are multiplied."""


def _products(*, shorter: int, longer: int) -> Parts:
    """Return the parts of a product of N x N: with two numbers of terms, the longer one as often as it takes."""
    times = (N - longer) // (longer - shorter)
    shapes = [((N, terms), (terms, N), (N, N)) for terms in (longer, shorter)]
    return (shapes[0], 1 + times), (shapes[1], -times)


SIDE = 8192
"""The side of the matrix that is transposed. The publication has 32,768; throughput is compared, far beyond the caches."""

TERMS = 1 << 25
"""The values that are added up."""

_BLOCKS = (64, 128, 256, 512, 1024)


def _sizes(each: int) -> tuple[Launch, ...]:
    """Return a launch for every block size of the publication."""
    return tuple(((TERMS // each // size,), (size,), 4 * size) for size in _BLOCKS)


_TILES: Callable[[int], tuple[int, int]] = lambda side: (SIDE // side, SIDE // side)  # noqa: E731

SERIES = (
    Series(
        name="matrix products",
        source='S. Boehm, "How to Optimize a CUDA Matmul Kernel for cuBLAS-like Performance: a Worklog" (2022)',
        gpu="a6000",
        module="products",
        parts=_products(shorter=64, longer=128),
        work=2 * N**3 / 1e9,
        unit="GFLOP/s",
        rows=(
            _row("naive", 309.0, ((128, 128), (32, 32), 0), seen=True),
            _row("coalesced", 1986.5, ((128, 128), (1024,), 0)),
            _row("tiled", 2980.3, ((128, 128), (1024,), 0), seen=True),
            _row("row_of_results", 8474.7, ((64, 64), (512,), 0)),
            _row("square_of_results", 15971.7, ((32, 32), (256,), 0), seen=True),
            _row("sixteen_bytes", 18237.3, ((32, 32), (256,), 0)),
        ),
    ),
    Series(
        name="matrix products on another GPU",
        source="github.com/annanyapr/Fast-CUDA-Kernels, GEMM",
        gpu="rtx4090",
        module="products",
        parts=_products(shorter=64, longer=128),
        work=2 * N**3 / 1e9,
        unit="GFLOP/s",
        rows=(
            _row("naive", 635.3, ((128, 128), (32, 32), 0)),
            _row("coalesced", 4887.4, ((128, 128), (1024,), 0)),
            _row("tiled", 6592.0, ((128, 128), (1024,), 0)),
        ),
    ),
    Series(
        name="transposes",
        source='Y. Encalada, "Optimizing GPU Matrix Transpose: From 14% to 88% of Peak Bandwidth" (2025)',
        gpu="h100",
        module="transposes",
        parts=((((SIDE, SIDE), (SIDE, SIDE)), 1),),
        work=2 * 4 * SIDE**2 / 1e9,
        unit="GB/s",
        rows=(
            _row("naive", 475.5, (_TILES(32), (32, 32), 0), seen=True),
            _row("tiled", 996.1, (_TILES(32), (32, 32), 0)),
            _row("padded", 1693.4, (_TILES(32), (32, 32), 0), seen=True),
            _row("by_2", 2385.1, (_TILES(32), (32, 16), 0)),
            _row("by_4", 2772.4, (_TILES(32), (32, 8), 0), seen=True),
            _row("by_8", 2775.3, (_TILES(32), (32, 4), 0)),
        ),
    ),
    Series(
        name="reductions",
        source='"Embarrassingly Parallel Reduction in CUDA", github.com/MasterSkepticista/parallel_reductions_cuda (2025)',
        gpu="rtx3090",
        module="reductions",
        parts=((((TERMS,), (1,)), 1),),
        work=4 * TERMS / 1e9,
        unit="GB/s",
        rows=(
            _row("at_one_address", 9.9, *(((TERMS // 4 // size,), (size,), 0) for size in _BLOCKS), seen=True),
            _row("tree", 223, *_sizes(1)),
            _row("neighbouring_threads", 317, *_sizes(1), seen=True),
            _row("neighbouring_values", 331, *_sizes(1)),
            _row("two_at_first", 618, *_sizes(2), seen=True),
            _row("last_warp", 859, *_sizes(2)),
        ),
    ),
    Series(
        name="softmax",
        source="github.com/annanyapr/Fast-CUDA-Kernels, softmax",
        gpu="rtx4090",
        module="softmaxes",
        parts=((((1024, 65536), (1024, 65536)), 1),),
        work=2 * 4 * 1024 * 65536 / 1e9,
        unit="GB/s",
        rows=(
            _row("block_a_row", 536.87 / 0.90854, ((1024,), (256,), 2048), seen=True),
            _row("warps_a_row", 536.87 / 0.90845, ((1024,), (256,), 64)),
        ),
    ),
    Series(
        name="softmax by threads",
        source="github.com/annanyapr/Fast-CUDA-Kernels, softmax, with rows of 65,536; throughput is compared",
        gpu="rtx4090",
        module="softmaxes",
        parts=((((1024, 5120), (1024, 5120)), 1),),
        work=2 * 4 * 1024 * 5120 / 1e9,
        unit="GB/s",
        rows=(_row("thread_a_row", 536.87 / 22.4709, ((4,), (256,), 0)),),
    ),
)
