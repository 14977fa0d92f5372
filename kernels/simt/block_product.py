"""Matrix products by blocks of threads: a block computes ``SIDE`` x ``SIDE`` results, a thread a register tile of 8 x 8.

The terms of a sum go through shared memory, ``DEPTH`` at a time: a *panel* holds that many terms of ``SIDE`` rows of the
left matrix, or columns of the right one. While a block multiplies two panels it reads the next ones from global memory
into registers, and then places them in the other half of its shared memory.

The places of a term are ``PITCH`` elements from those of the next, and ``GAP`` more between the two halves of a panel: a
thread reads four places in 16 bytes at displacements that are constants, and no two lanes of a warp meet in a bank, whether
a thread holds neighbouring terms of one place, neighbouring places of one term, all terms of one place, or a few of each.
"""

from typing import Any, NamedTuple

from numba import cuda, int64, uint32
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device
from kernels.simt.tile import Tile, load, outer, part, put, spread, store

Array = NDArray[Any]

SIDE = 64
"""Rows and columns of the results of a block."""

DEPTH = 16
"""Terms in a panel."""

THREADS = 64
"""Of a block: 8 rows of 8."""

RESULTS = 64
"""Of a thread: in rows 4*i .. 4*i + 3 and 4*i + 32 .. 4*i + 35, with i from ``own_row``, and in columns alike."""

PITCH, GAP = SIDE + 4, 8
"""From a term of a panel to the next, in elements, and what is left free between its halves."""

PANEL = PITCH * DEPTH + GAP
PANELS = 4 * PANEL
"""Elements of a panel, and of the shared memory: two panels of the left matrix, and two of the right one behind them."""

HELD = DEPTH * SIDE // THREADS
"""Elements of a panel that a thread reads and places."""

_HALF = SIDE // 2

TERMS, PLACES, SPREAD = 0, 1, 2
"""How the threads of a block share the reading of a panel of a matrix in memory.

``TERMS``: neighbours in memory are terms of one place; a thread reads terms 4*(t % 4) .. + 3 of places t // 4 + 16*n.
``PLACES``: neighbours are places of one term; a thread reads places 4*(t % 16) .. + 3 of terms t // 16 + 4*n. Both read 16
bytes at a time. ``SPREAD``: any strides; a thread reads terms t % 8 + 8*h of places t // 8 + 8*n, one element at a time.
"""


class Layout(NamedTuple):
    """How a matrix lies in flat memory, for the kernels.

    Attributes
    ----------
    way : how it is read
    places : the number of its rows or columns
    place_step, term_step : from one place or term to the next, in elements
    """

    way: int
    places: int
    place_step: int
    term_step: int


class Sums(NamedTuple):
    """How the sums of a product are split.

    Attributes
    ----------
    terms : of a sum
    parts, own : the number of parts, and the terms of each
    has_bias : 1 if a bias is added to the first part
    """

    terms: int
    parts: int
    own: int
    has_bias: int


@cuda_device
def starts(layout: Layout, first: int) -> tuple[int, int, int, int]:
    """Return where the pieces begin that a thread reads of a panel whose terms begin at 0, in elements.

    Places beyond the last repeat the last ones: what is computed from them is not stored.

    Parameters
    ----------
    layout : of the matrix
    first : the first place of the block
    """
    t, last, step = int64(cuda.threadIdx.x), layout.places - 1, layout.place_step
    if layout.way == TERMS:
        place, term = first + t // 4, t % 4 * 4
        return (
            min(place, last) * step + term,
            min(place + 16, last) * step + term,
            min(place + 32, last) * step + term,
            min(place + 48, last) * step + term,
        )
    if layout.way == PLACES:
        start = min(first + t % 16 * 4, layout.places - 4) + t // 16 * layout.term_step
        return start, start + 4 * layout.term_step, start + 8 * layout.term_step, start + 12 * layout.term_step
    return int64(0), int64(0), int64(0), int64(0)  # not used


@cuda_device
def _piece(x: Array, start: int, is_inside: bool) -> Tile:
    if is_inside:
        return load(x, start, 4)
    return spread(4, x.dtype.type(0))


