"""Kernels made slow on purpose, each followed by a fast twin that computes the same.

A comment ``# slow: KIND...`` marks the line that ``workbench inspect`` must name, and as what; it must find nothing else in
``slow_...``, and nothing at all in ``good_...``.
"""

from math import prod

import numpy as np
from numba import guvectorize, jit, njit, prange, vectorize

from kernels import Op
from kernels.declare.op import Input
from kernels.declare.rounding import Sum
from workbench import implements


def rescale_reference(x, s, y):
    """Compute y[n,k] = x[n,k] / s[n]."""
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] / s[n]


RESCALE = Op(
    name="rescale",
    summary="rows divided by a number each",
    inputs=(Input(name="x", axes=("N", "K")), Input(name="s", axes=("N",))),
    outputs=("y",),
    output_shapes=lambda shapes, _options: (shapes["x"],),
    flops=lambda shapes, _options: prod(shapes["x"]),
    rounding=Sum(lambda _shapes, _options: (2,), magnitudes=("x",), divides=True),
    reference=rescale_reference,
)

REORDER = {"reassoc", "nsz"}


@implements("dense")
@njit(fastmath=REORDER)
def slow_float64(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = 0.0
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]  # slow: float64
            y[n, m] = total + b[m]


@implements("dense")
@njit(fastmath=REORDER)
def good_float64(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = np.float32(0)
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total + b[m]


@implements(RESCALE)
@njit
def slow_float64_literal(x, s, y):
    for n in range(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = 0.5 * x[n, k] * factor + 0.5 * x[n, k] * factor  # slow: float64


@implements(RESCALE)
@njit
def good_float64_literal(x, s, y):
    half = np.float32(0.5)
    for n in range(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = half * x[n, k] * factor + half * x[n, k] * factor


@implements("dense")
@njit
def slow_reduction(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]  # slow: reduction
            y[n, m] = total


@implements("dense")
@njit
def good_reduction(x, w, b, y):
    features = x.shape[1]
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            sum0 = sum1 = sum2 = sum3 = np.float32(0)
            for k in range(0, features - 3, 4):
                sum0 += x[n, k] * w[m, k]
                sum1 += x[n, k + 1] * w[m, k + 1]
                sum2 += x[n, k + 2] * w[m, k + 2]
                sum3 += x[n, k + 3] * w[m, k + 3]
            total = b[m] + (sum0 + sum1) + (sum2 + sum3)
            if features % 4 > 0:
                total += x[n, features - 1] * w[m, features - 1]
            if features % 4 > 1:
                total += x[n, features - 2] * w[m, features - 2]
            if features % 4 > 2:
                total += x[n, features - 3] * w[m, features - 3]
            y[n, m] = total


@implements("dense")
@njit
def slow_reduction_in_memory(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = b[m]
            for k in range(x.shape[1]):
                y[n, m] += x[n, k] * w[m, k]  # slow: reduction


@implements("dense")
@njit(fastmath=REORDER)
def good_reduction_in_memory(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


@implements("dense")
@njit(parallel=True)
def slow_reduction_in_parallel(x, w, b, y):
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]  # slow: reduction
            y[n, m] = total


@implements("dense")
@njit(parallel=True, fastmath=REORDER)
def good_reduction_in_parallel(x, w, b, y):
    for n in prange(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def slow_strided(x, w, b, y):
    for m in range(w.shape[0]):
        for n in range(x.shape[0]):
            y[n, m] = b[m]  # slow: strided-store
    columns = np.empty((w.shape[1], w.shape[0]), w.dtype)
    for k in range(w.shape[1]):
        for m in range(w.shape[0]):
            columns[k, m] = w[m, k]  # slow: strided
    for n in range(x.shape[0]):
        for m in range(columns.shape[1]):
            total = y[n, m]
            for k in range(columns.shape[0]):
                total += x[n, k] * columns[k, m]  # slow: strided
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def good_strided(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            y[n, m] = b[m]
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = y[n, m]
            for k in range(w.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


@implements(RESCALE)
@njit
def slow_strided_store(x, s, y):
    factors = np.float32(1) / s
    for k in range(x.shape[1]):
        for n in range(x.shape[0]):
            y[n, k] = factors[n] * factors[n] * s[n]  # slow: strided-store
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] *= x[n, k]


@implements(RESCALE)
@njit
def good_strided_store(x, s, y):
    factors = np.float32(1) / s
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] = factors[n] * factors[n] * s[n]
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] *= x[n, k]


@implements("dense")
@njit(boundscheck=True, fastmath=REORDER)
def slow_bounds(x, w, b, y):
    last = x.shape[1] - 1
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, last - k] * w[m, last - k]  # slow: bounds-check
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def good_bounds(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total


@implements(RESCALE)
@jit(forceobj=True, looplift=False)
def slow_object(x, s, y):
    for n in range(x.shape[0]):
        y[n] = x[n] / s[n]  # slow: object


@implements(RESCALE)
@njit
def good_object(x, s, y):
    for n in range(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] * factor


@implements("dense")
@njit(fastmath=REORDER)
def slow_allocation(x, w, b, y):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            products = np.empty(x.shape[1], x.dtype)  # slow: allocation
            for k in range(x.shape[1]):
                products[k] = x[n, k] * w[m, k]
            total = b[m]
            for k in range(products.size):
                total += products[k]
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def good_allocation(x, w, b, y):
    products = np.empty(x.shape[1], x.dtype)
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            for k in range(x.shape[1]):
                products[k] = x[n, k] * w[m, k]
            total = b[m]
            for k in range(products.size):
                total += products[k]
            y[n, m] = total


@implements(RESCALE)
@njit(error_model="numpy")
def slow_division(x, s, y):
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] / s[n]  # slow: division


@implements(RESCALE)
@njit(error_model="numpy")
def good_division(x, s, y):
    for n in range(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] * factor


@implements(RESCALE)
@njit
def slow_integer_division(x, s, y):
    width = x.shape[1]
    source, target = x.reshape(x.size), y.reshape(x.size)
    for i in range(x.size):
        target[i] = source[i] * s[i // width]  # slow: integer-division
    for n in range(x.shape[0]):
        factor = np.float32(1) / (s[n] * s[n])
        for k in range(x.shape[1]):
            y[n, k] *= factor


@implements(RESCALE)
@njit
def good_integer_division(x, s, y):
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] * s[n]
    for n in range(x.shape[0]):
        factor = np.float32(1) / (s[n] * s[n])
        for k in range(x.shape[1]):
            y[n, k] *= factor


@implements(RESCALE)
@njit
def slow_gather(x, s, y):
    order = np.empty(x.shape[1], np.int64)
    for k in range(order.size):
        order[k] = k
    for n in range(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = x[n, order[k]] * factor  # slow: gather


@implements(RESCALE)
@njit
def good_gather(x, s, y):
    for n in range(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] * factor


@implements("relu")
@vectorize
def slow_ufunc(x):
    return max(x * 0.5, x)  # slow: float64


@implements("relu")
@vectorize
def good_ufunc(x):
    return max(x * np.float32(0.5), x)


@implements(RESCALE)
@guvectorize("(n,k),(n)->(n,k)")
def slow_gufunc(x, s, y):
    for n in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[n, k] = 0.5 * s[n] * x[n, k]  # slow: float64 strided strided-store


@implements("dense")
@njit
def slow_spills(x, w, b, y):
    """Keep a tile of 6 x 6 sums in registers, of which there are 32 at most; sizes are multiples of 6."""
    zero = np.float32(0)
    for n in range(0, x.shape[0], 6):
        for m in range(0, w.shape[0], 6):
            a0 = a1 = a2 = a3 = a4 = a5 = zero
            b0 = b1 = b2 = b3 = b4 = b5 = zero
            c0 = c1 = c2 = c3 = c4 = c5 = zero
            d0 = d1 = d2 = d3 = d4 = d5 = zero
            e0 = e1 = e2 = e3 = e4 = e5 = zero
            f0 = f1 = f2 = f3 = f4 = f5 = zero
            for k in range(x.shape[1]):  # slow: spills
                p, q, r = w[m, k], w[m + 1, k], w[m + 2, k]
                t, u, v = w[m + 3, k], w[m + 4, k], w[m + 5, k]
                g = x[n, k]
                a0, a1, a2, a3, a4, a5 = a0 + g * p, a1 + g * q, a2 + g * r, a3 + g * t, a4 + g * u, a5 + g * v
                g = x[n + 1, k]
                b0, b1, b2, b3, b4, b5 = b0 + g * p, b1 + g * q, b2 + g * r, b3 + g * t, b4 + g * u, b5 + g * v
                g = x[n + 2, k]
                c0, c1, c2, c3, c4, c5 = c0 + g * p, c1 + g * q, c2 + g * r, c3 + g * t, c4 + g * u, c5 + g * v
                g = x[n + 3, k]
                d0, d1, d2, d3, d4, d5 = d0 + g * p, d1 + g * q, d2 + g * r, d3 + g * t, d4 + g * u, d5 + g * v
                g = x[n + 4, k]
                e0, e1, e2, e3, e4, e5 = e0 + g * p, e1 + g * q, e2 + g * r, e3 + g * t, e4 + g * u, e5 + g * v
                g = x[n + 5, k]
                f0, f1, f2, f3, f4, f5 = f0 + g * p, f1 + g * q, f2 + g * r, f3 + g * t, f4 + g * u, f5 + g * v
            h, i, j, p, q, r = b[m], b[m + 1], b[m + 2], b[m + 3], b[m + 4], b[m + 5]
            y[n, m], y[n, m + 1], y[n, m + 2] = a0 + h, a1 + i, a2 + j
            y[n, m + 3], y[n, m + 4], y[n, m + 5] = a3 + p, a4 + q, a5 + r
            y[n + 1, m], y[n + 1, m + 1], y[n + 1, m + 2] = b0 + h, b1 + i, b2 + j
            y[n + 1, m + 3], y[n + 1, m + 4], y[n + 1, m + 5] = b3 + p, b4 + q, b5 + r
            y[n + 2, m], y[n + 2, m + 1], y[n + 2, m + 2] = c0 + h, c1 + i, c2 + j
            y[n + 2, m + 3], y[n + 2, m + 4], y[n + 2, m + 5] = c3 + p, c4 + q, c5 + r
            y[n + 3, m], y[n + 3, m + 1], y[n + 3, m + 2] = d0 + h, d1 + i, d2 + j
            y[n + 3, m + 3], y[n + 3, m + 4], y[n + 3, m + 5] = d3 + p, d4 + q, d5 + r
            y[n + 4, m], y[n + 4, m + 1], y[n + 4, m + 2] = e0 + h, e1 + i, e2 + j
            y[n + 4, m + 3], y[n + 4, m + 4], y[n + 4, m + 5] = e3 + p, e4 + q, e5 + r
            y[n + 5, m], y[n + 5, m + 1], y[n + 5, m + 2] = f0 + h, f1 + i, f2 + j
            y[n + 5, m + 3], y[n + 5, m + 4], y[n + 5, m + 5] = f3 + p, f4 + q, f5 + r


@implements("dense")
@njit
def good_spills(x, w, b, y):
    """Keep a tile of 2 x 2 sums in registers; sizes are multiples of 6."""
    zero = np.float32(0)
    for n in range(0, x.shape[0], 2):
        for m in range(0, w.shape[0], 2):
            a0 = a1 = b0 = b1 = zero
            for k in range(x.shape[1]):
                p, q = w[m, k], w[m + 1, k]
                a0, a1 = a0 + x[n, k] * p, a1 + x[n, k] * q
                b0, b1 = b0 + x[n + 1, k] * p, b1 + x[n + 1, k] * q
            y[n, m], y[n, m + 1] = a0 + b[m], a1 + b[m + 1]
            y[n + 1, m], y[n + 1, m + 1] = b0 + b[m], b1 + b[m + 1]


@implements("relu")
@njit(error_model="numpy")
def slow_index_by_division(x, y):
    """Take the place of every element apart; the processor divides 32 or 64 bits, in branches that both count down."""
    shape = np.array(x.shape)
    source, target = x.reshape(x.size), y.reshape(y.size)
    index = np.empty(len(shape), np.int32)
    for place in range(target.size):
        rest = place + 0
        for d in range(len(shape) - 1, -1, -1):
            index[d] = rest % shape[d]  # slow: integer-division
            rest = rest // shape[d]
        where = 0
        for d in range(len(shape)):
            where = where * shape[d] + index[d]
        value = source[where]
        target[place] = 0.0 if value <= 0 else value


@implements("relu")
@njit
def good_index_by_division(x, y):
    source, target = x.reshape(x.size), y.reshape(y.size)
    for place in range(target.size):
        value = source[place]
        target[place] = 0.0 if value <= 0 else value


@implements("dense")
@njit(fastmath=REORDER)
def slow_temporary_of_two_axes(x, w, b, y):
    for n in range(y.shape[0]):
        for m in range(y.shape[1]):
            products = x[n : n + 1] * w[m : m + 1]  # slow: allocation
            total = b[m]
            for k in range(products.shape[1]):
                total += products[0, k]
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def good_temporary_of_two_axes(x, w, b, y):
    """A buffer for every row serves the two levels of loops below."""
    for n in range(y.shape[0]):
        row = x[n].copy()
        for m in range(y.shape[1]):
            total = b[m]
            for k in range(row.size):
                total += row[k] * w[m, k]
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def slow_allocation_in_called_function(x, w, b, y):
    for n in range(y.shape[0]):
        for m in range(y.shape[1]):
            both = np.concatenate((x[n], w[m]))  # slow: allocation
            total = b[m]
            for k in range(x.shape[1]):
                total += both[k] * both[x.shape[1] + k]
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def good_allocation_in_called_function(x, w, b, y):
    for n in range(y.shape[0]):
        for m in range(y.shape[1]):
            first, second = x[n], w[m]
            total = b[m]
            for k in range(x.shape[1]):
                total += first[k] * second[k]
            y[n, m] = total


@implements("dense")
@njit(fastmath=REORDER)
def slow_array_of_doubles(x, w, b, y):
    total = np.zeros(1)
    for n in range(y.shape[0]):
        for m in range(y.shape[1]):
            total[0] = b[m]
            for k in range(x.shape[1]):
                total[0] += x[n, k] * w[m, k]  # slow: float64
            y[n, m] = total[0]


@implements("dense")
@njit(fastmath=REORDER)
def good_array_of_doubles(x, w, b, y):
    total = np.zeros(1, x.dtype)
    for n in range(y.shape[0]):
        for m in range(y.shape[1]):
            total[0] = b[m]
            for k in range(x.shape[1]):
                total[0] += x[n, k] * w[m, k]
            y[n, m] = total[0]


@implements(RESCALE)
@njit(parallel=True)
def slow_threads(x, s, y):
    for n in range(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in prange(x.shape[1]):  # slow: threads
            y[n, k] = x[n, k] * factor


@implements(RESCALE)
@njit(parallel=True)
def good_threads(x, s, y):
    for n in prange(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] * factor


@implements("dense")
@njit(parallel=True)
def slow_sum_of_inner_prange(x, w, b, y):
    """The threads start for two levels of loops; Numba adds up what each thread has of the array."""
    for n in range(y.shape[0]):
        largest = np.zeros(1, x.dtype)
        for m in prange(y.shape[1]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]  # slow: reduction
            y[n, m] = total
            largest[0] += total


@implements("dense")
@njit(parallel=True, fastmath=REORDER)
def good_sum_of_inner_prange(x, w, b, y):
    for n in range(y.shape[0]):
        largest = np.zeros(1, x.dtype)
        for m in prange(y.shape[1]):
            total = b[m]
            for k in range(x.shape[1]):
                total += x[n, k] * w[m, k]
            y[n, m] = total
            largest[0] += total


@implements(RESCALE)
@njit(parallel=True)
def slow_prange_with_exit(x, s, y):
    for n in prange(x.shape[0]):  # slow: not-parallel
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] * factor
        assert n >= 0


@implements(RESCALE)
@njit(parallel=True)
def good_prange_with_exit(x, s, y):
    for n in prange(x.shape[0]):
        factor = np.float32(1) / s[n]
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] * factor
