"""Right kernels of dense and its gradient."""

import numpy as np

from workbench.selftest.variants._compiling import Array, Kernel, Other, compiled, with_fma
from workbench.selftest.variants.orders import Order, Summing, backwards, blocks, compensated, four_sums, pairwise


def _dense(order: Order) -> Kernel:
    @compiled
    def dense(x: Array, w: Array, b: Array, y: Array) -> None:
        terms = np.empty(x.shape[1] + 1, x.dtype)
        for n in range(x.shape[0]):
            for m in range(w.shape[0]):
                for k in range(x.shape[1]):
                    terms[k] = x[n, k] * w[m, k]
                terms[x.shape[1]] = b[m]
                y[n, m] = order(terms[:])

    return dense


def _dense_backward(order: Order) -> Kernel:
    @compiled
    def dense_backward(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
        batch, outputs = dy.shape
        over_outputs = np.empty(outputs, dy.dtype)
        over_batch = np.empty(batch, dy.dtype)
        for k in range(x.shape[1]):
            for n in range(batch):
                for m in range(outputs):
                    over_outputs[m] = dy[n, m] * w[m, k]
                dx[n, k] = order(over_outputs)
            for m in range(outputs):
                for n in range(batch):
                    over_batch[n] = dy[n, m] * x[n, k]
                dw[m, k] = order(over_batch)
        for m in range(outputs):
            for n in range(batch):
                over_batch[n] = dy[n, m]
            db[m] = order(over_batch)

    return dense_backward


def _dense_blas(x: Array, w: Array, b: Array, y: Array) -> None:
    y[...] = x @ w.T + b


@with_fma
def _dense_with_fma(x: Array, w: Array, b: Array, y: Array) -> None:
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


def _dense_backward_blas(dy: Array, x: Array, w: Array, dx: Array, dw: Array, db: Array) -> None:
    dx[...] = dy @ w
    dw[...] = dy.T @ x
    db[...] = dy.sum(axis=0)


SUMMING: tuple[Summing, ...] = (
    ("dense", _dense, (backwards, pairwise, blocks, compensated)),
    ("dense_backward", _dense_backward, (pairwise, four_sums)),
)
OTHERS: tuple[Other, ...] = (
    ("dense", "BLAS", _dense_blas),
    ("dense", "with FMA", _dense_with_fma),
    ("dense_backward", "BLAS", _dense_backward_blas),
)
