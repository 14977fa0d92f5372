"""One case run on a kernel's Python body with every array access watched, to find races and accesses outside arrays."""

import inspect
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kernels import OPS
from workbench.checking.judging import Subject
from workbench.checking.results import Fault, Verdict
from workbench.checking.watching import Hazard, watch
from workbench.sampling import Case


class _Seen(Exception):  # noqa: N818 - no error
    """Ends the call when the body has run; carries the hazard, if there is one."""

    def __init__(self, hazard: Hazard | None) -> None:
        super().__init__()
        self.hazard = hazard


def judge_watched(subject: Subject, body: Any, case: Case) -> Verdict:
    """Run one case on ``body``, the subject's function uncompiled; the fault is the first hazard.

    Exceptions of the body are not a fault: some code that compiles cannot be run in plain Python.
    """
    op = OPS[case.op]
    names = tuple(inspect.signature(body).parameters)

    def watched(*given: Any, **keywords: Any) -> None:
        raise _Seen(watch(partial(body, **keywords), given, names[: len(given)], seed=case.seed))

    inputs = case.arrays()
    implementation = subject.over(watched).implementation
    shapes = implementation.of_outputs(op.outputs, op.output_shapes(case.shapes, case.options))
    outputs = [np.full(shape, np.nan, case.dtype) for shape in shapes]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            implementation.function(*inputs.values(), *op.option_values(case.options), *outputs)
    except _Seen as seen:
        per_thread = "get_thread_id" in getattr(getattr(body, "__code__", None), "co_names", ())
        if seen.hazard is not None and not (per_thread and seen.hazard.kind == "race"):  # here all are one thread
            where = f"{Path(seen.hazard.file).name}:{seen.hazard.line}"
            return Verdict(fault=Fault(reason=f"{seen.hazard.reason}, {where}"))
    except Exception:
        return Verdict()
    return Verdict()
