"""What the workbench uses of Numba, numba-cuda and llvmlite beyond Numba's documented API.

The rule is that of ``kernels.compile.numba_internals``: no other file of workbench/ imports them. The modules about CUDA are
separate, so that a process that only uses the CPU does not import numba-cuda.
"""

from collections.abc import Mapping

from kernels.compile import numba_internals

TESTED: Mapping[str, numba_internals.Versions] = {**numba_internals.TESTED, "numba-cuda": ("0.30", "0.30")}
"""The lowest and the highest versions that the internals were tested with."""
