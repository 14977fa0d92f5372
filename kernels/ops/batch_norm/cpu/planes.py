"""Batch normalization by planes, the images (n, c): threads take planes, lanes run along one.

The sums of planes are added up in the order of the samples, whatever the number of threads.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.compile.partition import unit_count, unit_range
from kernels.simd.tile import add, lanes, load, load_first, steps, zeros
from kernels.simd.vector_math import keep_first, multiply, shift, sum_of

Array = NDArray[Any]

COLUMNS = 4
"""Vectors in a step along a plane, so that sums do not wait for the previous step."""


@cpu_core
def _sum(x: Array, start: int, size: int) -> Any:
    """Return the sum of a plane."""
    places = steps(COLUMNS, 0, lanes(x))
    step = COLUMNS * lanes(x)
    whole = start + size // step * step
    total = zeros((0,), places, x)
    for k in range(start, whole, step):
        total = add(total, load(x, (k,), places))
    if whole < start + size:
        total = add(total, load_first(x, (whole,), places, start + size - whole))
    return sum_of(total)


@cpu_core
def _squares(x: Array, start: int, size: int, mean: Any) -> Any:
    """Return the sum of the squares of x - mean over a plane."""
    places = steps(COLUMNS, 0, lanes(x))
    step = COLUMNS * lanes(x)
    whole = start + size // step * step
    total = zeros((0,), places, x)
    for k in range(start, whole, step):
        distance = shift(load(x, (k,), places), -mean)
        total = add(total, multiply(distance, distance))
    if whole < start + size:
        left = start + size - whole
        distance = keep_first(shift(load_first(x, (whole,), places, left), -mean), left, 0.0)
        total = add(total, multiply(distance, distance))
    return sum_of(total)


@cpu_core
def _products(dy: Array, x: Array, start: int, size: int, mean: Any) -> Any:
    """Return the sum of dy * (x - mean) over a plane."""
    places = steps(COLUMNS, 0, lanes(x))
    step = COLUMNS * lanes(x)
    whole = start + size // step * step
    total = zeros((0,), places, x)
    for k in range(start, whole, step):
        total = add(total, multiply(load(dy, (k,), places), shift(load(x, (k,), places), -mean)))
    if whole < start + size:
        left = start + size - whole
        distance = shift(load_first(x, (whole,), places, left), -mean)
        total = add(total, keep_first(multiply(load_first(dy, (whole,), places, left), distance), left, 0.0))
    return sum_of(total)


@cpu_core
def _normalize(x: Array, start: int, size: int, mean: Any, scale: Any, bias: Any, y: Array) -> None:
    source, target = x[start : start + size], y[start : start + size]  # indices from 0 on need no test of their sign
    for k in range(size):
        target[k] = (source[k] - mean) * scale + bias


@cpu_core
def _add_planes(sums: Array, totals: Array) -> None:
    """Add the sums of the planes of every channel."""
    totals[:] = 0
    channels = totals.size
    for p in range(sums.size):
        totals[p % channels] += sums[p]


@cpu_kernel
def batch_norm_inference_cpu(x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array) -> None:
    """Compute y, plane by plane."""
    samples, channels, height, width = x.shape
    source, target, size = x.reshape(x.size), y.reshape(x.size), height * width
    planes, plane_bytes = samples * channels, size * x.itemsize
    one, small = y.dtype.type(1), y.dtype.type(epsilon)
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        for p in range(first, end):
            c = p % channels
            scale = w[c] * (one / np.sqrt(var[c] + small))
            _normalize(source, p * size, size, mean[c], scale, b[c], target)


@cpu_kernel
def batch_norm_cpu(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Compute the sums of planes, those of squares, then y."""
    samples, channels, height, width = x.shape
    source, size = x.reshape(x.size), height * width
    planes, plane_bytes, count = samples * channels, size * x.itemsize, y.dtype.type(samples * size)
    sums = np.empty(planes, x.dtype)
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        for p in range(first, end):
            sums[p] = _sum(source, p * size, size)
    _add_planes(sums, mean)
    for c in range(channels):
        mean[c] /= count
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        for p in range(first, end):
            sums[p] = _squares(source, p * size, size, mean[p % channels])
    _add_planes(sums, var)
    for c in range(channels):
        var[c] /= count
    target, one, small = y.reshape(x.size), y.dtype.type(1), y.dtype.type(epsilon)
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        for p in range(first, end):
            c = p % channels
            scale = w[c] * (one / np.sqrt(var[c] + small))
            _normalize(source, p * size, size, mean[c], scale, b[c], target)


@cpu_kernel
def batch_norm_backward_cpu(
    dy: Array, x: Array, w: Array, mean: Array, var: Array, epsilon: float, dx: Array, dw: Array, db: Array
) -> None:
    """Compute the sums of planes, which make db and dw, then dx."""
    samples, channels, height, width = x.shape
    size = height * width
    gradient, source, target = dy.reshape(x.size), x.reshape(x.size), dx.reshape(x.size)
    planes, plane_bytes, count = samples * channels, size * x.itemsize, dx.dtype.type(samples * size)
    one, small = dx.dtype.type(1), dx.dtype.type(epsilon)
    sums, products = np.empty(planes, x.dtype), np.empty(planes, x.dtype)
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        for p in range(first, end):
            sums[p] = _sum(gradient, p * size, size)
            products[p] = _products(gradient, source, p * size, size, mean[p % channels])
    _add_planes(sums, db)
    _add_planes(products, dw)
    for c in range(channels):
        dw[c] *= one / np.sqrt(var[c] + small)
    for unit in prange(unit_count(planes, plane_bytes)):
        first, end = unit_range(unit, planes, plane_bytes)
        for p in range(first, end):
            c = p % channels
            inverse = one / np.sqrt(var[c] + small)
            _differentiate(
                gradient,
                source,
                p * size,
                size,
                (mean[c], inverse, w[c] * inverse, db[c] / count, dw[c] / count),
                target,
            )


@cpu_core
def _differentiate(dy: Array, x: Array, start: int, size: int, channel: Any, dx: Array) -> None:
    """Compute dx of a plane; ``channel`` is its mean, 1/deviation, w/deviation, db/m and dw/m."""
    mean, inverse, scale, shared, along = channel
    gradient, source, target = dy[start : start + size], x[start : start + size], dx[start : start + size]
    for k in range(size):
        target[k] = scale * (gradient[k] - shared - (source[k] - mean) * inverse * along)
