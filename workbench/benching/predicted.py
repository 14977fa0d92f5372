"""Predicted times beside measured ones, for the CUDA kernels of a benchmark run on a GPU whose figures are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.cases.named import NETWORK
from workbench.predicting.gpus import gpu_of_device
from workbench.predicting.predicted_rows import predicted_rows
from workbench.system.errors import InputError
from workbench.target.resolve import Target


def predictions(
    rows: Sequence[Mapping[str, Any]], targets: Sequence[Target], given: str | None, device: str | None
) -> list[dict[str, Any]]:
    """Return the predicted times of rows that were timed on a GPU, each with what was measured.

    Parameters
    ----------
    rows : of the run
    targets : operations and files, as on the command line
    given : the shapes of the command line, None for named cases
    device : the driver's name of the GPU, None without one
    """
    gpu = None if device is None else gpu_of_device(device)
    measured = {
        (row["op"], row["case"], row["implementation"], row["dtype"]): row["median_ms"]
        for row in rows
        if row["device"] == "cuda" and row["verified"]
    }
    if gpu is None or not measured:
        return []
    named = [each for each in targets if each.text != NETWORK] or [Target(text=op) for op, *_ in measured]
    found = []
    for case, dtype in dict.fromkeys((case, dtype) for _, case, _, dtype in measured):
        for target in dict.fromkeys(named):
            try:
                predicted, _ = predicted_rows([target], dtype, given or case, gpu)
            except InputError:  # another operation's case, a kernel that the simulator cannot run
                continue
            for row in predicted:
                time = measured.get((row["op"], case, row["implementation"], dtype))
                if time is not None:
                    found.append(row | {"case": case, "measured_ms": time})
    return found
