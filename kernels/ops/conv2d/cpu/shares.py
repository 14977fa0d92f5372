"""The common part of both algorithms for the gradients of w and b: the sums of db, and of the shares of dw."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_kernel
from kernels.ops.conv2d.cpu.geometry import weights_plan
from kernels.ops.conv2d.cpu.lanes import conv2d_backward_cpu
from kernels.ops.conv2d.cpu.operands import Options
from kernels.ops.conv2d.cpu.pointwise import as_rows, is_pointwise, seen
from kernels.simd.tile import COLUMNS, add, add_sums, lanes, load, load_first, steps, zeros

Array = NDArray[Any]


@cpu_kernel
def _add_shares(parts: Array, shares: int, outputs: int, dw: Array) -> None:
    """Add up the shares of dw, flat (shares, outputs * depth), in order: a thread takes whole filters."""
    for o in prange(outputs):
        depth = dw.size // outputs
        for k in range(o * depth, (o + 1) * depth):
            total = parts[k]
            for share in range(1, shares):
                total += parts[share * dw.size + k]
            dw[k] = total


@cpu_kernel
def _sum_planes(dy: Array, batch: int, plane: int, db: Array) -> None:
    """Add up every channel of dy, flat (N, O, plane), into db (O,): a thread takes whole channels."""
    here = steps(1, 0, 0)
    size = lanes(db)
    db[:] = 0
    for o in prange(db.size):
        across = steps(COLUMNS, 0, size)
        total = zeros(here, across, db)
        rest = zeros(here, here, db)
        for n in range(batch):
            first = (n * db.size + o) * plane
            k = 0
            while k + COLUMNS * size <= plane:
                total = add(total, load(dy, steps(1, first + k, 0), across))
                k += COLUMNS * size
            while k < plane:
                rest = add(rest, load_first(dy, steps(1, first + k, 0), here, plane - k))
                k += size
        add_sums(rest, db, steps(1, o, 0), here)
        add_sums(total, db, steps(1, o, 0), steps(COLUMNS, 0, 0))


def gradients(
    sum_products: Callable[..., None],
    outputs_are_lanes: bool,
    dy: Array,
    x: Array,
    w: Array,
    options: Options,
    dw: Array,
    db: Array,
) -> None:
    """Compute dw, share by share by ``sum_products``, and db.

    Padding is a zero that is multiplied, which may turn an infinity into a NaN. If a result is not finite,
    ``conv2d_backward_cpu``, which skips the padding, computes it again.
    """
    stride, padding, dilation, groups = options
    dy_rows, x_rows, step = dy, x, stride
    if is_pointwise(w, padding):
        dy_rows, x_rows, step = as_rows(dy), as_rows(seen(x, stride, dy.shape[2:])), (1, 1)
    _sum_planes(dy.reshape(-1), dy.shape[0], dy.shape[2] * dy.shape[3], db)
    plan = weights_plan(
        x_rows.shape, w.shape, dy_rows.shape, step, padding, dilation, groups, dw.itemsize, outputs_are_lanes
    )
    parts = np.empty(plan.shares * dw.size, dw.dtype) if plan.shares > 1 else dw.reshape(-1)
    sum_products(x_rows, dy_rows, tuple(plan), step, groups, parts)
    if plan.shares > 1:
        _add_shares(parts, plan.shares, dy.shape[1], dw.reshape(-1))
    if not np.isfinite(dw).all():
        conv2d_backward_cpu(dy, x, w, *options, np.empty_like(x), dw, db)
