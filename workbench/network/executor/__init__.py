"""Executors: ways to run a network, listed in ``EXECUTORS``."""

from collections.abc import Callable, Sequence

from workbench.network.executor.by_ops import OpsExecutor
from workbench.network.executor.fused import FusedExecutor
from workbench.network.executor.protocol import Executor, Step
from workbench.network.spec import Network, Parameters
from workbench.system.errors import InputError

__all__ = ["AUTO", "EXECUTORS", "Executor", "FusedExecutor", "OpsExecutor", "Step", "choose"]

EXECUTORS: dict[str, Callable[[Network, Parameters, str], Executor]] = {
    "fused": lambda network, parameters, _device: FusedExecutor(network, parameters),
    "ops": OpsExecutor,
}
"""By name: (network, parameters, device) -> executor. The parameters may change between calls."""

AUTO = "auto"


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
