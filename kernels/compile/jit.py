"""The only module with JIT options, with the reason for each choice.

``cpu_kernel``   a parallel CPU kernel, in the calling convention or called by one that is; it has a serial twin
``cpu_inline``   a serial helper that CPU kernels call; ``cpu_core`` is one that allocates nothing
``cpu_part``     a part of one kernel, written as a separate function for readability
``cpu_serial``   a separate serial function, cached: references and measurements
``scalar``       index arithmetic written once, callable from CPU and CUDA kernels
``cuda_kernel``  a CUDA kernel; ``launch`` runs it over a number of items on the current stream
``cuda_device``  a function that only CUDA kernels call, with barriers or shared memory
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar, overload

import numba

from kernels.compile import symbols
from kernels.compile.disk_cache import disk_cache
from kernels.compile.machine_code import Helper, KernelCompiler
from kernels.compile.numba_internals.compiling import ParallelOptions
from kernels.compile.twins import SMALL_BYTES, SerialTwin, TwinKernel

symbols.make_unique()

Function = TypeVar("Function", bound=Callable[..., Any])

# nogil: other Python threads keep running. error_model "numpy": x/0 gives inf or NaN instead of raising, which also
# keeps branches out of loops. fastmath stays off: it would break the NaN rules and the a-priori error bounds, and the
# twins of a kernel would differ.
_CPU_OPTIONS = {"nogil": True, "error_model": "numpy"}

# Only prange: the other automatic rewrites compile longer, and would change the order of sums.
_PARALLEL = {
    "comprehension": False,
    "prange": True,
    "inplace_binop": False,
    "reduction": False,
    "setitem": False,
    "numpy": False,
    "stencil": False,
    "fusion": False,
}


def _parallel() -> ParallelOptions:
    """Return the options as an object: Numba empties a dictionary at the first compilation and then uses its defaults."""
    return ParallelOptions(dict(_PARALLEL))


@overload
def cpu_kernel(function: Function) -> Function: ...


@overload
def cpu_kernel(*, small: int | Callable[..., bool]) -> Callable[[Function], Function]: ...


def cpu_kernel(function: Any = None, *, small: int | Callable[..., bool] = SMALL_BYTES) -> Any:
    """Compile a kernel for the CPU: ``prange`` runs in parallel, the machine code is cached on disk.

    A call from Python runs a serial twin of the same function, with ``prange`` as ``range``, if the work is small, if
    there is only one thread, or if the process must not use threads. Each twin is compiled on first use. A function made
    by ``cpu_inline`` must not call a kernel: it is compiled only once, for both twins.

    Parameters
    ----------
    function : the kernel; its results must not depend on the number of threads
    small : total bytes of its arrays below which a call runs serially, or a predicate on the kernel's arguments, for
        kernels that do much work per byte
    """
    return partial(_kernel, small=small) if function is None else _kernel(function, small)


def _kernel(function: Any, small: int | Callable[..., bool]) -> Any:
    if numba.config.DISABLE_JIT:
        return function
    options = {"nopython": True, "parallel": _parallel(), **_CPU_OPTIONS}
    kernel = TwinKernel(function, targetoptions=options, pipeline_class=KernelCompiler)
    kernel.serial = SerialTwin(function, targetoptions={"nopython": True, **_CPU_OPTIONS})
    kernel.small = small
    kernel._cache, kernel.serial._cache = disk_cache(function), disk_cache(function, serial=True)
    return kernel


def cpu_inline(function: Function) -> Function:
    """Compile a serial function that CPU kernels call and that LLVM inlines."""
    return _helper(function, {})


def cpu_core(function: Function) -> Function:
    """Compile a helper that allocates nothing and that LLVM must inline, without reference counting of arrays.

    The counts are atomic operations, and a call passes seven words per array: dozens of cycles each.
    """
    return _helper(function, {"_nrt": False, "forceinline": True})


def _helper(function: Function, options: dict[str, bool]) -> Function:
    if numba.config.DISABLE_JIT:
        return function
    compiled: Any = Helper(function, targetoptions={"nopython": True, **options, **_CPU_OPTIONS})
    helper: Function = compiled
    return helper


def cpu_part(function: Function) -> Function:
    """Make Numba inline the body of a function into its callers.

    LLVM optimizes every compiled function together with everything it calls, so each level of calls compiles the levels
    below it again: a fused network of seven levels took 31 s, one of three levels 13 s.
    """
    compiled: Function = numba.njit(inline="always", **_CPU_OPTIONS)(function)
    return compiled


def cpu_serial(function: Function) -> Function:
    """Compile a function as written: serial, IEEE arithmetic in source order, cached on disk."""
    compiled: Any = numba.njit(**_CPU_OPTIONS)(function)
    if not numba.config.DISABLE_JIT:
        compiled._cache = disk_cache(function)
    result: Function = compiled
    return result


def entry(compiled: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """Return the machine code that a call of ``compiled`` with these arguments runs.

    It must only be called with arguments of the same types: it omits the type dispatch, which takes some microseconds.
    """
    if numba.config.DISABLE_JIT:
        return compiled
    dispatcher: Any = compiled
    found: Callable[..., Any] = dispatcher.overloads[tuple(map(numba.typeof, arguments))].entry_point
    return found


scalar = cpu_inline  # Numba compiles a CPU function again for the GPU when a CUDA kernel calls it


def cuda_kernel(function: Function) -> Function:
    """Compile a CUDA kernel, at its first launch with each set of argument types."""
    from numba import cuda

    kernel: Function = cuda.jit(function)
    return kernel


def cuda_device(function: Function) -> Function:
    """Compile a function that the threads of a CUDA kernel call."""
    from numba import cuda

    called: Function = cuda.jit(device=True)(function)
    return called


THREADS_PER_BLOCK = 128
MAX_BLOCKS = 1 << 15
"""The limit of the grid; grid-stride loops cover larger work, in equal turns where that is a power of two."""

_stream: ContextVar[Any] = ContextVar("stream", default=0)


@contextmanager
def on_stream(stream: Any) -> Iterator[None]:
    """Launch kernels on ``stream`` (None: the default stream) inside the block."""
    token = _stream.set(0 if stream is None else stream)
    try:
        yield
    finally:
        _stream.reset(token)


def current_stream() -> Any:
    """Return the stream that kernels are launched on; 0 is the default stream."""
    return _stream.get()


def launch(kernel: Any, items: int, *arguments: Any) -> None:
    """Run a grid-stride kernel with about one thread per item on the current stream; do nothing for zero items."""
    threads = min(THREADS_PER_BLOCK, -(-items // 32) * 32)
    launch_blocks(kernel, -(-items // threads) if threads else 0, threads, *arguments)


def launch_blocks(kernel: Any, blocks: int, threads: int, *arguments: Any) -> None:
    """Run a kernel whose blocks stride over their work on the current stream; do nothing for zero blocks.

    Parameters
    ----------
    kernel : compiled for blocks of ``threads`` threads
    blocks : the work in blocks; the grid has at most ``MAX_BLOCKS``, each of which does as many of them, up to one
    """
    if blocks == 0:
        return
    turns = -(-blocks // MAX_BLOCKS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Grid size")  # small work makes a small grid
        configured = kernel[-(-blocks // turns), threads, current_stream()]
    configured(*arguments)
