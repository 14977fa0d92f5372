"""Numba's compiler for the CPU, and what it compiles.

- The simulator's pipeline: ``CompilerBase``, ``DefaultPassBuilder``, ``FunctionPass``, ``register_pass``, and the passes
  that it replaces or follows with its own.
- Compiled functions: ``Dispatcher``, ``CPUDispatcher``, ``CFunc``, ``CPUCodeLibrary``, ``JITCodeLibrary``.
  ``RuntimeLinker`` names the pointers through which functions call themselves.
- Targets and their options: ``cpu_target``, ``CPUTargetOptions``, ``UFuncTargetOptions``.
- ``event`` announces compilations. ``make_function`` makes the objects by which Numba knows compiled functions.
"""

from numba._dynfunc import make_function
from numba.core import event
from numba.core.ccallback import CFunc
from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary, RuntimeLinker
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.cpu import CPUTargetOptions
from numba.core.dispatcher import Dispatcher
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.typed_passes import BaseNativeLowering, NativeLowering
from numba.core.untyped_passes import InlineClosureLikes, InlineInlinables, IRProcessing
from numba.np.ufunc.ufuncbuilder import UFuncTargetOptions
