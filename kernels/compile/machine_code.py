"""Machine code only for what is run: compilers that skip Numba's output for the parts of a kernel.

For every function that it compiles, Numba optimizes the code and generates machine code and a wrapper for Python. It does
so again in every direct or indirect caller, and a parallel loop adds three such levels. Compiling all kernels for one type
took 167 s that way, and takes 70 s now.
"""

from __future__ import annotations

from typing import Any

from kernels.compile.numba_internals.compiling import (
    Compiler,
    CPUDispatcher,
    JITCodeLibrary,
    NativeLowering,
    NativeParforLowering,
    register_pass,
)


class _Piece(JITCodeLibrary):  # type: ignore[misc]
    """LLVM IR that is linked into its callers and optimized as part of them."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def codegen(self) -> _Piece:
        """The object through which Numba sets the environment of the machine code."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing: there is no machine code. Functions from the compile cache have no environment either."""

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002
        """Return 0, as Numba does for functions without a wrapper."""
        self._ensure_finalized()
        return 0


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerHelper(NativeLowering):  # type: ignore[misc]
    _name = "lower_helper"

    def run_pass(self, state: Any) -> bool:
        """Lower a function to a piece."""
        state.library = _Piece(state.targetctx.codegen(), state.func_id.func_qualname)
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerKernel(NativeParforLowering):  # type: ignore[misc]
    _name = "lower_kernel"

    def run_pass(self, state: Any) -> bool:
        """Lower a function to machine code, and its parallel loops to pieces."""
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
        """Return Numba's passes with one of them replaced."""
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
    """A function for compiled code; a call from Python runs a separately compiled copy."""

    def __init__(self, py_func: Any, locals: Any = None, targetoptions: Any = None) -> None:  # noqa: A002
        super().__init__(py_func, locals, targetoptions | _NO_WRAPPERS, HelperCompiler)
        # unpickling passes options that already hold those above; without a wrapper, a call would end the process
        alone = {name: value for name, value in targetoptions.items() if name not in _NO_WRAPPERS}
        self._alone = CPUDispatcher(py_func, locals, alone)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Run the function."""
        return self._alone(*arguments, **keywords)
