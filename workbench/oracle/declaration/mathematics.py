"""Checks of the reference's mathematics: its gradients, linearity, adjoint, and shifts of its input."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kernels import OPS
from kernels.declare.op import Op, Options
from kernels.declare.rounding import gamma
from kernels.declare.shapes import window_extent
from workbench.oracle.bounds import Oracle, oracle
from workbench.oracle.declaration.checks import DeclarationFault
from workbench.oracle.declaration.gradients import numeric_gradient
from workbench.oracle.declaration.reference_runs import (
    DOUBLE,
    Array,
    element_name,
    expect_same,
    normal_arrays,
    run,
    same_values,
    worst_place,
)
from workbench.sampling import Arrays, Case

FACTOR = -3
"""The factor in f(a*u + v) = a*f(u) + f(v): not a power of two, whose products are always exact."""


def gradients_are_differences(op: Op, case: Case) -> int:
    """Check that every gradient equals the central differences of the forward reference, away from kinks."""
    arrays = normal_arrays(case)
    dy = _upstream(op, case)
    backward, given, options = _backward_call(op, arrays, case.options, dy)
    compared = 0
    for output, gradient in zip(backward.outputs, run(backward, given, options, DOUBLE), strict=True):
        name = output.removeprefix("d")
        if gradient.shape != arrays[name].shape:
            raise DeclarationFault(f"{backward.name} gives {output} {gradient.shape} for {name} {arrays[name].shape}")
        numeric = numeric_gradient(_of_one_input(op, arrays, case.options, name), arrays[name], dy)
        wrong = ~np.isnan(numeric.values) & ~(np.abs(gradient - numeric.values) <= numeric.tolerance)
        if wrong.any():
            place = worst_place(wrong)
            raise DeclarationFault(
                f"{backward.name}: {element_name(output, place)} is {gradient[place]:.6g}, the central difference of "
                f"{op.name} {numeric.values[place]:.6g}"
            )
        compared += int(np.sum(~np.isnan(numeric.values)))
    return compared


def _of_one_input(op: Op, arrays: Arrays, options: Options, name: str) -> Callable[[Array], Array]:
    return lambda values: run(op, {**arrays, name: values}, options, DOUBLE)[0]


def _upstream(op: Op, case: Case) -> Array:
    """Draw the gradient of the first output; ones if the backward operation has no ``dy``."""
    shape = op.output_shapes(case.shapes, case.options)[0]
    takes_dy = any(item.name == "dy" for item in OPS[str(op.backward)].inputs)
    return _drawn_like(case, shape) if takes_dy else np.ones(shape)


def _backward_call(op: Op, arrays: Arrays, options: Options, dy: Array) -> tuple[Op, Arrays, dict[str, Any]]:
    """Return the backward operation with its inputs and options, found by name."""
    backward = OPS[str(op.backward)]
    outputs = dict(zip(op.outputs, run(op, arrays, options, DOUBLE), strict=True))
    known = {**outputs, **arrays, "dy": dy}
    return (
        backward,
        {item.name: known[item.name] for item in backward.inputs},
        {option.name: options[option.name] for option in backward.options},
    )


def _drawn_like(case: Case, shape: tuple[int, ...]) -> Array:
    """Draw well-scaled values that differ from the case's own."""
    return np.random.default_rng(case.seed + 1).standard_normal(shape)


def _without_bias(op: Op, case: Case) -> Arrays:
    arrays = normal_arrays(case)
    return arrays | {item.name: np.zeros_like(arrays[item.name]) for item in op.inputs if item.optional}


def is_linear(op: Op, case: Case) -> int:
    """Check f(a*u + v) = a*f(u) + f(v) within rounding, and f(4*u) = 4*f(u) exactly, for inputs in ``linear_in``."""
    arrays = _without_bias(op, case)
    compared = 0
    for name in op.linear_in:
        # Multiples of 2**-10, so that a*u + v does not round.
        u, v = (np.rint(1024 * values) / 1024 for values in (arrays[name], _drawn_like(case, arrays[name].shape)))
        first, second, both = (
            oracle(op, {**arrays, name: values}, case.options, DOUBLE) for values in (u, v, FACTOR * u + v)
        )
        for position, output in enumerate(op.outputs):
            compared += _superposed(output, name, position, first, second, both)
        once, scaled = (run(op, {**arrays, name: values}, case.options, DOUBLE) for values in (u, 4 * u))
        expect_same(
            op, scaled, [4 * values for values in once], f"is not linear in {name}: f(4*{name}) is not 4*f({name})"
        )
    return compared


