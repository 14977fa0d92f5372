"""The devices: where memory is, how it is copied, when work is finished. No other module distinguishes CPU and CUDA."""

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kernels.declare.errors import DeviceUnavailable, DtypeError
from kernels.declare.op import TENSOR_CORES
from kernels.installation import install_command

Array = Any
"""A NumPy array or a Numba device array, in the simulator Numba's replacement for that."""


def cuda_remedy() -> str:
    """Return how to enable CUDA kernels on a machine where they cannot run."""
    return (
        f"install an NVIDIA driver and {install_command(extra='cuda')}, or set NUMBA_ENABLE_CUDASIM=1 to run the CUDA "
        "kernels in Numba's simulator"
    )


class Device(ABC):
    """One kind of memory and the processor that computes on it."""

    name: ClassVar[str]

    @abstractmethod
    def adopt(self, value: Any) -> Array:
        """Return an object in this device's memory as an array of this device, without a copy if possible."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an uninitialized C-contiguous array."""

    @abstractmethod
    def prepare(self, array: Array, dtype: np.dtype[Any]) -> Array:
        """Return a C-contiguous, aligned, writable array of ``dtype`` with the same values; copies only if needed."""

    @abstractmethod
    def is_plain(self, array: Array) -> bool:
        """Return whether kernels can write to ``array`` directly: C-contiguous, aligned, in native byte order."""

    @abstractmethod
    def assign(self, target: Array, source: Array) -> None:
        """Copy values between two arrays of this device, of the same shape and dtype and any layout."""

    @abstractmethod
    def overlap(self, first: Array, second: Array) -> bool:
        """Return whether two arrays share an element."""

    @abstractmethod
    def from_host(self, array: NDArray[Any]) -> Array:
        """Copy a host array to this device; the CPU returns it unchanged."""

    @abstractmethod
    def to_host(self, array: Array) -> NDArray[Any]:
        """Copy an array to the host when all work on it is finished; the CPU returns it unchanged."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all work submitted to this device is finished."""

    @abstractmethod
    def on_stream(self, stream: Any) -> AbstractContextManager[None]:
        """Launch kernels on ``stream`` (None: the default stream) inside the block."""

    @abstractmethod
    def time(self, work: Callable[[], object]) -> float:
        """Run ``work`` and return the milliseconds it took on this device."""

    @abstractmethod
    def flush(self, arrays: Iterable[Array]) -> None:
        """Evict arrays from the caches of this device."""


_NO_STREAM = nullcontext()


