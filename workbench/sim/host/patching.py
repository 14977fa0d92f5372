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

from workbench.sim.common.settings import MAX_THREADS, Settings, simulating
from workbench.sim.host.host_api import (
    Event,
    array_of,
    as_cuda_array,
    device_array_over,
    event_elapsed_time,
    from_cuda_array_interface,
    interface,
    is_cuda_array,
)
from workbench.sim.host.overloads import LinkedFunction, Overloads
from workbench.system.errors import InputError

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
        (api, "jit"),
        (api, "Event"),
        (devicearray, "FakeCUDAArray"),
        (devicearray, "managed_array"),
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
        (fake, "overloads", property(Overloads)),
        (devicearray.FakeCUDAArray, "__cuda_array_interface__", property(interface)),
        (devicearray.FakeCUDAArray, "gpu_data", property(lambda array: array._ary)),
        (devicearray, "DeviceNDArray", device_array_over),
        (cuda, "declare_device", lambda name, _signature, **_options: LinkedFunction(name)),
        (cuda, "managed_array", devicearray.managed_array),
        (cuda, "external_stream", lambda _pointer: api.stream()),
        (cuda, "as_cuda_array", as_cuda_array),
        (cuda, "is_cuda_array", is_cuda_array),
        (cuda, "event_elapsed_time", event_elapsed_time),
        (cuda, "from_cuda_array_interface", from_cuda_array_interface),
    ]
    for module in (api, cuda):
        changes += [(module, "jit", _jit(api.jit)), (module, "event", Event), (module, "Event", Event)]
    present = {name for name, value in vars(cuda).items() if value is not None}
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

        from workbench.sim.compiler.signatures import with_signature
        from workbench.sim.host.launch_limits import check_limits
        from workbench.sim.host.launching import launch

        if self._device:
            return plain(self, *arguments)
        grid, block = normalize_kernel_dimensions(self.grid_dim, self.block_dim)
        after: list[Any] = []
        values = tuple(_host_value(each, self.extensions, after) for each in arguments)
        values = with_signature(self.fn.__name__, getattr(self, "signatures", ()), values)
        dimensions = _three(grid), _three(block)
        check_limits(self.fn, *dimensions, int(self.dynshared_size), getattr(self, "most_threads", MAX_THREADS))
        launch(self.fn, *dimensions, int(self.dynshared_size), values)
        for write_back in after:
            write_back()
        return None

    return call


def _three(extent: tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (*map(int, extent), 1, 1)[:3]
    return x, y, z


def _host_value(value: Any, extensions: list[Any], after: list[Any]) -> Any:
    """Return what a kernel works on: of an array in either memory the NumPy array."""
    from numba.cuda.simulator.args import ArgHint

    for extension in extensions:
        _, value = extension.prepare_args(None, value, stream=0, retr=after)
    if isinstance(value, tuple):
        parts = [_host_value(each, [], after) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, ArgHint):
        value = value.to_device(after)
    memory = array_of(value)
    return value if memory is None else memory


def _configured(self: Any, configuration: Any) -> Any:
    """Return the kernel with a launch configuration of its own: (blocks, threads[, stream[, dynamic shared bytes]])."""
    from numba.cuda.simulator.kernel import normalize_kernel_dimensions

    if self._device:
        raise RuntimeError(
            f"{self.fn.__name__} is a device function, which is called by kernels; it cannot be launched"
        )
    configured = copy.copy(self)
    configured.grid_dim, configured.block_dim = normalize_kernel_dimensions(*configuration[:2])
    configured.dynshared_size = configuration[3] if len(configuration) == 4 else 0
    return configured


def _forall(self: Any, ntasks: int, tpb: int = 0, stream: Any = 0, sharedmem: int = 0) -> Any:
    """Return the kernel configured for at least so many threads."""
    if ntasks < 0:
        raise ValueError(f"forall of {ntasks} tasks; needs 0 or more")
    threads = tpb or THREADS_OF_FORALL
    return self[-(-ntasks // threads), threads, stream, sharedmem] if ntasks else lambda *_: None


def _jit(plain: Any) -> Any:
    """Make a decorator that takes all options of ``cuda.jit``: those that only the compiler heeds change nothing here."""
    from workbench.sim.compiler.signatures import signatures_of
    from workbench.sim.host.launch_limits import most_threads

    @functools.wraps(plain)
    def jit(func_or_sig: Any = None, **options: Any) -> Any:
        kept = {name: value for name, value in options.items() if name in ("device", "fastmath", "debug")}
        signatures, most = signatures_of(func_or_sig), most_threads(options.get("launch_bounds"))

        def complete(kernel: Any) -> Any:
            kernel.extensions = list(options.get("extensions") or ())
            kernel.signatures = signatures
            kernel.most_threads = most
            return kernel

        made = plain(func_or_sig, **kept)
        return complete(made) if hasattr(made, "extensions") else lambda function: complete(made(function))

    return jit
