"""Machine code for what is run, and for nothing else: compilers that leave out what Numba makes of the pieces of a kernel.

Numba optimizes every function that it compiles, makes machine code of it and a wrapper for Python, and then does so again
for each function that calls it, directly or not; a parallel loop has three such levels of its own. All kernels for one type
took 167 s to compile that way, and take 70 s.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering, NativeParforLowering


class _Piece(JITCodeLibrary):  # type: ignore[misc]
    """Code in LLVM's representation, to be linked into what calls it, which optimizes it as a part of its own."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def codegen(self) -> _Piece:
        """Return what Numba tells the environment of the machine code."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing, there being no machine code; functions out of the compile cache have no environment either."""

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002
        """Say that there is none, as Numba does for functions without a wrapper."""
        self._ensure_finalized()
        return 0


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerHelper(NativeLowering):  # type: ignore[misc]
    _name = "lower_helper"

    def run_pass(self, state: Any) -> bool:
        """Make a piece of a function."""
        state.library = _Piece(state.targetctx.codegen(), state.func_id.func_qualname)
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerKernel(NativeParforLowering):  # type: ignore[misc]
    _name = "lower_kernel"

    def run_pass(self, state: Any) -> bool:
        """Make machine code of a function, and pieces of its parallel loops."""
        codegen = state.targetctx.codegen()
        state.library = codegen.create_library(state.func_id.func_qualname)
        state.library.enable_object_caching()
        codegen._library_class = _Piece
        try:
            return bool(super().run_pass(state))
        finally:
            del codegen._library_class


class _Compiler(Compiler):  # type: ignore[misc]
    instead_of: tuple[type, type]

    def define_pipelines(self) -> list[Any]:
        """Return Numba's passes, one of them exchanged."""
        replaced, own = self.instead_of
        pipelines = super().define_pipelines()
        for each in pipelines:
            each.passes = [(own if step is replaced else step, text) for step, text in each.passes]
            each.finalize()
        return list(pipelines)


class KernelCompiler(_Compiler):
    """Compiles a function with parallel loops."""

    instead_of = (NativeParforLowering, _LowerKernel)


class HelperCompiler(_Compiler):
    """Compiles a function that only compiled code calls."""

    instead_of = (NativeLowering, _LowerHelper)


_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class Helper(CPUDispatcher):  # type: ignore[misc]
    """A function for compiled code; a call from Python runs a copy compiled on its own."""

    def __init__(self, py_func: Any, locals: Any = None, targetoptions: Any = None) -> None:  # noqa: A002
        super().__init__(py_func, locals, targetoptions | _NO_WRAPPERS, HelperCompiler)
        # a copy that was pickled is made from options that hold those above; without a wrapper a call ends the process
        alone = {name: value for name, value in targetoptions.items() if name not in _NO_WRAPPERS}
        self._alone = CPUDispatcher(py_func, locals, alone)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Run the function."""
        return self._alone(*arguments, **keywords)
