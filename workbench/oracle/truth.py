"""The oracle of one call: by the reference that is fast enough, and by the other references that the operation declares."""

from dataclasses import replace
from typing import Any

import numpy as np

from kernels.declare.op import Op, Options
from workbench.oracle.bounds import Oracle, oracle
from workbench.oracle.reference import oracle_reference
from workbench.sampling import Arrays


def truth_of(
    op: Op, inputs: Arrays, options: Options, dtype: np.dtype[Any], *, accumulate: str | None, free: bool
) -> Oracle:
    """Return the oracle of a call.

    Parameters
    ----------
    op, inputs, options, dtype, accumulate : as for ``oracle``
    free : whether a result may follow one of ``op.alternatives``; they are computed only if the reference refutes it
    """
    flops = op.flops({name: array.shape for name, array in inputs.items()}, options)

    def by(each: Op) -> Oracle:
        compiled = oracle_reference(each, dtype, flops)
        return oracle(each, inputs, options, dtype, compiled=compiled, accumulate=accumulate)

    truth = by(op)
    if not free or not op.alternatives:
        return truth
    return replace(truth, others=lambda: tuple(by(replace(op, reference=each)) for each in op.alternatives))