def _superposed(output: str, name: str, position: int, first: Oracle, second: Oracle, both: Oracle) -> int:
    got = both.expected[position]
    parts = FACTOR * first.expected[position], second.expected[position]
    with np.errstate(invalid="ignore"):
        expected = parts[0] + parts[1]
        own = gamma(2, float(np.finfo(got.dtype).eps) / 2) * (np.abs(parts[0]) + np.abs(parts[1]))
        allowed = both.bounds[position] + abs(FACTOR) * first.bounds[position] + second.bounds[position] + own
        compared = np.isfinite(got) & np.isfinite(expected)
        wrong = compared & ~(np.abs(got - expected) <= allowed)
    if wrong.any():
        place = worst_place(wrong)
        raise DeclarationFault(
            f"{element_name(output, place)} is not linear in {name}: f({FACTOR}*u + v) is {got[place]:.6g}, "
            f"{FACTOR}*f(u) + f(v) {expected[place]:.6g}"
        )
    return int(compared.sum())


def differentiated(op: Op) -> list[str]:
    """Return the inputs in which ``op`` is linear and for which its backward operation returns a gradient."""
    return [name for name in op.linear_in if op.backward is not None and f"d{name}" in OPS[op.backward].outputs]


def is_adjoint(op: Op, case: Case) -> int:
    """Check <f(v), g> = <v, backward(g)> for every input v in ``linear_in`` that has a gradient."""
    arrays = _without_bias(op, case)
    truth = oracle(op, arrays, case.options, DOUBLE)
    dual = _upstream(op, case)
    backward, given, options = _backward_call(op, arrays, case.options, dual)
    gradients = oracle(backward, given, options, DOUBLE)
    compared = 0
    for name in differentiated(op):
        left, left_error = _inner_product(truth, 0, dual)
        right, right_error = _inner_product(gradients, backward.outputs.index(f"d{name}"), arrays[name])
        if not (np.isfinite(left) and np.isfinite(right)):  # a window entirely in the padding may give -inf or NaN
            continue
        if not abs(left - right) <= left_error + right_error:
            raise DeclarationFault(
                f"{backward.name} is not the adjoint of {op.name} in {name}: <f({name}), g> is {left:.10g}, "
                f"<{name}, d{name}(g)> {right:.10g}"
            )
        compared += dual.size
    return compared


def _inner_product(truth: Oracle, position: int, factor: Array) -> tuple[Any, Any]:
    """Return the inner product of an output with ``factor``, and its rounding error bound."""
    expected = truth.expected[position]
    with np.errstate(invalid="ignore"):
        terms = factor * expected
        own = gamma(terms.size + 1, float(np.finfo(expected.dtype).eps) / 2) * np.sum(np.abs(terms))
        return np.sum(terms), np.sum(np.abs(factor) * truth.bounds[position]) + own


def slides(op: Op) -> bool:
    """Return whether an operation slides a window over its input; one that takes ``dy`` is a gradient and does not."""
    return op.window is not None and all(item.name != "dy" for item in op.inputs)


def moves_with_its_input(op: Op, case: Case) -> int:
    """Check that with stride 1 and no padding, shifting x by one row or column shifts the first output by one."""
    assert op.window is not None
    arrays = {name: np.rint(array) if array.dtype.kind == "f" else array for name, array in normal_arrays(case).items()}
    options = {
        option.name: ((0, 0), (0, 0)) if option.form == "padding" else case.options[option.name]
        for option in op.options
    } | ({"stride": (1, 1)} if "stride" in case.options else {})
    window, dilation = op.window(case.shapes, options), options.get("dilation", (1, 1))
    extents = [window_extent(kernel, apart) for kernel, apart in zip(window, dilation, strict=True)]
    shape = (*case.shapes["x"][:-2], *(extent + 2 for extent in extents))
    x = np.random.default_rng(case.seed).integers(-3, 4, shape).astype(DOUBLE)
    compared = 0
    for axis, word in ((-2, "row"), (-1, "column")):
        first, second = (
            run(op, {**arrays, "x": part}, options, DOUBLE)[0]
            for part in (_cut(x, axis, 0, -1), _cut(x, axis, 1, None))
        )
        kept, moved = _cut(first, axis, 1, None), _cut(second, axis, 0, -1)
        if not same_values(kept, moved).all():
            place = worst_place(~same_values(kept, moved))
            raise DeclarationFault(
                f"x {x.shape} moved by one {word} does not move {op.outputs[0]} by one, with stride 1 and no padding: "
                f"{element_name(op.outputs[0], place)} is {moved[place]:.6g}, needs {kept[place]:.6g}"
            )
        compared += kept.size
    return compared


def _cut(array: Array, axis: int, start: int, stop: int | None) -> Array:
    return np.ascontiguousarray(np.moveaxis(np.moveaxis(array, axis, 0)[start:stop], 0, axis))
