"""The patches of numba-cuda's simulator: its kernels, decorator, events and arrays."""

import copy
import functools
from contextlib import ExitStack
from typing import Any

import numpy as np
from numba import cuda

from workbench.numba_internals.cuda_simulator import (
    ArgHint,
    FakeCUDAArray,
    FakeCUDAContext,
    FakeCUDADevice,
    FakeCUDAKernel,
    api,
    devicearray,
    jit,
    managed_array,
    normalize_kernel_dimensions,
)
from workbench.sim.common.device_arrays import array_of, interface
from workbench.sim.common.settings import MAX_THREADS
from workbench.sim.compiler.signatures import signatures_of, with_signature
from workbench.sim.compiler.substitution import LinkedFunction
from workbench.sim.host import devices, timeline
from workbench.sim.host.host_api import (
    allocating,
    as_cuda_array,
    assigning,
    attribute_of_array,
    copying_new,
    copying_to_device,
    copying_to_host,
    device_array_over,
    from_cuda_array_interface,
    initialized,
    is_cuda_array,
)
from workbench.sim.host.launch_limits import check_limits, most_threads
from workbench.sim.host.launching import launch
from workbench.sim.host.overloads import Overloads
from workbench.sim.host.random_states import compiled_generators
from workbench.sim.host.streams import (
    Event,
    Stream,
    default_stream,
    event_elapsed_time,
    external_stream,
    per_thread_default_stream,
    queue_of,
)
from workbench.sim.host.timeline import Footprint
from workbench.sim.host.visible_arrays import VisibleArray, is_pinned, pinned, plain, visible
from workbench.sim.language import CUDA

THREADS_OF_FORALL = 128


def patched() -> ExitStack:
    """Patch numba-cuda's simulator; closing the stack restores it."""
    stack = ExitStack()
    changes: list[tuple[Any, str, Any]] = [
        (FakeCUDAKernel, "__call__", _launch(FakeCUDAKernel.__call__)),
        (FakeCUDAKernel, "__getitem__", _configured),
        (FakeCUDAKernel, "forall", _forall),
        (FakeCUDAKernel, "overloads", property(Overloads)),
        (FakeCUDAArray, "__cuda_array_interface__", property(lambda array: interface(initialized(array)))),
        (FakeCUDAArray, "gpu_data", property(lambda array: initialized(array)._ary)),
        (FakeCUDAArray, "copy_to_device", copying_to_device(FakeCUDAArray.copy_to_device)),
        (FakeCUDAArray, "__setitem__", assigning(FakeCUDAArray.__setitem__)),
        (FakeCUDAArray, "__getattr__", attribute_of_array(FakeCUDAArray.__getattr__)),
        (FakeCUDADevice, "compute_capability", property(devices.compute_capability)),
        (FakeCUDADevice, "__getattr__", devices.attribute),
        (FakeCUDAContext, "compute_capability", property(devices.compute_capability)),
        (FakeCUDAContext, "__getattr__", devices.attribute),
        (FakeCUDAContext, "get_memory_info", devices.memory_info),
        (FakeCUDAContext, "synchronize", lambda _context: timeline.host_waits_for_all()),
        (cuda, "detect", devices.detect),
        (devicearray, "DeviceNDArray", device_array_over),
        (cuda, "device_array", allocating(cuda.device_array)),
        (cuda, "device_array_like", allocating(cuda.device_array_like)),
        (cuda, "declare_device", lambda name, _signature, **_options: LinkedFunction(name)),
        (FakeCUDAArray, "copy_to_host", copying_to_host(FakeCUDAArray.copy_to_host)),
        (cuda, "to_device", copying_new(cuda.to_device)),
        (cuda, "managed_array", visible(managed_array)),
        (cuda, "mapped_array", visible(cuda.mapped_array)),
        (cuda, "pinned_array", visible(cuda.pinned_array)),
        (cuda, "pinned_array_like", visible(cuda.pinned_array_like)),
        (cuda, "pinned", pinned),
        (cuda, "stream", Stream),
        (cuda, "default_stream", default_stream),
        (cuda, "legacy_default_stream", default_stream),
        (cuda, "per_thread_default_stream", per_thread_default_stream),
        (cuda, "external_stream", external_stream),
        (cuda, "synchronize", timeline.host_waits_for_all),
        (cuda, "as_cuda_array", as_cuda_array),
        (cuda, "is_cuda_array", is_cuda_array),
        (cuda, "event_elapsed_time", event_elapsed_time),
        (cuda, "from_cuda_array_interface", from_cuda_array_interface),
    ]
    for module in (api, cuda):
        changes += [(module, "jit", _jit(jit)), (module, "event", Event), (module, "Event", Event)]
    present = {name for name, value in vars(cuda).items() if value is not None}
    changes += [(cuda, name, value) for name, value in vars(CUDA).items() if name[0] != "_" and name not in present]
    for owner, name, value in changes:
        _set(stack, owner, name, value)
    stack.callback(timeline.host_waits_for_all)
    stack.enter_context(compiled_generators())
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
    """Return the ``__call__`` of a configured kernel; a device function stays a Python call."""

    @functools.wraps(plain)
    def call(self: Any, *arguments: Any) -> Any:
        __tracebackhide__ = True
        if self._device:
            return plain(self, *arguments)
        grid, block = normalize_kernel_dimensions(self.grid_dim, self.block_dim)
        after: list[Any] = []
        shared: list[Any] = []
        values = tuple(_host_value(each, self.extensions, after, shared) for each in arguments)
        values = with_signature(self.fn.__name__, getattr(self, "signatures", ()), values)
        dimensions = _three(grid), _three(block)
        check_limits(self.fn, *dimensions, int(self.dynshared_size), getattr(self, "most_threads", MAX_THREADS))
        is_visible = any(isinstance(each, VisibleArray) for each in shared)
        watched = timeline.is_watched() or is_visible
        touched = launch(self.fn, *dimensions, int(self.dynshared_size), values, watched=watched)
        for write_back in after:
            write_back()
        if watched:
            private = {id(each) for each in values if isinstance(each, np.ndarray)} - set(map(id, shared))
            _submit(self, touched, private)
        return None

    return call