@cuda_device
def fetch(x: Array, layout: Layout, pieces: tuple[int, int, int, int], first: int, term: int, end: int) -> Tile:
    """Read what a thread holds of a panel; zeros for terms from ``end`` on.

    Parameters
    ----------
    x, layout : the matrix
    pieces : what ``starts`` returns for the layout and ``first``
    term : the first of the panel
    """
    t = int64(cuda.threadIdx.x)
    a, b, c, d = pieces
    if layout.way == TERMS:
        if term + t % 4 * 4 < end:
            return load(x, a + term, 4) + load(x, b + term, 4) + load(x, c + term, 4) + load(x, d + term, 4)
        return spread(HELD, x.dtype.type(0))
    step = layout.term_step
    if layout.way == PLACES:
        at, left = term * step, end - term - t // 16
        one, two = _piece(x, a + at, left > 0), _piece(x, b + at, left > 4)
        return one + two + _piece(x, c + at, left > 8) + _piece(x, d + at, left > 12)
    held, own = spread(HELD, x.dtype.type(0)), term + t % 8
    for n in range(8):
        start = min(first + t // 8 + 8 * n, layout.places - 1) * layout.place_step + own * step
        if own < end:
            held = put(held, 2 * n, x[start])
        if own + 8 < end:
            held = put(held, 2 * n + 1, x[start + 8 * step])
    return held


@cuda_device
def place(panel: Array, base: int, way: int, held: Tile) -> None:
    """Place in the panel that begins at ``base`` what a thread holds of it, read in a given way."""
    if way == TERMS:
        _place_terms(panel, base, held)
    elif way == PLACES:
        _place_places(panel, base, held)
    else:
        place_spread(panel, base, held)


@cuda_device
def _place_terms(panel: Array, base: int, held: Tile) -> None:
    """Place what a thread holds of a panel: terms 4*(t % 4) .. + 3 of places t // 4 + 16*n, term by term, for n = 0 .. 3."""
    t = uint32(cuda.threadIdx.x)
    first = t % uint32(4)
    start = base + first * uint32(4 * PITCH) + first // uint32(2) * uint32(GAP) + t // uint32(4)
    for n in range(4):
        for term in range(4):
            panel[start + uint32(term * PITCH + 16 * n)] = part(held, 4 * n + term, 1)[0]


@cuda_device
def _place_places(panel: Array, base: int, held: Tile) -> None:
    """Place what a thread holds of a panel: places 4*(t % 16) .. + 3 of terms t // 16 + 4*n, for n = 0 .. 3."""
    t = uint32(cuda.threadIdx.x)
    start = base + t // uint32(16) * uint32(PITCH) + t % uint32(16) * uint32(4)
    for n in range(4):
        store(panel, start + uint32(4 * n * PITCH + n // 2 * GAP), part(held, 4 * n, 4))


@cuda_device
def place_column(panel: Array, base: int, held: Tile) -> None:
    """Place what a thread holds of a panel: all terms of place t."""
    t = uint32(cuda.threadIdx.x)
    for term in range(DEPTH):
        panel[base + t + uint32(term * PITCH + term // (DEPTH // 2) * GAP)] = part(held, term, 1)[0]


@cuda_device
def place_spread(panel: Array, base: int, held: Tile) -> None:
    """Place what a thread holds of a panel: terms t % 8 and t % 8 + 8 of places t // 8 + 8*n, for n = 0 .. 7."""
    t = uint32(cuda.threadIdx.x)
    start = base + t % uint32(8) * uint32(PITCH) + t // uint32(8)
    for half in range(2):
        for n in range(8):
            panel[start + uint32(half * (8 * PITCH + GAP) + 8 * n)] = part(held, 2 * n + half, 1)[0]


@cuda_device
def has_room(panels: Array) -> Any:
    """Return whether a thread has registers for what it holds of the next panels while it multiplies: not in float64."""
    return panels.itemsize == 4


@cuda_device
def as_held(held: Tile) -> Tile:
    """Return what a thread holds of a panel as it is: factors in the precision of the arrays."""
    return held


@cuda_device
def as_added(tile: Tile, _panels: Array) -> Tile:
    """Return the results of a thread as ``multiply`` leaves them."""
    return tile


@cuda_device
def own_row() -> Any:
    """Return which of 8 rows of threads this one is in: bits 1, 4 and 5 of its number.

    Lanes 2*i and 2*i + 1 read the same 16 bytes of the left panel, lanes i and i + 2 the same of the right one. Then shared
    memory serves 16 lanes at once instead of 8.
    """
    t = uint32(cuda.threadIdx.x)
    return uint32((t >> uint32(1)) & uint32(1) | (t >> uint32(3)) & uint32(6))


@cuda_device
def own_column() -> Any:
    """Return which of 8 columns of threads this one is in: bits 0, 2 and 3 of its number."""
    t = uint32(cuda.threadIdx.x)
    return uint32(t & uint32(1) | (t >> uint32(1)) & uint32(6))


@cuda_device
def _step(tile: Tile, panels: Array, left: int, right: int, term: int) -> Tile:
    a, b = left + term * uint32(PITCH), right + term * uint32(PITCH)
    rows = load(panels, a, 4) + load(panels, a + uint32(_HALF), 4)
    columns = load(panels, b, 4) + load(panels, b + uint32(_HALF), 4)
    return outer(tile, rows, columns)


@cuda_device
def multiply(tile: Tile, panels: Array, left: int, right: int) -> Tile:
    """Add the products of two panels, which begin at ``left`` and ``right``, to the results of a thread."""
    left, right, half = left + own_row() * uint32(4), right + own_column() * uint32(4), uint32(0)
    while half < uint32(2):
        tile = _step(tile, panels, left, right, uint32(0))
        tile = _step(tile, panels, left, right, uint32(1))
        tile = _step(tile, panels, left, right, uint32(2))
        tile = _step(tile, panels, left, right, uint32(3))
        tile = _step(tile, panels, left, right, uint32(4))
        tile = _step(tile, panels, left, right, uint32(5))
        tile = _step(tile, panels, left, right, uint32(6))
        tile = _step(tile, panels, left, right, uint32(7))
        left += uint32(DEPTH // 2 * PITCH + GAP)
        right += uint32(DEPTH // 2 * PITCH + GAP)
        half += uint32(1)
    return tile


@cuda_device
def is_finite(tile: Tile) -> bool:
    """Return whether the results of a thread are finite."""
    first = part(tile, 0, 1)[0]
    total = first - first  # 0, or NaN
    for n in range(1, RESULTS):
        value = part(tile, n, 1)[0]
        total += value - value
    return bool(total == total)


@cuda_device
def add_to_columns(tile: Tile, b: Array, first: int, columns: int) -> Tile:
    """Add ``b[j]`` to the results of a thread in column j; ``first`` is the first column of the block."""
    added = spread(8, b.dtype.type(0))
    start = first + int64(own_column()) * 4
    for n in range(8):
        added = put(added, n, b[min(start + n % 4 + n // 4 * _HALF, columns - 1)])
    return outer(tile, spread(8, b.dtype.type(1)), added)


@cuda_device
def add_to_rows(tile: Tile, b: Array, origin: int, first: int, rows: int) -> Tile:
    """Add ``b[origin + i]`` to the results of a thread in row i; ``first`` is the first row of the block."""
    added = spread(8, b.dtype.type(0))
    start = first + int64(own_row()) * 4
    for n in range(8):
        added = put(added, n, b[origin + min(start + n % 4 + n // 4 * _HALF, rows - 1)])
    return outer(tile, added, spread(8, b.dtype.type(1)))


@cuda_device
def store_results(tile: Tile, y: Array, origin: int, top: int, left: int, rows: int, columns: int, wide: bool) -> None:
    """Write the results of a thread that are inside a matrix of rows and columns.

    Parameters
    ----------
    y : flat
    origin : where the matrix begins
    top, left : the first row and column of the block
    wide : four neighbours at a time: the origin and the columns are multiples of four, the address one of 16 bytes
    """
    own_top, own_left = top + int64(own_row()) * 4, left + int64(own_column()) * 4
    for n in range(16):
        row = own_top + n // 2 % 4 + n // 8 * _HALF
        column = own_left + n % 2 * _HALF
        place = origin + row * columns + column
        if row < rows and column < columns:
            if wide:
                store(y, place, part(tile, 4 * n, 4))
            else:
                for c in range(4):
                    if column + c < columns:
                        y[place + c] = part(tile, 4 * n + c, 1)[0]
