"""Saving the arrays of a failing case in a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from kernels import OPS
from workbench.checking.engine import Runner
from workbench.oracle.truth import truth_of
from workbench.sampling import Case
from workbench.system.files import atomic_path


def save_failure(path: Path, case: Case, runner: Runner, reason: str, accumulate: str | None = None) -> None:
    """Write a failing case to ``path``, an .npz file.

    It contains the inputs by name; ``expected_y``, ``bound_y`` and ``got_y`` for every output y (``got_y`` only if the
    kernel returns one when it is run again); and as text ``options`` (JSON), ``op``, ``reason`` and ``token``.
    """
    op, dtype, inputs = OPS[case.op], np.dtype(case.dtype), case.arrays()
    truth = truth_of(op, inputs, case.options, dtype, accumulate=accumulate, free=False)
    fields: dict[str, Any] = dict(inputs)
    for name, expected, bound in zip(op.outputs, truth.expected, truth.bounds, strict=True):
        fields |= {f"expected_{name}": expected, f"bound_{name}": bound}
    fields |= {f"got_{name}": array for name, array in (runner.run(case).outputs or {}).items()}
    fields |= {"op": case.op, "options": json.dumps(case.options), "reason": reason, "token": case.token}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **fields)
