"""Compile a kernel to PTX with source lines, for any compute capability."""

import re
import warnings
from pathlib import Path
from typing import Any

from workbench.checking.calling import failure_of
from workbench.inspecting.cuda.ascii_names import from_ascii
from workbench.inspecting.cuda.offline import without_driver
from workbench.inspecting.cuda.recording import RecordedLaunch
from workbench.system.compute_capability import ComputeCapability, suffix
from workbench.system.errors import InputError

_ENTRY = re.compile(r"\.visible \.entry (\w+)\(")


def compile_ptx(launch: RecordedLaunch, cc: ComputeCapability) -> str:
    """Compile a kernel as its launch would on a device of compute capability ``cc``, with the options of its decorator.

    Its symbol is its Python name instead of Numba's, which spells out all argument types.

    Raises
    ------
    InputError
        Numba cannot compile it.
    """
    from numba import cuda

    kernel, options = launch.kernel, launch.kernel.targetoptions
    _forget_device_functions(kernel)
    try:
        with without_driver(cc), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Numba's advice on how to compile belongs to the run
            ptx, _ = cuda.compile(
                kernel.py_func,
                launch.types,
                debug=options.get("debug"),
                lineinfo=not options.get("debug"),
                device=False,
                abi="numba",
                fastmath=options.get("fastmath", False),
                opt=options.get("opt"),
                launch_bounds=options.get("launch_bounds"),
                cc=(*cc, suffix(cc)) if suffix(cc) else cc,
            )
    except (
        Exception
    ) as error:  # numba-cuda raises others, too: for a kernel that returns a value, or has a try statement
        reason = failure_of(error).reason
        raise InputError(f"{_where(launch)}: Numba cannot compile {launch.name}: {reason}") from error
    symbol = _ENTRY.search(ptx)
    assert symbol is not None
    return from_ascii(str(ptx)).replace(symbol[1], launch.name)


def _forget_device_functions(kernel: Any) -> None:
    """Drop compiled device functions: Numba caches them by argument types alone, for the first device requested."""
    for value in kernel.py_func.__globals__.values():
        if type(value).__name__ == "CUDADispatcher" and value.targetoptions.get("device") and value._can_compile:
            value.overloads.clear()


def _where(launch: RecordedLaunch) -> str:
    code = launch.kernel.py_func.__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"
