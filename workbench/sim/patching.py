"""The one place that touches numba-cuda: its simulator's kernels, decorator, events and arrays, changed and put back.

Only the simulator is changed, in a process that runs it (NUMBA_ENABLE_CUDASIM=1), and only inside ``simulator()``; the plain
simulator and a real GPU stay what they are.
"""

from __future__ import annotations

import copy
import functools
import importlib.metadata
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from workbench.errors import InputError
from workbench.sim.host import Event, as_cuda_array, interface
from workbench.sim.settings import Settings, simulating

TESTED = ("0.30",)
"""Versions of numba-cuda that this was tested with."""

THREADS_OF_FORALL = 128

_lock = threading.Lock()
_active = 0
_undo = ExitStack()


@contextmanager
def simulator(**settings: Any) -> Iterator[Settings]:
    """Run CUDA kernels that are launched inside the block in this simulator.

    Parameters
    ----------
    settings : see ``workbench.sim.Settings``

    Raises
    ------
    InputError
        This process has no CUDA simulator, or one that this cannot work with.
    """
    global _active, _undo
    with simulating(**settings) as current:
        with _lock:
            if _active == 0:
                _undo = _patched()
            _active += 1
        try:
            yield current
        finally:
            with _lock:
                _active -= 1
                if _active == 0:
                    _undo.close()


def absence() -> str | None:
    """Say why no process here can simulate CUDA kernels; None where one can."""
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, this is {sys.platform}"
    try:
        importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        return "numba-cuda is not installed; pip install 'kernel-workbench[sim]'"
    return None


def fault() -> str | None:
    """Say why this process cannot simulate CUDA kernels; None where it can."""
    reason = absence()
    if reason is not None:
        return reason
    version = importlib.metadata.version("numba-cuda")
    if "numba.cuda" in sys.modules and not hasattr(sys.modules["numba.cuda"], "FakeCUDAKernel"):
        return "numba.cuda was imported for a GPU; set NUMBA_ENABLE_CUDASIM=1 before Numba is imported"
    try:
        from numba.cuda.simulator import api, kernel
        from numba.cuda.simulator.cudadrv import devicearray
    except ImportError as error:
        return (
            f"numba-cuda {version} has no simulator that this knows ({error}); pip install 'numba-cuda=={TESTED[-1]}.*'"
        )
    needed = (
        (kernel, "FakeCUDAKernel"),
        (kernel, "FakeOverload"),
        (api, "jit"),
        (api, "Event"),
        (devicearray, "FakeCUDAArray"),
    )
    missing = [name for module, name in needed if not hasattr(module, name)]
    if missing:
        return f"numba-cuda {version} has no {', '.join(missing)}; pip install 'numba-cuda=={TESTED[-1]}.*'"
    return None


def _patched() -> ExitStack:
    """Change numba-cuda's simulator; closing the stack puts it back."""
    reason = fault()
    if reason is not None:
        raise InputError(f"the CUDA simulator cannot run here: {reason}")
    version = importlib.metadata.version("numba-cuda")
    if not version.startswith(TESTED):
        warnings.warn(
            f"the simulator was tested with numba-cuda {', '.join(TESTED)}, this is {version}",
            RuntimeWarning,
            stacklevel=4,
        )
    from numba import cuda
    from numba.cuda.simulator import api, kernel
    from numba.cuda.simulator.cudadrv import devicearray

    from workbench.sim.language import CUDA

    stack = ExitStack()
    fake = kernel.FakeCUDAKernel
    changes: list[tuple[Any, str, Any]] = [
        (fake, "__call__", _launch(fake.__call__)),
        (fake, "__getitem__", _configured),
        (fake, "forall", _forall),
        (kernel.FakeOverload, "max_cooperative_grid_blocks", _cooperative_blocks),
        (devicearray.FakeCUDAArray, "__cuda_array_interface__", property(interface)),
        (cuda, "external_stream", lambda _pointer: api.stream()),
        (cuda, "as_cuda_array", as_cuda_array),
    ]
    for module in (api, cuda):
        changes += [(module, "jit", _jit(api.jit)), (module, "event", Event), (module, "Event", Event)]
    present = set(vars(cuda))
    changes += [(cuda, name, value) for name, value in vars(CUDA).items() if name[0] != "_" and name not in present]
    for owner, name, value in changes:
        _set(stack, owner, name, value)
    return stack


