"""Checks of the rounding bound: the reference stays within it, and half precision does not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kernels.declare.op import Op
from kernels.declare.rounding import Analytic, Sum
from workbench.oracle.bounds import Oracle, absolute_values, oracle, reference_outputs
from workbench.oracle.declaration.checks import DeclarationFault
from workbench.oracle.declaration.reference_runs import (
    DOUBLE,
    SINGLE,
    Array,
    element_name,
    normal_arrays,
    precision_name,
    rounded_to,
    run,
    worst_place,
)
from workbench.sampling import Arrays, Case
from workbench.sampling.ranges import into_range

LARGER = 0.3
"""The share of the elements of an input that are made larger to see whether a sum falls."""


def bounds_fit(op: Op, case: Case) -> int:
    """Check that a specific formula returns a bound for every element of every output."""
    if isinstance(op.rounding, Analytic):
        arrays = normal_arrays(case)
        outputs = run(op, arrays, case.options, DOUBLE)
        bounds = op.rounding.of(arrays, outputs, 2.0**-53, case.options)
        got, needed = ([np.shape(values) for values in each] for each in (bounds, outputs))
        if got != needed:
            raise DeclarationFault(f"rounding gives bounds of shapes {got} for outputs of shapes {needed}")
    return 1


def adds_absolute_values(op: Op, case: Case) -> int:
    """Check that the sum of absolute values, by which a sum is bounded, grows with every term and factor.

    It does not if the reference subtracts: then it is no bound.
    """
    if not isinstance(op.rounding, Sum):
        return 1
    reference = op.rounding.absolute or op.reference
    arrays = absolute_values(op.rounding, normal_arrays(case), DOUBLE)
    before = reference_outputs(op, arrays, case.options, DOUBLE, reference)
    rng = np.random.default_rng(case.seed)
    for name in op.rounding.magnitudes:
        larger = arrays[name] + 8 * (rng.random(arrays[name].shape) < LARGER)
        after = reference_outputs(op, {**arrays, name: larger}, case.options, DOUBLE, reference)
        for output, old, new in zip(op.outputs, before, after, strict=True):
            if output in op.output_dtypes:
                continue
            less = new < old * (1 - 1e-9) - 1e-9
            if less.any():
                raise DeclarationFault(
                    f"rounding: the sum of absolute values of {element_name(output, worst_place(less))} falls where {name} "
                    "grows: the reference subtracts; give Sum(absolute=...) a function with + in place of -"
                )
    return 1


def stays_within_its_bound(op: Op, case: Case) -> int:
    """Check that the reference in float32 and in float64 is within the bound, and that the bound is finite."""
    compared = 0
    for dtype in (SINGLE, DOUBLE):
        own = replace(case, dtype=dtype.name).arrays()
        for arrays in (own, *_stagnating(op, own, case.seed)):
            truth = oracle(op, arrays, case.options, dtype)
            finite = all(bool(np.isfinite(array).all()) for array in arrays.values())
            got = run(op, arrays, case.options, dtype)
            for position, name in enumerate(op.outputs):
                _expect_bound(name, truth, position, finite)
                _expect_within(name, truth, position, got[position])
                compared += got[position].size
    return compared


def _stagnating(op: Op, arrays: Arrays, seed: int) -> list[Arrays]:
    """Return inputs for which every rounding errs in the same direction: 1 + u + u + ... stays 1 (u below unit roundoff).

    One input alternates ones and u; the others are ones. Sums then come close to their bound, from which the errors of
    random terms, of both signs, mostly stay far.
    """
    rng = np.random.default_rng(seed)
    inputs = {item.name: item for item in op.inputs}
    ones = {
        name: into_range(np.ones_like(array), inputs[name]) if array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }
    stagnating = []
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            lost = 0.99 * float(np.finfo(array.dtype).eps) / 2
            values = rng.choice((1.0, lost, lost, lost), array.shape).astype(array.dtype)
            stagnating.append({**ones, name: into_range(values, inputs[name])})
    return stagnating


def _expect_bound(name: str, truth: Oracle, position: int, finite: bool) -> None:
    expected, bound = truth.expected[position], truth.bounds[position]
    wrong = finite & np.isfinite(expected) & ~(np.isfinite(bound) & (bound >= 0))
    if wrong.any():
        place = worst_place(wrong)
        raise DeclarationFault(
            f"the bound of {element_name(name, place)} is {bound[place]:.6g}; needs a finite number of at least 0"
        )


def _expect_within(name: str, truth: Oracle, position: int, got: Array) -> None:
    shares = truth.shares(position, got)
    if shares.size and shares.max() > 1:
        place = worst_place(shares)
        if got.dtype.kind != "f":
            raise DeclarationFault(
                f"{element_name(name, place)} is {got[place]} in {truth.dtype.name} but "
                f"{truth.expected[position][place]} in a wider precision: an integer must not depend on rounding; compare "
                "the inputs with numbers that are exact, or take integers"
            )
        expected, bound = truth.expected[position][place], truth.bounds[position][place]
        raise DeclarationFault(
            f"the bound of {element_name(name, place)}, {bound:.3g}, is too small: the reference gives "
            f"{got[place]:.9g} in {truth.dtype.name} but {expected:.9g} in {precision_name(expected.dtype)}"
        )


def bounds_exclude_half_precision(op: Op, drawn: Sequence[Case]) -> None:
    """Check that for every output the errors of float16 exceed the bound of float32, if float16 errs at all."""
    worst, errs = np.zeros(len(op.outputs)), np.zeros(len(op.outputs), dtype=bool)
    for case in drawn:
        half = rounded_to(normal_arrays(case), np.float16)
        single = rounded_to(half, SINGLE)
        truth = oracle(op, single, case.options, SINGLE)
        for position, got in enumerate(run(op, half, case.options, np.float16)):
            if got.dtype.kind != "f":
                continue
            finite = np.isfinite(got) & np.isfinite(truth.expected[position])
            errs[position] |= bool(np.any(finite & (got != truth.expected[position])))
            shares = truth.shares(position, got.astype(SINGLE))
            worst[position] = max(worst[position], float(shares.max(where=finite, initial=0.0)))
    for name, share, err in zip(op.outputs, worst, errs, strict=True):
        if err and share <= 1:
            raise DeclarationFault(
                f"the bound of {name} is vacuous: even float16 arithmetic stays within the bound of float32, with at most "
                f"{share:.3g} of it in {len(drawn)} cases"
            )
