"""Checks of the reference's use of arrays: outputs depend on the inputs alone, in the inputs' precision."""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from kernels.declare.op import Op
from workbench.oracle.declaration.checks import DeclarationFault
from workbench.oracle.declaration.reference_runs import (
    PRECISIONS,
    expect_same,
    normal_arrays,
    precision_name,
    rounded_to,
    run,
    same_values,
)
from workbench.oracle.poison import POISONS
from workbench.sampling import Case
from workbench.system.errors import raised


def reference_is_a_function(op: Op, case: Case) -> int:
    """Check that outputs depend on the inputs alone, in every precision: fully written, the same every time."""
    arrays = case.arrays()
    written = 0
    for dtype in PRECISIONS:
        try:
            first, again = (run(op, arrays, case.options, dtype, POISONS[0]) for _ in range(2))
            other = run(op, arrays, case.options, dtype, POISONS[1])
        except DeclarationFault:
            raise
        except Exception as error:
            raise DeclarationFault(f"{raised(error)}, in {precision_name(dtype)} on values {case.family!r}") from error
        expect_same(op, first, again, "differs between two calls on the same inputs")
        expect_same(op, first, other, "depends on what the output held before: never written, or read first")
        written += sum(values.size for values in first)
    return written


def parts_need_their_inputs_alone(op: Op, case: Case) -> int:
    """Check that an output does not depend on inputs that its part does not need: other values leave it as it is."""
    arrays = case.arrays()
    others = dataclasses.replace(case, seed=case.seed ^ 0x5EED).arrays()
    before = dict(zip(op.outputs, run(op, arrays, case.options, np.float64), strict=True))
    for name, part in op.parts.items():
        mixed = {each: array if each in part.needs else others[each] for each, array in arrays.items()}
        after = dict(zip(op.outputs, run(op, mixed, case.options, np.float64), strict=True))
        if not np.all(same_values(before[name], after[name])):
            unneeded = ", ".join(each for each in arrays if each not in part.needs)
            raise DeclarationFault(f"parts: {name} depends on {unneeded}, which is not among the inputs it needs")
    return len(op.parts)


def computes_in_every_precision(op: Op, drawn: Sequence[Case]) -> None:
    """Check that an output that rounds in one precision has more digits in wider ones.

    A reference that computes in one precision whatever its inputs (math.exp and float() compute in float64) has no more
    digits beyond it. ``needed`` elements that differ between two precisions count as evidence that it rounds. If half of
    them were exact in a wider one by chance, the probability that none differs there is 2**-20.
    """
    needed = 20
    shown: dict[str, str] = {}
    for low, high in pairwise((np.float16, *PRECISIONS)):
        differ = dict.fromkeys(op.outputs, 0)
        for case in drawn:
            arrays = rounded_to(normal_arrays(case), low)
            narrow, wide = (run(op, arrays, case.options, dtype) for dtype in (low, high))
            for name, first, second in zip(op.outputs, narrow, wide, strict=True):
                if name in op.output_dtypes:
                    continue  # integers have all digits
                differ[name] += int(np.sum(~same_values(first, second)))
        for name, number in differ.items():
            if name in shown and not number and np.finfo(high).eps < np.finfo(low).eps:
                raise DeclarationFault(
                    f"{name} has the same digits in {precision_name(high)} as in {precision_name(low)}, in every case, "
                    f"though it rounds ({shown[name]}): it is computed in one precision whatever the inputs are, as by "
                    "math.exp and float()"
                )
            if number >= needed:
                shown[name] = f"{number} values differ between {precision_name(low)} and {precision_name(high)}"
