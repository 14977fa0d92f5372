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
    "ON_DEVICE",
    "PLAIN",
    "Executor",
    "FusedExecutor",
    "OpsExecutor",
    "Step",
    "StepSettings",
    "check_memory",
    "choose",
    "running_on",
    "step_calls",
]


def _on_device(*, persistent: bool) -> Callable[[Network, Parameters, str], Executor]:
    def make(network: Network, parameters: Parameters, _device: str) -> Executor:
        from workbench.network.executor.on_device import DeviceExecutor  # imports numba.cuda

        return DeviceExecutor(network, parameters, persistent=persistent)

    return make


EXECUTORS: dict[str, Callable[[Network, Parameters, str], Executor]] = {
    "fused": lambda network, parameters, _device: FusedExecutor(network, parameters),
    "ops": OpsExecutor,
    "graph": _on_device(persistent=False),
    "persistent": _on_device(persistent=True),
}
"""By name: (network, parameters, device) -> executor. The parameters may change between calls."""

ON_DEVICE = ("graph", "persistent")
"""Those that train on a CUDA device alone."""

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


def running_on(device: str, name: str) -> str:
    """Return the name of the executor that runs on a device what another one trained, there or on the other device."""
    return name if name == "ops" else choose(AUTO, device, ())[0]


def choose(name: str, device: str, user_kernels: Sequence[str], *, augmented: bool = False) -> tuple[str, str]:
    """Return the name of the executor to run, and the reason for it.

    Parameters
    ----------
    name : one of EXECUTORS or "auto"
    device : "cpu" or "cuda"
    user_kernels : files with kernels of a user
    augmented : whether images are augmented

    Raises
    ------
    InputError
        The executor that is asked for cannot run.
    """
    fused = "" if device == "cpu" else f"the fused executor has no code for {device}"
    there = "it trains on a CUDA device (--device cuda)" if device == "cpu" else ""
    if user_kernels:
        fused = there = "your kernels run operation by operation"
    elif device != "cpu" and augmented:
        there = "images are augmented on the CPU"
    faults = {"ops": "", "fused": fused, **dict.fromkeys(ON_DEVICE, there)}
    if name != AUTO:
        if faults[name]:
            raise InputError(f"--executor {name}: {faults[name]}; omit the option, or use --executor ops")
        return name, "asked for"
    best, reason = (
        ("fused", "the fastest on the CPU") if device == "cpu" else ("persistent", "one kernel for many steps")
    )
    return ("ops", faults[best]) if faults[best] else (best, reason)
