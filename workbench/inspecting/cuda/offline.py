"""Run Numba's CUDA compiler without a driver, by replacing the few functions that need one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workbench.inspecting.cuda.ascii_names import llvm_as_ascii
from workbench.system.compute_capability import ComputeCapability
from workbench.system.machine import in_simulator

_VARIABLE = re.compile(r'^\s*call void @"llvm\.dbg\.(?:declare|value)".*$', re.MULTILINE)


@dataclass(frozen=True)
class _NoDevice:
    """Replaces the current device; the compiler reads only its compute capability."""

    compute_capability: ComputeCapability


@contextmanager
def without_driver(cc: ComputeCapability = (8, 0)) -> Iterator[None]:
    """Let kernels be decorated and compiled inside the block on a machine without a GPU.

    Compiling to PTX needs no driver, but two steps of ``numba.cuda.dispatcher`` call it nevertheless:

    - ``get_current_device`` is asked for the compute capability of every device function that a kernel calls, although
      the kernel's own is given; the replacement returns ``cc``;
    - a decorator with an explicit signature compiles and loads the kernel at once; the replacement records it as compiled,
      and it is compiled when its PTX is requested.

    Two more replacements concern source lines:

    - ``compile_cuda`` omits them unless the function's own decorator requested them, so inlined code would be attributed to
      its call;
    - ``nvvm.compile_ir``: libNVVM 13.0 fails on the descriptions of some inlined functions' variables ("Symbol name with
      unsupported characters"); the descriptions are dropped, the lines stay; and names of files are passed as ASCII.
    """
    if in_simulator():  # nothing is compiled there
        yield
        return
    from workbench.numba_internals.cuda_compiler import dispatcher, nvvm

    compile_cuda, compile_ir = dispatcher.compile_cuda, nvvm.compile_ir

    def with_lines(*arguments: Any, **options: Any) -> Any:
        return compile_cuda(*arguments, **options | {"lineinfo": not options.get("debug")})

    def noted(self: Any, signature: Any) -> None:
        types, _ = dispatcher.sigutils.normalize_signature(signature)
        self.overloads[types] = None

    def without_variables(modules: list[str], **options: Any) -> Any:
        return compile_ir([llvm_as_ascii(_VARIABLE.sub("", module)) for module in modules], **options)

    with (
        replaced(dispatcher, get_current_device=lambda: _NoDevice(cc), compile_cuda=with_lines),
        replaced(nvvm, compile_ir=without_variables),
    ):
        if _has_driver():
            yield
        else:
            with replaced(dispatcher.CUDADispatcher, compile=noted):
                yield


@contextmanager
def replaced(owner: Any, **replacements: Any) -> Iterator[None]:
    """Replace attributes of a module or class inside the block."""
    before = {name: getattr(owner, name) for name in replacements}
    for name, value in replacements.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


def _has_driver() -> bool:
    from numba import cuda

    return bool(cuda.is_available())
