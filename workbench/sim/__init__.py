"""A CUDA simulator that verifies kernels on a machine without a GPU.

Numba compiles kernels for the CPU with the GPU's types. Every thread is a fiber, every memory access is checked, and a
seed determines the order of threads. A launch that breaks the rules, for instance with two threads that access one element
without synchronisation, raises ``KernelHazard``, which reports the fault, the source line and the threads.

    from workbench.sim import simulator

    with simulator():                       # in a process with NUMBA_ENABLE_CUDASIM=1
        kernel[blocks, threads](x, y)

``workbench check --device sim`` and the pytest fixture ``cuda_simulator`` do that. Tested with numba-cuda 0.30.
"""

from workbench.sim.common.errors import Hazard, HazardWarning, KernelHazard
from workbench.sim.common.settings import SimulatorSettings, simulating
from workbench.sim.counting.collecting import counting
from workbench.sim.counting.counters import LaunchCounters
from workbench.sim.host.patching import simulator

__all__ = [
    "Hazard",
    "HazardWarning",
    "KernelHazard",
    "LaunchCounters",
    "SimulatorSettings",
    "counting",
    "simulating",
    "simulator",
]
