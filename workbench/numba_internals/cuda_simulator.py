"""numba-cuda's simulator: ``simulator`` is what ``numba.cuda`` is there.

- Kernels: ``FakeCUDAKernel``, ``jit``, ``normalize_kernel_dimensions``, ``ArgHint`` (``cuda.In`` and the like).
- Arrays: ``FakeCUDAArray``, ``managed_array``, ``stream``.
- ``api`` and ``devicearray`` are the modules in which names are replaced.
"""

from numba.cuda import simulator
from numba.cuda.simulator import api
from numba.cuda.simulator.api import jit, stream
from numba.cuda.simulator.args import ArgHint
from numba.cuda.simulator.cudadrv import devicearray
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray, managed_array
from numba.cuda.simulator.kernel import FakeCUDAKernel, normalize_kernel_dimensions
