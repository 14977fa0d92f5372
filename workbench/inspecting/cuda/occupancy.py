"""Theoretical occupancy: how many warps of a kernel a multiprocessor holds at a time, and what limits them.

Source: ``cuda_occupancy.h`` of CUDA 13.0, the calculator used by ``cudaOccupancyMaxActiveBlocksPerMultiprocessor``.
All shared memory is assumed to be available, as the driver provides it where a kernel needs it.
"""

import sys
from dataclasses import asdict, dataclass
from typing import Any

from workbench.system.compute_capability import WARP, Limits

_UNLIMITED = sys.maxsize


@dataclass(frozen=True, kw_only=True)
class Occupancy:
    """The blocks and warps that a multiprocessor holds.

    Attributes
    ----------
    blocks, warps : resident blocks and warps of the kernel
    share : ``warps`` as a share of the most that the multiprocessor can hold
    limiters : what limits the number of blocks, of "registers", "shared memory", "warps", "blocks"; for a kernel that cannot
        be launched, the resource that prevents it
    """

    blocks: int
    warps: int
    share: float
    limiters: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the occupancy as a JSON object."""
        return asdict(self)


def occupancy(limits: Limits, *, threads: int, registers: int, shared_bytes: int) -> Occupancy:
    """Compute the occupancy of a kernel.

    Parameters
    ----------
    limits : of the compute capability
    threads : per block, from 1 to 1024
    registers : per thread
    shared_bytes : static and dynamic shared memory per block, bytes
    """
    warps = -(-threads // WARP)
    allowed = {
        "registers": _by_registers(limits, warps, registers),
        "shared memory": _by_shared_memory(limits, shared_bytes),
        "warps": limits.warps // warps,
        "blocks": limits.blocks,
    }
    blocks = min(allowed.values())
    return Occupancy(
        blocks=blocks,
        warps=blocks * warps,
        share=blocks * warps / limits.warps,
        limiters=tuple(name for name, most in allowed.items() if most == blocks),
    )


def _by_registers(limits: Limits, warps: int, registers: int) -> int:
    """Return the blocks that registers allow: each warp allocates from the partition of its scheduler."""
    per_warp = _round_up(registers * WARP, limits.register_unit)
    if per_warp == 0:
        return _UNLIMITED
    # the hardware's launch check assumes that a block takes equally from every partition
    if per_warp * _round_up(warps, limits.partitions) > limits.registers or registers > limits.registers_per_thread:
        return 0
    per_partition = limits.registers // limits.partitions // per_warp
    return per_partition * limits.partitions // warps


def _by_shared_memory(limits: Limits, shared_bytes: int) -> int:
    taken = _round_up(shared_bytes + limits.shared_reserved, limits.shared_unit)
    if shared_bytes > limits.shared_bytes_per_block:
        return 0
    return limits.shared_bytes // taken if taken else _UNLIMITED


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