_ABSENT = object()


def _set(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    before = vars(owner).get(name, _ABSENT)
    setattr(owner, name, value)
    if before is _ABSENT:
        stack.callback(delattr, owner, name)
    else:
        stack.callback(setattr, owner, name, before)


def _launch(plain: Any) -> Any:
    """Make the call of a configured kernel; a device function stays Python's."""

    @functools.wraps(plain)
    def call(self: Any, *arguments: Any) -> Any:
        from numba.cuda.simulator.kernel import normalize_kernel_dimensions

        from workbench.sim.launching import launch
        from workbench.sim.signatures import with_signature

        if self._device:
            return plain(self, *arguments)
        grid, block = normalize_kernel_dimensions(self.grid_dim, self.block_dim)
        after: list[Any] = []
        values = tuple(_host_value(each, self.extensions, after) for each in arguments)
        values = with_signature(self.fn.__name__, getattr(self, "signatures", ()), values)
        launch(self.fn, _three(grid), _three(block), int(self.dynshared_size), values)
        for write_back in after:
            write_back()
        return None

    return call


def _three(extent: tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (*map(int, extent), 1, 1)[:3]
    return x, y, z


def _host_value(value: Any, extensions: list[Any], after: list[Any]) -> Any:
    """Give what a kernel works on: of an array in either memory the NumPy array."""
    from numba.cuda.simulator.args import ArgHint
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    for extension in extensions:
        _, value = extension.prepare_args(None, value, stream=0, retr=after)
    if isinstance(value, tuple):
        parts = [_host_value(each, [], after) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, ArgHint):
        value = value.to_device(after)
    if isinstance(value, FakeCUDAArray):
        return np.asarray(value._ary)
    if not isinstance(value, np.ndarray | np.generic) and hasattr(value, "__cuda_array_interface__"):
        return as_cuda_array(value)._ary
    return value


def _configured(self: Any, configuration: Any) -> Any:
    """Give the kernel with a launch configuration of its own: (blocks, threads[, stream[, dynamic shared bytes]])."""
    from numba.cuda.simulator.kernel import normalize_kernel_dimensions

    configured = copy.copy(self)
    configured.grid_dim, configured.block_dim = normalize_kernel_dimensions(*configuration[:2])
    configured.dynshared_size = configuration[3] if len(configuration) == 4 else 0
    return configured


def _forall(self: Any, ntasks: int, tpb: int = 0, stream: Any = 0, sharedmem: int = 0) -> Any:
    """Give the kernel configured for at least so many threads."""
    if ntasks < 0:
        raise ValueError(f"forall of {ntasks} tasks; needs 0 or more")
    threads = tpb or THREADS_OF_FORALL
    return self[-(-ntasks // threads), threads, stream, sharedmem] if ntasks else lambda *_: None


def _cooperative_blocks(_self: Any, blockdim: Any) -> int:
    from workbench.sim.tables import FIBERS

    return FIBERS // int(np.prod(blockdim))


def _jit(plain: Any) -> Any:
    """Make a decorator that takes all options of ``cuda.jit``: those that only the compiler heeds change nothing here."""

    @functools.wraps(plain)
    def jit(func_or_sig: Any = None, **options: Any) -> Any:
        kept = {name: value for name, value in options.items() if name in ("device", "fastmath", "debug")}
        extensions = options.get("extensions", ())

        def with_extensions(kernel: Any) -> Any:
            kernel.extensions = list(extensions)
            return kernel

        made = plain(func_or_sig, **kept)
        if not hasattr(made, "extensions"):
            signatures = _signatures(func_or_sig)
            return lambda function: with_extensions(_typed(made(function), signatures))
        return with_extensions(made)

    return jit


def _signatures(given: Any) -> tuple[tuple[Any, ...], ...]:
    """Give the argument types of the signatures that a decorator was given; none where it was given none."""
    from numba.core.sigutils import normalize_signature

    listed = given if isinstance(given, list) else [] if given is None else [given]
    return tuple(tuple(normalize_signature(each)[0]) for each in listed)


def _typed(kernel: Any, signatures: tuple[tuple[Any, ...], ...]) -> Any:
    kernel.signatures = signatures
    return kernel
