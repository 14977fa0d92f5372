"""Faulty kernels of dense and its gradient."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numba import prange

from workbench.selftest.zoo._planting import PARALLEL, Array, Faults, Kernel, plain

FAULTS = Faults()


@FAULTS.plant("dense", "missing tail", "features in vectors of eight; the remainder is dropped")
def _dense_vectors(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for first in range(0, x.shape[1] // 8 * 8, 8):
                for lane in range(8):
                    total += x[n, first + lane] * w[m, first + lane]
            y[n, m] = total


@FAULTS.plant("dense", "float16 accumulation", "products are added in half precision", plain)
def _dense_half(x: Array, w: Array, b: Array, y: Array) -> None:
    y[...] = (x[:, None, :] * w).sum(axis=2, dtype=np.float16) + b


@FAULTS.plant("dense", "float32 accumulation", "the accumulators are float32 whatever the inputs are")
def _dense_single(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        totals = b.astype(np.float32)
        for m in range(w.shape[0]):
            for k in range(x.shape[1]):
                totals[m] += x[n, k] * w[m, k]
        y[n] = totals


@FAULTS.plant("dense", "integer overflow in an index", "the flat index into the weights has eight bits")
def _dense_narrow_index(x: Array, w: Array, b: Array, y: Array) -> None:
    features = x.shape[1]
    weights = w.ravel()
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(features):
                total += x[n, k] * weights[np.uint8(m * features + k)]
            y[n, m] = total


@FAULTS.plant("dense", "wrong only for N > 16", "samples beyond the sixteenth reuse its row")
def _dense_sixteen(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[min(n, 15), k] * w[m, k]
            y[n, m] = total


@FAULTS.plant("dense", "wrong only for non-contiguous input", "the weights are read through a bare pointer", plain)
def _dense_pointer(x: Array, w: Array, b: Array, y: Array) -> None:
    pointer = w.ctypes.data_as(ctypes.POINTER(np.ctypeslib.as_ctypes_type(w.dtype)))
    weights = np.ctypeslib.as_array(pointer, w.shape)
    y[...] = (x[:, None, :] * weights).sum(axis=2) + b


@FAULTS.plant_fresh("dense", "stale result", "transposed weights are kept by the address of w")
def _dense_memo_by_address() -> Kernel:
    transposed: dict[Any, Array] = {}

    def dense_memo_by_address(x: Array, w: Array, b: Array, y: Array) -> None:
        key = (w.ctypes.data, w.shape, w.dtype)
        if key not in transposed:
            transposed[key] = w.T.copy()
        y[...] = (x[:, :, None] * transposed[key]).sum(axis=1) + b

    return dense_memo_by_address


@FAULTS.plant("dense_backward", "race: accumulation into one element", "samples add to db in parallel", PARALLEL)
def _dense_backward_shared_sums(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    dx[:] = 0
    dw[:] = 0
    db[:] = 0
    for m in range(w.shape[0]):
        for n in range(x.shape[0]):
            for k in range(x.shape[1]):
                dx[n, k] += dy[n, m] * w[m, k]
                dw[m, k] += dy[n, m] * x[n, k]
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            db[m] += dy[n, m]


@FAULTS.plant(
    "dense_backward", "race: reads the neighbour's output", "a running sum over the samples in parallel", PARALLEL
)
def _dense_backward_running_sum(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    batch, outputs = dy.shape
    dx[:] = 0
    dw[:] = 0
    for m in range(outputs):
        for n in range(batch):
            for k in range(x.shape[1]):
                dx[n, k] += dy[n, m] * w[m, k]
                dw[m, k] += dy[n, m] * x[n, k]
    sums = np.zeros((batch + 1, outputs), dy.dtype)
    for n in prange(batch):
        for m in range(outputs):
            sums[n + 1, m] = sums[n, m] + dy[n, m]
    db[:] = sums[batch]


@FAULTS.plant("dense_backward", "wrong stride", "dw is written as if it were (K, M)", plain)
def _dense_backward_transposed(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    dx[...] = (dy[:, :, None] * w).sum(axis=1)
    dw[...] = (x[:, :, None] * dy[:, None, :]).sum(axis=0).reshape(dw.shape)
    db[...] = dy.sum(axis=0)