def _submit(kernel: Any, touched: list[tuple[Footprint, list[Any]]], private: set[int]) -> None:
    """Record a launch on its stream; the host waits for it if arrays must be copied back to its pageable memory."""
    __tracebackhide__ = True
    footprints = []
    for footprint, arrays in touched:
        if not all(id(each) in private for each in arrays):
            for each in arrays:
                timeline.forget_with(each)
            footprints.append(footprint)
    timeline.submit(queue_of(kernel.stream), f"kernel {kernel.fn.__name__}", footprints, waits=bool(private))


def _three(extent: tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (*map(int, extent), 1, 1)[:3]
    return x, y, z


def _host_value(value: Any, extensions: list[Any], after: list[Any], shared: list[Any]) -> Any:
    """Return an argument as the kernel uses it: for an array in host or device memory, the NumPy array.

    Arrays that stay where they are while the host goes on are appended to ``shared``.
    """
    for extension in extensions:
        _, value = extension.prepare_args(None, value, stream=0, retr=after)
    if isinstance(value, tuple):
        parts = [_host_value(each, [], after, shared) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, ArgHint):
        value = value.to_device(after)
    memory = array_of(value)
    if isinstance(value, np.ndarray) and is_pinned(value):
        memory = plain(value)
        shared.append(value)
    if memory is not None:
        shared.append(memory)
    if memory is None and isinstance(value, np.ndarray) and not value.flags.aligned:
        memory = np.array(value)  # numba-cuda copies arrays in host memory to the GPU, where they are aligned
        if value.flags.writeable:
            after.append(functools.partial(np.copyto, value, memory))
    return value if memory is None else memory


def _configured(self: Any, configuration: Any) -> Any:
    """Return the kernel with its own launch configuration: (blocks, threads[, stream[, dynamic shared bytes]])."""
    if self._device:
        raise RuntimeError(
            f"{self.fn.__name__} is a device function, which only kernels can call; it cannot be launched"
        )
    configured = copy.copy(self)
    configured.grid_dim, configured.block_dim = normalize_kernel_dimensions(*configuration[:2])
    configured.stream = configuration[2] if len(configuration) > 2 else 0
    configured.dynshared_size = configuration[3] if len(configuration) == 4 else 0
    return configured


def _forall(self: Any, ntasks: int, tpb: int = 0, stream: Any = 0, sharedmem: int = 0) -> Any:
    """Return the kernel configured for at least ``ntasks`` threads."""
    if ntasks < 0:
        raise ValueError(f"Can't create ForAll with negative task count: {ntasks}")
    threads = tpb or THREADS_OF_FORALL
    return self[-(-ntasks // threads), threads, stream, sharedmem] if ntasks else lambda *_: None


def _jit(plain: Any) -> Any:
    """Return a decorator with all options of ``cuda.jit``; options for the compiler have no effect here."""

    @functools.wraps(plain)
    def jit(func_or_sig: Any = None, **options: Any) -> Any:
        kept = {name: value for name, value in options.items() if name in ("device", "fastmath", "debug")}
        signatures, most = signatures_of(func_or_sig), most_threads(options.get("launch_bounds"))
        inline = options.get("inline") or "never"

        def complete(kernel: Any) -> Any:
            kernel.extensions = list(options.get("extensions") or ())
            kernel.signatures = signatures
            kernel.inline = "always" if inline is True else inline
            kernel.most_threads = most
            return kernel

        made = plain(func_or_sig, **kept)
        return complete(made) if hasattr(made, "extensions") else lambda function: complete(made(function))

    return jit
