"""Record the kernels that an implementation launches: its host code runs, its kernels do not."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.inspecting.cuda.offline import replaced, without_driver

_HOST_CALLS = (
    "as_cuda_array",
    "current_context",
    "default_stream",
    "device_array",
    "device_array_like",
    "event",
    "get_current_device",
    "mapped_array",
    "pinned",
    "pinned_array",
    "stream",
    "synchronize",
    "to_device",
)
"""The host functions used around a launch. Numba's simulator replaces each except ``as_cuda_array``."""


@dataclass(frozen=True, kw_only=True)
class RecordedLaunch:
    """One launch.

    Attributes
    ----------
    kernel : the object that ``@cuda.jit`` made
    types : Numba's types of its arguments
    integers : the integers among its arguments, tuples taken apart; None for the others
    grid, block : blocks and threads in x, y and z; the block is None where the driver chooses it
    shared_bytes : dynamic shared memory per block, bytes
    """

    kernel: Any
    types: tuple[Any, ...]
    integers: tuple[int | None, ...]
    grid: tuple[int, int, int]
    block: tuple[int, int, int] | None
    shared_bytes: int

    @property
    def name(self) -> str:
        """The kernel's name."""
        return str(self.kernel.py_func.__name__)

    @property
    def threads(self) -> int | None:
        """The number of threads per block."""
        return None if self.block is None else self.block[0] * self.block[1] * self.block[2]

    @property
    def has_double_arrays(self) -> bool:
        """Whether an argument is a float64 array, so that float64 arithmetic is intended."""
        return any("float64" in str(getattr(each, "dtype", "")) for each in self.types)


def record(
    function: Callable[..., object], arguments: tuple[Any, ...]
) -> tuple[list[RecordedLaunch], Exception | None]:
    """Run host code and return its launches, one for each kernel, set of argument types and block size.

    Device memory is host memory during the recording, and memory that a kernel would write stays undefined. Host code that
    cannot continue without it stops there.

    Returns
    -------
    launches
        In launch order.
    fault
        The exception that the host code raised, if any.
    """
    found: dict[Any, RecordedLaunch] = {}
    fault = None
    with _interposed(lambda launch: found.setdefault((launch.kernel, launch.types, launch.block), launch)):
        try:
            function(*arguments)
        except Exception as error:  # user code, on arrays that no kernel has filled
            fault = error
    return list(found.values()), fault


def on_device(array: Any) -> Any:
    """Return a host array as the device array of the recording."""
    from workbench.numba_internals.cuda_simulator import FakeCUDAArray

    return FakeCUDAArray(array)


@contextmanager
def _interposed(note: Callable[[RecordedLaunch], object]) -> Iterator[None]:
    """Put the simulator's host functions in the place of those that need a driver, and ``note`` in that of a launch.

    Kernels stay objects of the compiler's ``@cuda.jit``, with their options, which the simulator would drop.
    """
    from numba import cuda

    from workbench.numba_internals.cuda_compiler import dispatcher
    from workbench.numba_internals.cuda_simulator import simulator

    def called(self: Any, arguments: tuple[Any, ...], configuration: Any) -> None:
        note(
            RecordedLaunch(
                kernel=self,
                types=_types(self, arguments),
                integers=tuple(_integers(arguments)),
                grid=tuple(configuration.griddim),
                block=tuple(configuration.blockdim),
                shared_bytes=int(configuration.sharedmem),
            )
        )

    def for_all(self: Any, *arguments: Any) -> None:
        if not self.ntasks:
            return
        threads = self.thread_per_block
        blocks = -(-self.ntasks // threads) if threads else 1
        note(
            RecordedLaunch(
                kernel=self.dispatcher,
                types=_types(self.dispatcher, arguments),
                integers=tuple(_integers(arguments)),
                grid=(blocks, 1, 1),
                block=(threads, 1, 1) if threads else None,
                shared_bytes=int(self.sharedmem),
            )
        )

    stand_ins = {name: getattr(simulator, name) for name in _HOST_CALLS if hasattr(simulator, name)}
    stand_ins["as_cuda_array"] = lambda array, sync=True: array  # noqa: ARG005 - Numba's own signature
    with (
        without_driver(),
        replaced(cuda, **{name: stand_in for name, stand_in in stand_ins.items() if hasattr(cuda, name)}),
        replaced(dispatcher.CUDADispatcher, call=called, specialize=lambda self, *_: self),
        replaced(dispatcher.ForAll, __call__=for_all),
        replaced(dispatcher._LaunchConfiguration, __init__=_configured),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # about a small grid, for instance: nothing runs
        yield


def _integers(arguments: Iterable[Any]) -> Iterator[int | None]:
    """Return the arguments one by one: an integer, or None for anything else."""
    for each in arguments:
        if isinstance(each, tuple):
            yield from _integers(each)
        else:
            yield int(each) if isinstance(each, int | np.integer | np.bool_) else None


def _configured(self: Any, dispatcher: Any, griddim: Any, blockdim: Any, stream: Any, sharedmem: Any) -> None:
    """Make a launch configuration without looking up the stream."""
    self.dispatcher, self.griddim, self.blockdim, self.sharedmem = dispatcher, griddim, blockdim, sharedmem
    self.stream, self.pre_launch_callbacks = stream, []


def _types(kernel: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the types that a kernel is compiled for; with explicit signatures, the first of them."""
    types = tuple(getattr(each, "_numba_type_", None) or kernel.typeof_pyval(each) for each in arguments)
    if kernel._can_compile or types in kernel.overloads:
        return types
    return next((each for each in kernel.overloads if len(each) == len(types)), types)
