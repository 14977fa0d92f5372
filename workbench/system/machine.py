"""What this machine is: processor, cores, SIMD as Numba sees it, threading layer, GPU, versions."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kernels.memory.devices import CUDA_REMEDY, cuda_fault
from workbench.system.errors import InputError

_START = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

PACKAGES = ("numba", "llvmlite", "numpy", "numba-cuda", "click", "hypothesis")
SIMD = ("sse4.2", "avx", "avx2", "fma", "avx512f", "avx512vl", "avx512bf16", "avx512fp16", "amx-tile", "neon", "sve")


def cpu_model() -> str:
    """Name the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_threads(count: int | None) -> None:
    """Let kernels run on ``count`` threads; None: one per core.

    Raises
    ------
    InputError
        More than Numba started with.
    DeviceUnavailable
        As ``threading_layer`` does.
    """
    import numba

    threading_layer()
    most = numba.config.NUMBA_NUM_THREADS
    if count is not None and count > most:
        raise InputError(f"--threads {count}: Numba has {most} here, one per core; ask for at most {most}")
    numba.set_num_threads(count or most)


def keep_to_cores(count: int) -> None:
    """Keep this process, and the threads that it starts, to ``count`` cores, to one thread of each core while they last."""
    if not hasattr(os, "sched_setaffinity"):
        return
    usable = sorted(os.sched_getaffinity(0))
    first = [cpu for cpu in usable if _siblings(cpu)[:1] in ([], [cpu])]
    chosen = [*first, *(cpu for cpu in usable if cpu not in first)][:count]
    os.sched_setaffinity(0, chosen)


def _siblings(cpu: int) -> list[int]:
    """List the hardware threads of a core, the least number first; empty where the system does not tell."""
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
        return sorted(int(part.split("-")[0]) for part in text.strip().split(","))
    except (OSError, ValueError):
        return []


def versions() -> dict[str, str]:
    """Return the versions of Python, of this project and of what it computes with."""
    from workbench.system.version import VERSION

    found = {"python": platform.python_version(), "kernel-workbench": VERSION}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def summary() -> dict[str, Any]:
    """Describe the machine in the few facts that a stored result needs."""
    import llvmlite.binding as llvm
    import numba

    from kernels.compile.threads import thread_count

    return {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "target": numba.config.CPU_NAME or llvm.get_host_cpu_name(),
        "threads": thread_count(),
        "platform": platform.platform(),
        "gpu": gpu_name(),
    }


def simd_features() -> list[str]:
    """List the SIMD features that Numba generates code for."""
    import llvmlite.binding as llvm
    import numba

    asked = numba.config.CPU_FEATURES
    if asked is not None:
        enabled = {feature[1:] for feature in asked.split(",") if feature.startswith("+")}
    else:
        enabled = {name for name, present in llvm.get_host_cpu_features().items() if present}
    return [name for name in SIMD if name in enabled]


def threading_layer() -> str:
    """Name the threading layer that Numba chose.

    Raises
    ------
    DeviceUnavailable
        There is none of the name that NUMBA_THREADING_LAYER gives.
    """
    from kernels.compile.threads import layer

    return layer()


def in_simulator() -> bool:
    """Return whether CUDA kernels run in Numba's simulator in this process."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def gpu_name() -> str | None:
    """Name the current GPU; None without one."""
    if cuda_fault() is not None or in_simulator():
        return None
    from numba import cuda

    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
    return f"{name}, compute capability {'.'.join(map(str, device.compute_capability))}"


def gpu_report() -> str:
    """Name the GPU, or say why there is none and what would bring it."""
    if in_simulator():
        return "none: NUMBA_ENABLE_CUDASIM=1 runs CUDA kernels in Numba's simulator"
    fault = cuda_fault()
    return gpu_name() or f"none: {fault}; {CUDA_REMEDY}"


def seconds_since_start() -> float:
    """Return the seconds since this process started (where the system does not tell: since this module was imported)."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22, starttime, counted from behind the name
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, IndexError, AttributeError):
        now = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
        return now - _START
