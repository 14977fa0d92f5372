"""numba-cuda's simulator: ``simulator`` is what ``numba.cuda`` is there.

- Kernels: ``FakeCUDAKernel``, ``jit``, ``normalize_kernel_dimensions``, ``ArgHint`` (``cuda.In`` and the like).
- Arrays: ``FakeCUDAArray``, ``managed_array``.
- The device: ``FakeCUDADevice``, ``FakeCUDAContext``.
- Random numbers: ``random``.
- ``api`` and ``devicearray`` are the modules in which names are replaced.
"""

import warnings

from numba.cuda import simulator
from numba.cuda.simulator import api
from numba.cuda.simulator.api import jit
from numba.cuda.simulator.args import ArgHint
from numba.cuda.simulator.cudadrv import devicearray
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray, managed_array
from numba.cuda.simulator.cudadrv.devices import FakeCUDAContext, FakeCUDADevice
from numba.cuda.simulator.kernel import FakeCUDAKernel, normalize_kernel_dimensions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its decorators have options that Numba deprecates
    from numba.cuda import random
