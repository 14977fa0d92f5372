"""A fixed sequence of launches, many times: as a CUDA graph, which costs the host one call each time."""

from collections.abc import Callable
from typing import Any

from numba import cuda

from kernels.compile.jit import current_stream, on_stream
from kernels.memory.devices import in_simulator


def repeat(launches: Callable[[], None], times: int) -> None:
    """Launch a sequence of kernels ``times`` times, on the current stream; the same kernels with the same arguments.

    The first time they are launched one by one, and compiled. The others are launches of a graph that is captured from a
    second run. In the simulator, which has no graphs, all are launched one by one.
    """
    for _ in range(times if in_simulator() else min(times, 1)):
        launches()
    if times > 1 and not in_simulator():
        _launch_graph(launches, times - 1)


def _launch_graph(launches: Callable[[], None], times: int) -> None:
    from cuda.bindings import driver

    def checked(result: Any) -> Any:
        code, *values = result
        if code != driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"the CUDA driver refuses a graph: {code.name}")
        return values[0] if values else None

    stream, own = current_stream(), cuda.stream()
    cuda.synchronize()  # what comes before, on whatever stream
    with on_stream(own):
        checked(driver.cuStreamBeginCapture(int(own), driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED))
        launches()
        graph = checked(driver.cuStreamEndCapture(int(own)))
    executable = checked(driver.cuGraphInstantiate(graph, 0))
    for _ in range(times):
        checked(driver.cuGraphLaunch(executable, int(stream) if stream else int(own)))
    cuda.synchronize()
    checked(driver.cuGraphExecDestroy(executable))
    checked(driver.cuGraphDestroy(graph))
