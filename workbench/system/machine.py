"""Facts about this machine: processor, cores, SIMD as Numba sees it, threading layer, GPU, versions."""

import os
import platform
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kernels.memory.devices import cuda_fault, cuda_remedy
from workbench.system.errors import InputError

_START = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

PACKAGES = ("numba", "llvmlite", "numpy", "numba-cuda", "click", "hypothesis")
SIMD = ("sse4.2", "avx", "avx2", "fma", "avx512f", "avx512vl", "avx512bf16", "avx512fp16", "amx-tile", "neon", "sve")


def cpu_model() -> str:
    """Return the name of the processor."""
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


def memory_bytes() -> int:
    """Return the size of the main memory; 2**40 if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**40


def used_by_others() -> float | None:
    """Return the share of the processor's time that other processes use while this one sleeps; None if it is not known."""
    before = _processor_time()
    time.sleep(0.2)
    after = _processor_time()
    if before is None or after is None or after[0] <= before[0]:
        return None
    return 1 - (after[1] - before[1]) / (after[0] - before[0])


def _processor_time() -> tuple[int, int] | None:
    """Return all and idle time of the processor in ticks; see proc_stat(5)."""
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    except OSError:
        return None
    ticks = list(map(int, fields))
    return sum(ticks), ticks[3] + ticks[4]  # idle, and waiting for input and output


def use_threads(count: int | None) -> None:
    """Set the number of threads that kernels run on; None: one per core.

    Raises
    ------
    InputError
        There are more than Numba started with.
    DeviceUnavailable
        As raised by ``threading_layer``.
    """
    import numba

    threading_layer()
    most = numba.config.NUMBA_NUM_THREADS
    if count is not None and count > most:
        raise InputError(f"--threads {count}: Numba has {most} here, one per core; use at most {most}")
    numba.set_num_threads(count or most)


def keep_to_cores(count: int) -> None:
    """Restrict this process and its new threads to ``count`` cores, one hardware thread per core as far as possible."""
    if not hasattr(os, "sched_setaffinity"):
        return
    usable = sorted(os.sched_getaffinity(0))
    first = [cpu for cpu in usable if _siblings(cpu)[:1] in ([], [cpu])]
    chosen = [*first, *(cpu for cpu in usable if cpu not in first)][:count]
    os.sched_setaffinity(0, chosen)


def _siblings(cpu: int) -> list[int]:
    """Return the hardware threads of a core, lowest number first; empty if the system does not report them."""
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
        return sorted(int(part.split("-")[0]) for part in text.strip().split(","))
    except (OSError, ValueError):
        return []


def versions() -> dict[str, str]:
    """Return the versions of Python, of this project and of its numerical packages."""
    from workbench.system.version import VERSION

    found = {"python": platform.python_version(), "kernel-workbench": VERSION}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def summary() -> dict[str, Any]:
    """Return the facts about the machine that are stored with results."""
    import numba

    from kernels.compile.threads import thread_count
    from workbench.numba_internals.llvm import binding as llvm

    return {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "target": numba.config.CPU_NAME or llvm.get_host_cpu_name(),
        "threads": thread_count(),
        "platform": platform.platform(),
        "gpu": gpu_name(),
    }


def simd_features() -> list[str]:
    """Return the SIMD features that Numba generates code for."""
    import numba

    from workbench.numba_internals.llvm import binding as llvm

    asked = numba.config.CPU_FEATURES
    if asked is not None:
        enabled = {feature[1:] for feature in asked.split(",") if feature.startswith("+")}
    else:
        enabled = {name for name, present in llvm.get_host_cpu_features().items() if present}
    return [name for name in SIMD if name in enabled]


def threading_layer() -> str:
    """Return the name of the threading layer that Numba chose.

    Raises
    ------
    DeviceUnavailable
        The layer named by NUMBA_THREADING_LAYER is not available.
    """
    from kernels.compile.threads import layer

    return layer()


def in_simulator() -> bool:
    """Return whether CUDA kernels run in Numba's simulator in this process."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def gpu_name() -> str | None:
    """Return the name of the current GPU; None without one."""
    if cuda_fault() is not None or in_simulator():
        return None
    from numba import cuda

    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
    return f"{name}, compute capability {'.'.join(map(str, device.compute_capability))}"


def gpu_report() -> str:
    """Return the name of the GPU, or why there is none and how to enable it."""
    if in_simulator():
        return "none: NUMBA_ENABLE_CUDASIM=1 runs CUDA kernels in Numba's simulator"
    fault = cuda_fault()
    return gpu_name() or f"none: {fault}; {cuda_remedy()}"


def seconds_since_start() -> float:
    """Return the seconds since this process started (since this module was imported if the system does not report it)."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22, starttime, counted from after the name
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, IndexError, AttributeError):
        now = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
        return now - _START


def processes_ended_for_memory() -> int:
    """Return how many processes the system has ended for want of memory, since it started; 0 if it does not say (Linux)."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
