"""A simulator of CUDA that proves kernels right on a machine without a GPU.

Kernels are compiled by Numba for the CPU, so that numbers have the GPU's types, every thread is a fiber of its own, every
access to memory is looked at, and the order of threads is drawn by a seed. A launch that does what it must not, such as two
threads that touch one element with nothing to order them, raises ``KernelHazard``, which says what, where and who.

    from workbench.sim import simulator

    with simulator():                       # in a process with NUMBA_ENABLE_CUDASIM=1
        kernel[blocks, threads](x, y)

``workbench check --device sim`` and the pytest fixture ``cuda_simulator`` do that. Tested with numba-cuda 0.30.
"""

from workbench.sim.common.errors import Hazard, KernelHazard
from workbench.sim.common.settings import Settings, simulating
from workbench.sim.host.patching import simulator

__all__ = ["Hazard", "KernelHazard", "Settings", "simulating", "simulator"]