class Cpu(Device):
    """Host memory, NumPy arrays."""

    name = "cpu"

    def adopt(self, value: Any) -> NDArray[Any]:
        """See Device; accepts NumPy arrays, nested sequences, ``__array_interface__``, ``__array__``, host DLPack."""
        if type(value) is np.ndarray:
            return value
        if isinstance(value, np.ma.MaskedArray):
            raise DtypeError("a masked array is not taken, its mask would be lost; pass filled(value) of it")
        if isinstance(value, np.ndarray):
            return value
        if value is None:
            raise DtypeError("None cannot be read as an array")
        try:
            if hasattr(value, "__array__") or hasattr(value, "__array_interface__") or not hasattr(value, "__dlpack__"):
                return np.asarray(value)
            return np.from_dlpack(value)
        except Exception as error:  # a foreign object's protocol may raise anything
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise DtypeError(f"{type(value).__name__} cannot be read as an array: {reason[0]}") from error

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """See Device."""
        return np.empty(shape, dtype)

    def prepare(self, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """See Device; a read-only array gets a writable view, so that kernels compile for one type only."""
        if type(array) is np.ndarray and array.flags.carray and array.dtype == dtype:
            return array
        array = np.require(array, dtype, ["C", "A"])
        if type(array) is not np.ndarray:
            array = array.view(np.ndarray)
        return array if array.flags.writeable else np.asarray(_WritableView(array))

    def is_plain(self, array: NDArray[Any]) -> bool:
        """See Device."""
        return type(array) is np.ndarray and array.flags.carray and array.dtype.isnative

    def assign(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """See Device."""
        target[...] = source

    def overlap(self, first: NDArray[Any], second: NDArray[Any]) -> bool:
        """See Device."""
        if not np.may_share_memory(first, second):
            return False
        try:
            return np.shares_memory(first, second, max_work=100_000)  # type: ignore[arg-type]  # NumPy's stub is too narrow
        except np.exceptions.TooHardError:
            return True

    def from_host(self, array: NDArray[Any]) -> NDArray[Any]:
        """See Device."""
        return array

    def to_host(self, array: NDArray[Any]) -> NDArray[Any]:
        """See Device."""
        return array

    def synchronize(self) -> None:
        """See Device; CPU kernels return when they are finished."""

    def on_stream(self, stream: Any) -> AbstractContextManager[None]:  # noqa: ARG002 - streams are for CUDA
        """See Device; the CPU has no streams."""
        return _NO_STREAM

    def time(self, work: Callable[[], object]) -> float:
        """See Device."""
        start = time.perf_counter_ns()
        work()
        return (time.perf_counter_ns() - start) / 1e6

    def flush(self, arrays: Iterable[NDArray[Any]]) -> None:
        """See Device."""
        from kernels.memory.flush import flush

        flush(arrays)


class _WritableView:
    """The same memory, declared writable. Only for inputs, which kernels never write to."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


class Cuda(Device):
    """Memory of the current CUDA device (with NUMBA_ENABLE_CUDASIM=1, of Numba's simulator), Numba device arrays."""

    name = "cuda"

    def __init__(self) -> None:
        from numba import cuda

        self._cuda = cuda
        self._sweep: tuple[Array, Array] | None = None

    def adopt(self, value: Any) -> Array:
        """See Device; accepts Numba device arrays and ``__cuda_array_interface__``."""
        return value if hasattr(value, "copy_to_host") else self._cuda.as_cuda_array(value)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """See Device."""
        return self._cuda.device_array(shape, dtype)

    def prepare(self, array: Array, dtype: np.dtype[Any]) -> Array:
        """See Device; arrays that are not plain are copied through the host."""
        if self.is_plain(array) and array.dtype == dtype:
            return array
        return self.from_host(np.require(self.to_host(array), dtype, ["C", "A"]))

    def is_plain(self, array: Array) -> bool:
        """See Device."""
        return bool(array.is_c_contiguous()) and array.dtype.isnative

    def assign(self, target: Array, source: Array) -> None:
        """See Device; a target that is not contiguous is filled through the host."""
        if target.is_c_contiguous():
            target.copy_to_device(source)
        else:
            target[:] = self.to_host(source)

    def overlap(self, first: Array, second: Array) -> bool:
        """See Device; compares address ranges."""
        if first.size == 0 or second.size == 0:
            return False
        (start, stop), (other_start, other_stop) = self._span(first), self._span(second)
        return start < other_stop and other_start < stop

    def _span(self, array: Array) -> tuple[int, int]:
        start = stop = address_of(array)
        if array.is_c_contiguous():
            return start, start + array.size * array.dtype.itemsize
        for length, stride in zip(array.shape, array.strides, strict=True):
            reach = (length - 1) * stride
            start, stop = start + min(reach, 0), stop + max(reach, 0)
        return start, stop + array.dtype.itemsize

    def from_host(self, array: NDArray[Any]) -> Array:
        """See Device."""
        return self._cuda.to_device(array)

    def to_host(self, array: Array) -> NDArray[Any]:
        """See Device."""
        host: NDArray[Any] = array.copy_to_host()
        return host

    def synchronize(self) -> None:
        """See Device."""
        self._cuda.synchronize()

    def on_stream(self, stream: Any) -> AbstractContextManager[None]:
        """See Device."""
        from kernels.compile.jit import on_stream

        return on_stream(stream)

    def time(self, work: Callable[[], object]) -> float:
        """See Device; measured with events on the default stream, or with the host's clock in the simulator."""
        if in_simulator():
            return CPU.time(work)
        start, end = self._cuda.event(), self._cuda.event()
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    def flush(self, arrays: Iterable[Array]) -> None:  # noqa: ARG002 - a GPU's cache is emptied as a whole
        """See Device; copies twice the size of the L2 cache to the device."""
        if in_simulator():
            return
        if self._sweep is None:
            size = int(self._cuda.get_current_device().L2_CACHE_SIZE)
            self._sweep = (self._cuda.pinned_array(2 * size, np.uint8), self._cuda.device_array(2 * size, np.uint8))
        source, target = self._sweep
        target.copy_to_device(source)
        self.synchronize()


CPU = Cpu()


@cache
def cuda_fault() -> str | None:
    """Return why CUDA kernels cannot run here; None if they can."""
    try:
        from numba import cuda
    except Exception as error:  # of any kind: numba-cuda fails at its import with a Numba that it does not know
        return f"Numba's CUDA support cannot be imported ({str(error) or type(error).__name__})"
    if cuda.is_available():
        return None
    try:
        cuda.current_context()
    except Exception as error:
        lines = [line.strip(" :.") for line in str(error).splitlines()]
        return next((line for line in lines if line and "driver init" not in line), type(error).__name__)
    return "no CUDA device was found"


def has_tensor_cores() -> bool:
    """Return whether the CUDA device, if there is one, has tensor cores for every precision of ``PRECISIONS``."""
    if cuda_fault() is not None:
        return True
    from numba import cuda

    return tuple(cuda.get_current_device().compute_capability) >= TENSOR_CORES


def get_device(name: str) -> Device:
    """Return the device "cpu" or "cuda".

    Raises
    ------
    DeviceUnavailable
        CUDA kernels cannot run here; the message says why and how to enable them.
    """
    if name == "cpu":
        return CPU
    fault = cuda_fault()
    if fault is not None:
        raise DeviceUnavailable(f"device 'cuda' is not available: {fault}; {cuda_remedy()}")
    return _cuda()


@cache
def _cuda() -> Cuda:
    return Cuda()


def is_device_array(value: Any) -> bool:
    """Return whether an object is on a CUDA device (or is a simulated device array)."""
    if type(value) is np.ndarray:
        return False
    if type(value).__module__.startswith("numba.cuda.simulator"):
        return True
    try:
        return hasattr(value, "__cuda_array_interface__")
    except RuntimeError as error:  # a torch tensor on a GPU that requires grad
        raise DtypeError(f"{type(value).__name__} cannot be read as a device array: {error}") from error


def in_simulator() -> bool:
    """Return whether CUDA kernels run in a simulator in this process."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" and "numba.cuda.simulator" in sys.modules


def address_of(array: Array) -> int:
    """Return where a device array begins."""
    simulated = getattr(array, "_ary", None)  # in numba-cuda's simulator, a NumPy array
    interface = array.__cuda_array_interface__ if simulated is None else simulated.__array_interface__
    return int(interface["data"][0])
