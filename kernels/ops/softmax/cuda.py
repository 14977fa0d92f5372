"""softmax and cross-entropy on CUDA: a warp for each row, whose sums are added in pairs; grid-stride.

What follows from the options alone is computed on the host: a GPU has few units for float64.
"""

import math
from typing import Any

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_device, cuda_kernel, launch_blocks
from kernels.memory.scratch import scratch
from kernels.simt.block_sum import THREADS, sum_of_block
from kernels.simt.warp_sum import largest_of_warp, sum_of_warp

Array = NDArray[Any]

ROWS = THREADS // 32
"""Of a block."""

_WARP = uint64(32)


@cuda_device
def _largest(x: Array, first: int, end: int) -> Any:
    """Return the largest element of a row, NaN apart; ``first`` is this lane's first one."""
    largest = x.dtype.type(-math.inf)
    while first < end:
        if x[first] > largest:
            largest = x[first]
        first += _WARP
    return largest_of_warp(largest)


@cuda_device
def _total(x: Array, largest: Any, first: int, end: int) -> Any:
    """Return the sum of the exponentials of a row, of the distances from its largest element."""
    total = x.dtype.type(0)
    while first < end:
        total += math.exp(x[first] - largest)
        first += _WARP
    return sum_of_warp(total)


@cuda_kernel
def _softmax(x: Array, rows: int, classes: int, y: Array) -> None:
    lane = uint64(cuda.threadIdx.x % 32)
    for n in range(cuda.grid(1) // 32, rows, cuda.gridsize(1) // 32):
        first, end = uint64(n) * uint64(classes) + lane, uint64(n + 1) * uint64(classes)
        largest = _largest(x, first, end)
        total = _total(x, largest, first, end)
        while first < end:
            y[first] = math.exp(x[first] - largest) / total
            first += _WARP


@cuda_kernel
def _softmax_backward(dy: Array, y: Array, rows: int, classes: int, dx: Array) -> None:
    lane = uint64(cuda.threadIdx.x % 32)
    for n in range(cuda.grid(1) // 32, rows, cuda.gridsize(1) // 32):
        first, end = uint64(n) * uint64(classes) + lane, uint64(n + 1) * uint64(classes)
        total, k = dx.dtype.type(0), first
        while k < end:
            total += dy[k] * y[k]
            k += _WARP
        total = sum_of_warp(total)
        while first < end:
            dx[first] = y[first] * (dy[first] - total)
            first += _WARP


@cuda_kernel
def _row_losses(
    logits: Array, labels: Array, rows: int, classes: int, sharp: Any, everywhere: Any, losses: Array
) -> None:
    lane = uint64(cuda.threadIdx.x % 32)
    for n in range(cuda.grid(1) // 32, rows, cuda.gridsize(1) // 32):
        start = uint64(n) * uint64(classes)
        first, end = start + lane, start + uint64(classes)
        largest = _largest(logits, first, end)
        total = _total(logits, largest, first, end)
        loss = math.log(total) + sharp * (largest - logits[start + uint64(labels[n])])
        if everywhere > 0:
            distance = losses.dtype.type(0)
            while first < end:
                distance += largest - logits[first]
                first += _WARP
            loss += everywhere * sum_of_warp(distance)
        if lane == uint64(0):
            losses[n] = loss


@cuda_kernel
def _mean(losses: Array, batch: int, loss: Array) -> None:
    shared = cuda.shared.array(THREADS, loss.dtype)
    total = loss.dtype.type(0)
    for n in range(cuda.threadIdx.x, batch, THREADS):
        total += losses[n]
    total = sum_of_block(total, shared)
    if cuda.threadIdx.x == 0:
        loss[()] = total / loss.dtype.type(batch) if batch > 0 else loss.dtype.type(math.nan)


@cuda_kernel
def _cross_entropy_backward(
    logits: Array, labels: Array, rows: int, classes: int, own: Any, other: Any, dlogits: Array
) -> None:
    lane, batch = uint64(cuda.threadIdx.x % 32), dlogits.dtype.type(rows)
    for n in range(cuda.grid(1) // 32, rows, cuda.gridsize(1) // 32):
        start = uint64(n) * uint64(classes)
        first, end, label = start + lane, start + uint64(classes), start + uint64(labels[n])
        largest = _largest(logits, first, end)
        total = _total(logits, largest, first, end)
        while first < end:
            power = math.exp(logits[first] - largest) / total
            dlogits[first] = (power - (own if first == label else other)) / batch
            first += _WARP


def softmax_cuda(x: Array, y: Array) -> None:
    """Compute y with a warp for each row."""
    rows, classes = x.shape
    launch_blocks(_softmax, -(-rows // ROWS), THREADS, x.reshape(x.size), rows, classes, y.reshape(y.size))


def softmax_backward_cuda(dy: Array, y: Array, dx: Array) -> None:
    """Compute dx with a warp for each row."""
    rows, classes = y.shape
    given = dy.reshape(y.size), y.reshape(y.size), rows, classes, dx.reshape(y.size)
    launch_blocks(_softmax_backward, -(-rows // ROWS), THREADS, *given)


def cross_entropy_cuda(logits: Array, labels: Array, label_smoothing: float, loss: Array) -> None:
    """Compute the losses with a warp for each row; one block then adds them in a fixed order."""
    batch, classes = logits.shape
    sharp, everywhere = loss.dtype.type(1 - label_smoothing), loss.dtype.type(label_smoothing / classes)
    losses = scratch(max(batch, 1), loss.dtype)
    given = logits.reshape(logits.size), labels, batch, classes, sharp, everywhere, losses
    launch_blocks(_row_losses, -(-batch // ROWS), THREADS, *given)
    launch_blocks(_mean, 1, THREADS, losses, batch, loss)


def cross_entropy_backward_cuda(logits: Array, labels: Array, label_smoothing: float, dlogits: Array) -> None:
    """Compute dlogits with a warp for each row: softmax, from which the target is subtracted."""
    batch, classes = logits.shape
    everywhere = label_smoothing / classes
    own, other = dlogits.dtype.type(1 - (label_smoothing - everywhere)), dlogits.dtype.type(everywhere)
    given = logits.reshape(logits.size), labels, batch, classes, own, other, dlogits.reshape(logits.size)
    launch_blocks(_cross_entropy_backward, -(-batch // ROWS), THREADS, *given)
