"""Numba's compiler, its cache on disk and its threads.

- The compile cache: ``caching`` (the cache of a function, and where it is kept), ``FunctionIdentity`` (symbols are named
  after it).
- Compiled functions: ``CPUDispatcher``, ``CompileStats``, ``JITCodeLibrary``, ``ParallelOptions``.
- Machine code taken from the disk instead of compiled: ``Compiler``, ``register_pass`` and the passes that it replaces.
- Threads: ``parallel``, which starts the threading layer.
"""

from numba.core import caching
from numba.core.bytecode import FunctionIdentity
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.cpu_options import ParallelOptions
from numba.core.dispatcher import _CompileStats as CompileStats
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering, NativeParforLowering
from numba.np.ufunc import parallel
