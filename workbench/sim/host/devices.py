"""The simulated GPU: its name, properties and memory."""

import os
from typing import Any, NamedTuple

from workbench.sim.common.settings import MAX_BLOCK, MAX_GRID, MAX_THREADS, STATIC_LIMIT, current
from workbench.system.compute_capability import SIMULATED, WARP, ComputeCapability
from workbench.system.terminal import print_line

MULTIPROCESSORS: dict[ComputeCapability, int] = {
    (6, 0): 56,
    (6, 1): 28,
    (7, 0): 80,
    (7, 5): 40,
    (8, 0): 108,
    (8, 6): 84,
    (8, 9): 128,
    (9, 0): 132,
    (10, 0): 148,
    (12, 0): 170,
}
"""The multiprocessors of a common GPU of each compute capability."""

CONSTANT_BYTES = 64 << 10
L2_BYTES = 50 << 20


class Memory(NamedTuple):
    """Bytes of memory."""

    free: int
    total: int


def memory_info(_context: Any) -> Memory:
    """Return the memory of this machine, in which device arrays are."""
    page = os.sysconf("SC_PAGE_SIZE")
    return Memory(os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page)


def name_of(capability: ComputeCapability) -> str:
    """Return the name of the simulated GPU."""
    return f"SIMULATOR of compute capability {capability[0]}.{capability[1]}"


def attributes() -> dict[str, Any]:
    """Return the properties of the simulated GPU: those of the compute capability in the settings."""
    capability = current().capability
    limits = SIMULATED[capability]
    found = {
        "id": 0,
        "name": name_of(capability),
        "compute_capability": capability,
        "COMPUTE_CAPABILITY_MAJOR": capability[0],
        "COMPUTE_CAPABILITY_MINOR": capability[1],
        "WARP_SIZE": WARP,
        "MULTIPROCESSOR_COUNT": MULTIPROCESSORS[capability],
        "MAX_THREADS_PER_BLOCK": MAX_THREADS,
        "MAX_THREADS_PER_MULTI_PROCESSOR": limits.threads,
        "MAX_THREADS_PER_MULTIPROCESSOR": limits.threads,
        "MAX_BLOCKS_PER_MULTIPROCESSOR": limits.blocks,
        "MAX_REGISTERS_PER_BLOCK": limits.registers,
        "MAX_REGISTERS_PER_MULTIPROCESSOR": limits.registers,
        "MAX_SHARED_MEMORY_PER_BLOCK": STATIC_LIMIT,
        "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN": limits.shared_bytes_per_block,
        "MAX_SHARED_MEMORY_PER_MULTIPROCESSOR": limits.shared_bytes,
        "TOTAL_CONSTANT_MEMORY": CONSTANT_BYTES,
        "L2_CACHE_SIZE": L2_BYTES,
        "COOPERATIVE_LAUNCH": 1,
        "CONCURRENT_KERNELS": 1,
        "ASYNC_ENGINE_COUNT": 2,
        "MANAGED_MEMORY": 1,
        "UNIFIED_ADDRESSING": 1,
        "CAN_MAP_HOST_MEMORY": 1,
        "supports_float16": True,
    }
    for axis, threads, blocks in zip("XYZ", MAX_BLOCK, MAX_GRID, strict=True):
        found[f"MAX_BLOCK_DIM_{axis}"], found[f"MAX_GRID_DIM_{axis}"] = threads, blocks
    return found


def attribute(device: Any, name: str) -> Any:
    """Return a property of the simulated GPU: ``__getattr__`` of a device and of its context."""
    try:
        return attributes()[name]
    except KeyError:
        raise AttributeError(f"the simulated GPU has no attribute {name}") from None


def compute_capability(_device: Any) -> ComputeCapability:
    """Return the compute capability of the settings."""
    return current().capability


def detect() -> bool:
    """Print the simulated GPU, and return that it is supported."""
    found = attributes()
    print_line("Found 1 CUDA devices")
    print_line(f"id 0    {found['name']:>40}    [SUPPORTED]")
    for name, value in found.items():
        if name.isupper():
            print_line(f"{name:>40}: {value}")
    return True


def blocks_at_once(threads: int, shared_bytes: int) -> int:
    """Return the most blocks that all multiprocessors together hold."""
    capability = current().capability
    limits = SIMULATED[capability]
    warps = -(-threads // WARP)
    each = min(limits.blocks, limits.warps // warps)
    needed = shared_bytes + limits.shared_reserved
    if needed > 0:
        each = min(each, limits.shared_bytes // needed)
    return MULTIPROCESSORS[capability] * each
