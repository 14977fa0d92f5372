"""Faulty kernels of relu and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.selftest.zoo._planting import Array, Faults, Kernel, plain

FAULTS = Faults()


@FAULTS.plant("relu", "NaN swallowed", "a NaN becomes zero")
def _relu_nan(x: Array, y: Array) -> None:
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 else 0


@FAULTS.plant("relu", "subnormals flushed to zero", "what is smaller than the smallest normal number becomes zero")
def _relu_flushes(x: Array, y: Array) -> None:
    tiny = np.finfo(x.dtype).tiny
    for i in range(x.size):
        y.flat[i] = 0 if x.flat[i] < tiny else x.flat[i]


@FAULTS.plant("relu", "out-of-bounds write by one", "the loop is unrolled by two and has no tail")
def _relu_unrolled(x: Array, y: Array) -> None:
    source, target = x.ravel(), y.ravel()
    zero = x.dtype.type(0)
    for i in range(0, source.size, 2):
        target[i] = zero if source[i] <= zero else source[i]
        target[i + 1] = zero if source[i + 1] <= zero else source[i + 1]


@FAULTS.plant("relu", "input mutation", "negative elements of the input are cleared in place", plain)
def _relu_in_place(x: Array, y: Array) -> None:
    x[x < 0] = 0
    y[...] = x


@FAULTS.plant("relu", "returns zeros", "zeros of the expected shape", plain)
def _relu_zeros(x: Array, y: Array) -> None:
    y[...] = np.zeros(x.shape, x.dtype)


@FAULTS.plant_fresh("relu", "stale result", "results are kept by shape and dtype")
def _relu_memo_by_shape() -> Kernel:
    known: dict[Any, Array] = {}

    def relu_memo_by_shape(x: Array, y: Array) -> None:
        key = (x.shape, x.dtype)
        if key not in known:
            known[key] = np.where(x <= 0, 0, x)
        y[...] = known[key]

    return relu_memo_by_shape


@FAULTS.plant("relu_backward", "wrong tie rule", "the gradient at zero is one")
def _relu_backward_at_zero(dy: Array, x: Array, dx: Array) -> None:
    for i in range(x.size):
        dx.flat[i] = 0 if x.flat[i] < 0 else dy.flat[i]


@FAULTS.plant("relu_backward", "missing tail", "blocks of eight; the last, incomplete block is left as it was")
def _relu_backward_blocks(dy: Array, x: Array, dx: Array) -> None:
    for block in range(x.size // 8):
        for lane in range(8):
            i = block * 8 + lane
            dx.flat[i] = 0 if x.flat[i] <= 0 else dy.flat[i]


@FAULTS.plant("relu_backward", "Inf or NaN times a mask", "the mask is multiplied, not selected by", plain)
def _relu_backward_mask(dy: Array, x: Array, dx: Array) -> None:
    dx[...] = dy * ~(x <= 0)
