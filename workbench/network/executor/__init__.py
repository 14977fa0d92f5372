"""Executors: ways to run a network, listed in ``EXECUTORS``."""

from collections.abc import Callable, Sequence
from math import prod

import numba
import numpy as np

from kernels.fused.lanes import LANES
from workbench.network.executor.by_ops import OpsExecutor, step_calls
from workbench.network.executor.fused import FusedExecutor
from workbench.network.executor.protocol import PLAIN, Executor, Step, StepSettings
from workbench.network.spec import Network, Parameters
from workbench.system.errors import InputError
from workbench.system.machine import memory_bytes

__all__ = [
    "AUTO",
    "EVALUATION_BATCH",
    "EXECUTORS",
    "PLAIN",
    "Executor",
    "FusedExecutor",
    "OpsExecutor",
    "Step",
    "StepSettings",
    "check_memory",
    "choose",
    "step_calls",
]

EXECUTORS: dict[str, Callable[[Network, Parameters, str], Executor]] = {
    "fused": lambda network, parameters, _device: FusedExecutor(network, parameters),
    "ops": OpsExecutor,
}
"""By name: (network, parameters, device) -> executor. The parameters may change between calls."""

AUTO = "auto"

EVALUATION_BATCH = 256
"""Samples that are evaluated at a time."""


def check_memory(name: str, network: Network, batch: int = EVALUATION_BATCH) -> None:
    """Raise InputError if a network does not fit into this machine's memory.

    Parameters
    ----------
    name : its executor
    network : needs its parameters, their gradients and the optimizer's state, and values and gradients of samples
    batch : the most samples at a time
    """
    in_blocks = name == "fused" and not network.buffer_shapes  # a batch normalization needs all blocks of the batch
    samples = LANES * numba.get_num_threads() if in_blocks else batch  # that are in memory at a time
    parameters = sum(map(prod, network.parameter_shapes.values()))
    needed = (5 * parameters + 2 * samples * sum(map(prod, network.shapes))) * np.dtype(np.float32).itemsize
    if needed > memory_bytes():
        raise InputError(
            f"the network needs {needed / 2**30:,.0f} GiB for {parameters:,} parameters and {samples} samples, this machine "
            f"has {memory_bytes() / 2**30:,.0f}; use smaller layers or images" + " or a smaller batch" * (not in_blocks)
        )


def choose(name: str, device: str, user_kernels: Sequence[str]) -> tuple[str, str]:
    """Return the name of the executor to run, and the reason for it; ``name`` is one of EXECUTORS or "auto".

    Raises
    ------
    InputError
        The fused executor is requested but cannot run.
    """
    if name == "ops":
        return name, "asked for"
    fault = ""
    if device != "cpu":
        fault = f"the fused executor has no code for {device}"
    elif user_kernels:
        fault = "your kernels run operation by operation"
    if name == AUTO:
        return ("ops", fault) if fault else ("fused", "the fastest on the CPU")
    if fault:
        raise InputError(f"--executor fused: {fault}; omit the option, or use --executor ops")
    return name, "asked for"
