"""The cost of a call apart from its kernel: compiling, loading from the cache, dispatch, copies."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import kernels
from kernels import OPS, Implementation
from kernels.call.registry import register, unregister
from kernels.declare.op import Op
from kernels.memory.devices import Array, Device
from workbench.benching.entrant import Entrant
from workbench.cases import BenchCase
from workbench.sampling import Arrays
from workbench.system.compile_watch import watch_compilation

REPEATS = 50


@dataclass(frozen=True, kw_only=True)
class Split:
    """Parts of the cost of a call; None for a part that it does not have.

    Attributes
    ----------
    compile_ms : the compile time before the first call; 0 if the machine code came from the cache
    cache_load_ms : the time to read it from the cache; None if it was compiled
    launch_us : the time to launch a kernel on the host, without waiting for it
    dispatch_us : the time of the public function without the kernel: validation and choice, without allocation
    copy_in_ms, copy_out_ms : the time to copy all inputs to the device, and all outputs back
    """

    compile_ms: float = 0.0
    cache_load_ms: float | None = None
    launch_us: float | None = None
    dispatch_us: float | None = None
    copy_in_ms: float | None = None
    copy_out_ms: float | None = None


def first_call(entrant: Entrant) -> Split:
    """Make the first call; return the time spent before the kernel ran."""
    with watch_compilation() as watch:
        start = time.perf_counter()
        entrant.call()
        entrant.device.synchronize()
        first_ms = (time.perf_counter() - start) * 1e3
    if watch.total:
        return Split(compile_ms=watch.total * 1e3)
    again_ms = min(entrant.device.time(entrant.call) for _ in range(3))
    return Split(cache_load_ms=max(first_ms - again_ms, 0.0))


def with_copies(split: Split, entrant: Entrant, case: BenchCase, inputs: Arrays, dtype: str) -> Split:
    """Add the costs of copies to the device and back, and of a launch; nothing on the CPU."""
    device = entrant.device
    if device.name == "cpu":
        return split
    outputs = _outputs(OPS[case.op], case, dtype, device)
    return replace(
        split,
        launch_us=_launch(entrant) * 1e6,
        copy_in_ms=_wall(lambda: [device.from_host(array) for array in inputs.values()], device) * 1e3,
        copy_out_ms=_wall(lambda: [device.to_host(output) for output in outputs], device) * 1e3,
    )


def with_dispatch(split: Split, case: BenchCase, inputs: Arrays, dtype: str, device: Device) -> Split:
    """Add the cost of the public function, measured with an implementation that does nothing."""
    op = OPS[case.op]
    public = getattr(kernels, op.name, None)
    if public is None:
        return split

    def nothing(*_arguments: Any) -> None:
        """Compute nothing."""

    empty = Implementation(op=op.name, device=device.name, algorithm="nothing", target=nothing)
    given = [device.from_host(array) for array in inputs.values()]
    outputs = _outputs(op, case, dtype, device)
    out = outputs[0] if len(outputs) == 1 else outputs
    register(empty, preferred=True)
    try:
        seconds = _wall(lambda: public(*given, **case.options, out=out), device)
    finally:
        unregister(empty)
    return replace(split, dispatch_us=seconds * 1e6)


def _outputs(op: Op, case: BenchCase, dtype: str, device: Device) -> tuple[Array, ...]:
    shapes = op.output_shapes(case.shapes, case.options)
    return tuple(device.empty(*each) for each in zip(shapes, op.dtypes_of_outputs(dtype), strict=True))


def _launch(entrant: Entrant) -> float:
    """Return the seconds that a call takes on the host, while the device works."""
    entrant.device.synchronize()
    start = time.perf_counter()
    for _ in range(REPEATS):
        entrant.call()
    spent = time.perf_counter() - start
    entrant.device.synchronize()
    return spent / REPEATS


def _wall(work: Callable[[], object], device: Device) -> float:
    """Return the median seconds of a call by the host's clock."""
    times = []
    for _ in range(REPEATS):
        device.synchronize()
        start = time.perf_counter()
        work()
        device.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times))
