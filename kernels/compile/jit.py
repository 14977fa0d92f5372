"""The only place with JIT options and the compile cache, each choice with its reason.

``cpu_kernel``   a parallel kernel for the CPU, in the calling convention or called by one that is; it has a serial twin
``cpu_inline``   a serial helper that CPU kernels call; ``cpu_core`` one that allocates nothing
``cpu_part``     a piece of one kernel, that reads better as a function of its own
``cpu_serial``   a serial function on its own, cached: references, what measures
``scalar``       index arithmetic written once, callable from CPU and CUDA kernels
``cuda_kernel``  a CUDA kernel, ``launch`` runs it over a number of items on the current stream
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
import platformdirs
from numba.core import caching
from numba.core.cpu_options import ParallelOptions

from kernels.compile import symbols
from kernels.compile.machine_code import Helper, KernelCompiler
from kernels.compile.twins import SMALL_BYTES, Kernel, SerialTwin

symbols.make_unique()

Function = TypeVar("Function", bound=Callable[..., Any])

PACKAGE = Path(__file__).parent

# nogil: other Python threads go on meanwhile. error_model "numpy": x/0 gives inf or NaN instead of raising, which
# also keeps branches out of loops. fastmath stays off: it voids the NaN rules and the a-priori error bounds, and the twins
# of a kernel would differ.
_CPU_OPTIONS = {"nogil": True, "error_model": "numpy"}

# Only prange: the other automatic rewrites lengthen compilation, and would split sums in an order of their own.
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
    """Give the options as an object: Numba empties a dictionary at the first compilation, and takes its defaults after."""
    return ParallelOptions(dict(_PARALLEL))


@overload
def cpu_kernel(function: Function) -> Function: ...


@overload
def cpu_kernel(*, small: int | Callable[..., bool]) -> Callable[[Function], Function]: ...


def cpu_kernel(function: Any = None, *, small: int | Callable[..., bool] = SMALL_BYTES) -> Any:
    """Compile a kernel for the CPU: ``prange`` runs in parallel, the machine code is cached on disk.

    A call from Python runs a serial twin of the same function, ``prange`` being ``range``, where the work is small, where
    there is but one thread, and in a process that may not use threads. Each twin is compiled when first needed. A function
    made by ``cpu_inline`` must not call a kernel: it would be compiled once for both twins.

    Parameters
    ----------
    function : the kernel; its results must not depend on the number of threads
    small : bytes of all its arrays under which a call runs serially, or a function of the kernel's arguments that tells:
        for kernels that do much with each byte
    """
    return partial(_kernel, small=small) if function is None else _kernel(function, small)


def _kernel(function: Any, small: int | Callable[..., bool]) -> Any:
    if numba.config.DISABLE_JIT:
        return function
    options = {"nopython": True, "parallel": _parallel(), **_CPU_OPTIONS}
    kernel = Kernel(function, targetoptions=options, pipeline_class=KernelCompiler)
    kernel.serial = SerialTwin(function, targetoptions={"nopython": True, **_CPU_OPTIONS})
    kernel.small = small
    kernel._cache, kernel.serial._cache = _Cache(function), _SerialCache(function)
    return kernel


def cpu_inline(function: Function) -> Function:
    """Compile a serial function that CPU kernels call and LLVM inlines."""
    return _helper(function, {})


def cpu_core(function: Function) -> Function:
    """Compile a helper that allocates nothing and that LLVM must inline, without counting references to arrays.

    The counts are atomic operations, and a call passes seven words for every array: dozens of cycles each.
    """
    return _helper(function, {"_nrt": False, "forceinline": True})


def _helper(function: Function, options: dict[str, bool]) -> Function:
    if numba.config.DISABLE_JIT:
        return function
    compiled: Any = Helper(function, targetoptions={"nopython": True, **options, **_CPU_OPTIONS})
    helper: Function = compiled
    return helper


def cpu_part(function: Function) -> Function:
    """Make Numba put a function's body in the place of a call.

    LLVM optimizes every compiled function together with all it calls, so that each level of calls compiles what is below it
    once more: a fused network of seven levels took 31 s, of three levels 13 s.
    """
    compiled: Function = numba.njit(inline="always", **_CPU_OPTIONS)(function)
    return compiled


def cpu_serial(function: Function) -> Function:
    """Compile a function as it stands: serial, IEEE arithmetic in the order written, cached on disk."""
    compiled: Function = _cached(numba.njit(**_CPU_OPTIONS)(function))
    return compiled


def entry(compiled: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """Give the machine code that a call of ``compiled`` with these arguments ran.

    It must only be called with arguments of the same types: looking at them, some microseconds, is what it leaves out.
    """
    if numba.config.DISABLE_JIT:
        return compiled
    dispatcher: Any = compiled
    found: Callable[..., Any] = dispatcher.overloads[tuple(map(numba.typeof, arguments))].entry_point
    return found


scalar = cpu_inline  # Numba compiles a CPU function anew, for the GPU, when a CUDA kernel calls it


def cuda_kernel(function: Function) -> Function:
    """Compile a CUDA kernel at its first launch for each set of argument types."""
    from numba import cuda

    kernel: Function = cuda.jit(function)
    return kernel


THREADS_PER_BLOCK = 128
MAX_BLOCKS = 65_535
"""Larger work is walked through by the grid-stride loops of the kernels."""

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
    """Give the stream that kernels are launched on; 0 is the default one."""
    return _stream.get()


def launch(kernel: Any, items: int, *arguments: Any) -> None:
    """Run a grid-stride kernel with about one thread per item, on the current stream; nothing for no items."""
    if items == 0:
        return
    threads = min(THREADS_PER_BLOCK, -(-items // 32) * 32)
    blocks = min(MAX_BLOCKS, -(-items // threads))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Grid size")  # small work makes a small grid
        configured = kernel[blocks, threads, current_stream()]
    configured(*arguments)


@cache
def cache_folder() -> Path:
    """Give the folder of the compile cache: one per state of this package's sources, of the compiler and its settings.

    Numba keys its cache by the file of the outermost function and would run stale code after an edit of another file
    that was inlined; here any edit of any file of the package starts a new folder. Folders that no run has used for 30
    days are removed. NUMBA_CACHE_DIR is respected. Without a writable place, a temporary folder serves this process.
    """
    root = (
        Path(numba.config.CACHE_DIR or platformdirs.user_cache_path("kernel-workbench", appauthor=False)) / "compiled"
    )
    folder = root / _sources_key()
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)  # another process may be just as new
            _prune(root)
        folder.touch()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="kernel-workbench-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _sources_key() -> str:
    settings = [numba.config.OPT, numba.config.BOUNDSCHECK, numba.config.DISABLE_INTEL_SVML]  # not in Numba's own key
    parts = [version(name) for name in ("numba", "llvmlite", "numpy")] + [str(value) for value in settings]
    digest = hashlib.sha256(" ".join(parts).encode())
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _prune(root: Path) -> None:
    month_ago = time.time() - 30 * 86_400
    for folder in root.iterdir():
        with suppress(OSError):  # another process may be pruning too
            if folder.stat().st_mtime < month_ago:
                shutil.rmtree(folder)


@cache
def _make_folder(path: str) -> None:
    """Make a folder inside that of the cache, which can be written to; once, as hundreds of functions may share it."""
    Path(path).mkdir(parents=True, exist_ok=True)


class _Locator(caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """Numba's locator for a folder given by the user, with the folder given by us."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        folder = Path(py_file).parent
        inside = folder.is_relative_to(PACKAGE)
        name = (
            "-".join(folder.relative_to(PACKAGE.parent).parts) if inside else self.get_suitable_cache_subpath(py_file)
        )
        self._cache_path = str(cache_folder() / name)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        locator = cls(py_func, py_file)
        _make_folder(locator._cache_path)
        return locator


class _CacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl


def cache_keyed_by(function: Callable[..., Any], folder: Path) -> Any:
    """Make a disk cache, for a compiled function elsewhere, that any edit of a source file in ``folder`` empties too."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).hexdigest()[:16]

    class Locator(_Locator):
        def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
            super().__init__(py_func, py_file)
            self._cache_path = str(cache_folder() / f"{folder.name}-{digest}")

    class Impl(_CacheImpl):
        _locator_classes = (Locator,)

    class Keyed(caching.FunctionCache):  # type: ignore[misc]
        _impl_class = Impl

    return Keyed(function)


class _SerialLocator(_Locator):
    """A folder of their own for serial twins: Numba would take both for the same function."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(Path(self._cache_path) / "serial")


class _SerialCacheImpl(_CacheImpl):
    _locator_classes = (_SerialLocator,)


class _SerialCache(_Cache):
    _impl_class = _SerialCacheImpl


def _cached(dispatcher: Any) -> Any:
    if not numba.config.DISABLE_JIT:
        dispatcher._cache = _Cache(dispatcher.py_func)
    return dispatcher
