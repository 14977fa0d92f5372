"""Checks of the programs of a training step on a CUDA device, in the simulator, as ``networks`` checks those of the CPU."""

from __future__ import annotations

from collections.abc import Callable

from workbench.network.executor.on_device import DeviceExecutor
from workbench.selftest import networks
from workbench.sim import simulator


def check(
    program: str, *, examples: int, seed: int, call: networks.Calls, given_up: Callable[[int], bool]
) -> networks.Found:
    """Check a program on drawn networks: ``epoch`` by the executor that runs it, the others by the one that launches them.

    The context ``call``, which limits the time of plain Python, is not used: the simulator compiles.
    """
    del call
    return networks.check(
        program,
        examples=examples,
        seed=seed,
        call=simulator,
        given_up=given_up,
        on_device=lambda network, parameters: DeviceExecutor(network, parameters, persistent=program == "epoch"),
    )
