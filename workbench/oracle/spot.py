"""Spot checks: the outputs of a large case are judged at some of their elements, within the same a-priori bound.

The problem is reduced along axes whose outputs are independent of each other, such as the samples or the output channels.
The small problem has the same outputs as the large one there, and the oracle is cheap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Op, Options, Shape
from workbench.oracle.bounds import Oracle
from workbench.oracle.truth import truth_of
from workbench.sampling import Arrays

LEAST_ELEMENTS = 1000

CUTS: dict[str, tuple[dict[str, int], ...]] = {
    "conv2d": ({"x": 0, "y": 0}, {"w": 0, "b": 0, "y": 1}),
    "conv2d_backward": ({"x": 1, "w": 1, "dx": 1, "dw": 1},),
    "relu": ({"x": 0, "y": 0}, {"x": 1, "y": 1}),
    "relu_backward": ({"dy": 0, "x": 0, "dx": 0}, {"dy": 1, "x": 1, "dx": 1}),
    "dense": ({"x": 0, "y": 0}, {"w": 0, "b": 0, "y": 1}),
    "dense_backward": ({"x": 1, "w": 1, "dx": 1, "dw": 1},),
    "softmax": ({"x": 0, "y": 0},),
    "softmax_backward": ({"dy": 0, "y": 0, "dx": 0},),
    **{f"{kind}_pool2d": ({"x": 0, "y": 0}, {"x": 1, "y": 1}) for kind in ("max", "avg", "sum")},
    **{
        f"{kind}_pool2d_backward": ({"dy": 0, "x": 0, "dx": 0}, {"dy": 1, "x": 1, "dx": 1})
        for kind in ("max", "avg", "sum")
    },
}
"""Operation -> the axes that can be reduced, each as its position in every array that has it."""

LARGE_BYTES = 2**31
"""The size that an array of an enlarged call exceeds: beyond it, offsets of 32 bits wrap around."""

BEYOND = 17 / 16
"""The size of the largest array of an enlarged call, as a multiple of ``LARGE_BYTES``: of the elements that are judged, one
in 17 lies beyond them."""

FEW_FLOPS = 20_000_000
"""The work that the oracle may do, about 0.1 s; a smaller problem is judged completely."""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """The elements that are judged, and their exact values.

    Attributes
    ----------
    indices : for every output, the indices of the judged elements along each axis, for ``numpy.ix_``
    truth : the oracle's result for those
    """

    op: Op
    indices: tuple[tuple[NDArray[np.intp], ...], ...]
    truth: Oracle

    @property
    def elements(self) -> int:
        """The number of elements that are judged."""
        return sum(prod(map(len, each)) for each in self.indices)

    def fault(self, outputs: Sequence[NDArray[Any]], computes: Sequence[str] | None = None) -> str:
        """Return the first fault of the outputs; empty if there is none.

        ``computes`` names the outputs of the kernel; None: all of the operation's.
        """
        for name, output in zip(computes or self.op.outputs, outputs, strict=True):
            position = self.op.outputs.index(name)
            if np.isnan(output).any() and not self.truth.has_nan(position):
                place = tuple(map(int, np.argwhere(np.isnan(output))[0]))
                return f"{name}{list(place)} is {output[place]}: not computed, or wrong"
            judged = output[np.ix_(*self.indices[position])] if output.ndim else output
            shares = self.truth.shares(position, judged)
            if shares.size and not shares.max() <= 1:
                worst = np.unravel_index(int(np.argmax(shares)), shares.shape)
                place = tuple(int(axis[i]) for axis, i in zip(self.indices[position], worst, strict=True))
                exact = self.truth.expected[position][worst]
                return (
                    f"{name}{list(place)} is {judged[worst]:.9g}, the exact value {exact:.9g}, "
                    f"{float(shares[worst]):.3g} times the bound of rounding"
                )
        return ""


def spot(
    op: Op,
    inputs: Arrays,
    options: Options,
    dtype: str,
    seed: int = 0,
    accumulate: str | None = None,
    *,
    free: bool = False,
) -> Spot:
    """Choose elements of the outputs of a call, all of them or at least 1000 at random, and compute their exact values.

    ``accumulate`` is the lower precision that a kernel declares, ``free`` says whether it may follow ``op.alternatives``.
    """
    rng = np.random.default_rng(seed)
    keep: dict[tuple[str, int], Sequence[int] | NDArray[np.intp]] = {
        (name, axis): range(size) for name, array in inputs.items() for axis, size in enumerate(array.shape)
    }
    full = op.output_shapes({name: array.shape for name, array in inputs.items()}, options)
    kept = {
        (name, axis): range(size)
        for name, shape in zip(op.outputs, full, strict=True)
        for axis, size in enumerate(shape)
    }
    keep |= kept
    small = dict(inputs)
    for cut in CUTS.get(op.name, ()):
        if options.get("groups", 1) > 1 and any(axis == 1 or name == "w" for name, axis in cut.items()):
            continue  # the channels of a group belong together
        flops = op.flops({name: array.shape for name, array in small.items()}, options)
        axes = [(name, axis) for name, axis in cut.items() if (name, axis) in keep]
        if flops <= FEW_FLOPS or len(axes) < len(cut):
            continue
        size = len(keep[axes[0]])
        elements = min(
            prod(len(keep[name, axis]) for axis in range(len(shape)))
            for name, shape in zip(op.outputs, full, strict=True)
            if name in cut
        )
        wanted = max(round(size * FEW_FLOPS / flops), -(-LEAST_ELEMENTS * size // max(elements, 1)), 1)
        others = np.sort(rng.choice(size - 1, min(wanted, size) - 1, replace=False)) if size > 1 else ()
        chosen = np.append(others, size - 1).astype(np.intp)  # the last one always
        for name, axis in axes:
            keep[name, axis] = chosen
            if name in small:
                small[name] = np.ascontiguousarray(np.take(small[name], chosen, axis))
    return Spot(
        op=op,
        indices=tuple(
            tuple(np.asarray(keep[name, axis], np.intp) for axis in range(len(shape)))
            for name, shape in zip(op.outputs, full, strict=True)
        ),
        truth=truth_of(op, small, options, np.dtype(dtype), accumulate=accumulate, free=free),
    )


def enlarged(op: Op, shapes: Mapping[str, Shape], options: Options, itemsize: int) -> dict[str, Shape] | None:
    """Enlarge a call along the first axis of CUTS until an array has more than ``LARGE_BYTES``; its results can be judged.

    Returns
    -------
    dict or None
        The shapes of the inputs; None if the outputs of the operation depend on each other along every axis, or the call
        has groups or empty arrays.
    """
    if not CUTS.get(op.name) or options.get("groups", 1) > 1 or not all(prod(shape) for shape in shapes.values()):
        return None
    cut = CUTS[op.name][0]

    def resized(size: int) -> dict[str, Shape]:
        return {
            name: shape if name not in cut else (*shape[: cut[name]], size, *shape[cut[name] + 1 :])
            for name, shape in shapes.items()
        }

    if not all(len(shape) > cut[name] for name, shape in shapes.items() if name in cut):
        return None
    unit = resized(1)
    every = {**unit, **dict(zip(op.outputs, op.output_shapes(unit, options), strict=True))}
    unit_bytes = itemsize * max(prod(shape) for name, shape in every.items() if name in cut)
    return resized(round(BEYOND * LARGE_BYTES / unit_bytes) + 1)
