"""Compute capabilities, and their limits that determine how many threads fit on a multiprocessor.

Source: CUDA C++ Programming Guide, "Compute Capabilities", table "Technical Specifications per Compute Capability", and
"Throughput of Native Arithmetic Instructions"; for the allocation units of registers and shared memory, the toolkit's own
calculator, ``cuda_occupancy.h`` of CUDA 13.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.system.errors import InputError, shortened

ComputeCapability = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The resources of one multiprocessor, and the units in which they are allocated.

    Attributes
    ----------
    threads, blocks : the most that it can hold at a time
    registers : its 32-bit registers, which is also the most that a block may have
    shared_bytes : shared memory for all its blocks
    shared_bytes_per_block : the most that a block may request (above 48 KiB only dynamically)
    registers_per_thread : the most that a thread may have
    register_unit : registers are allocated to warps in multiples of this
    partitions : the number of schedulers among which its warps are divided, each with its part of the registers
    shared_unit : shared memory is allocated to blocks in multiples of this, bytes
    shared_reserved : bytes of shared memory that the system reserves for every block
    float64_per_float32 : float32 operations per float64 operation in the same time
    """

    threads: int
    blocks: int
    shared_bytes: int
    shared_bytes_per_block: int
    shared_reserved: int
    shared_unit: int
    float64_per_float32: int
    registers: int = 65_536
    registers_per_thread: int = 255
    register_unit: int = 256
    partitions: int = 4

    @property
    def warps(self) -> int:
        """The number of warps that a multiprocessor can hold."""
        return self.threads // WARP


WARP = 32
KIB = 1024

_TABLE: dict[ComputeCapability, tuple[int, int, int, int, int, int]] = {
    # threads, blocks, KiB of shared memory, shared_reserved, shared_unit, float64_per_float32
    (7, 5): (1024, 16, 64, 0, 256, 32),
    (8, 0): (2048, 32, 164, KIB, 128, 2),
    (8, 6): (1536, 16, 100, KIB, 128, 64),
    (8, 9): (1536, 24, 100, KIB, 128, 64),
    (9, 0): (2048, 32, 228, KIB, 128, 2),
    (10, 0): (2048, 32, 228, KIB, 128, 2),
    (12, 0): (1536, 24, 100, KIB, 128, 64),
}

LIMITS: dict[ComputeCapability, Limits] = {
    cc: Limits(
        threads=threads,
        blocks=blocks,
        shared_bytes=shared * KIB,
        shared_bytes_per_block=shared * KIB - reserved,
        shared_reserved=reserved,
        shared_unit=unit,
        float64_per_float32=float64,
    )
    for cc, (threads, blocks, shared, reserved, unit, float64) in _TABLE.items()
}
"""The compute capabilities that can be inspected."""


def _older(shared_kib: int, per_block_kib: int, float64_per_float32: int) -> Limits:
    return Limits(
        threads=2048,
        blocks=32,
        shared_bytes=shared_kib * KIB,
        shared_bytes_per_block=per_block_kib * KIB,
        shared_reserved=0,
        shared_unit=256,
        float64_per_float32=float64_per_float32,
    )


SIMULATED: dict[ComputeCapability, Limits] = {
    (6, 0): _older(64, 48, 2),
    (6, 1): _older(96, 48, 32),
    (7, 0): _older(96, 96, 2),
    **LIMITS,
}
"""The compute capabilities that can be simulated: also those for which CUDA 13 no longer compiles."""

DEFAULT: tuple[ComputeCapability, ...] = ((8, 0), (9, 0), (10, 0))


def architecture(cc: ComputeCapability) -> str:
    """Return the name that ptxas uses; from 9.0 on with the features specific to this capability, as Numba compiles."""
    return f"sm_{cc[0]}{cc[1]}{suffix(cc)}"


def suffix(cc: ComputeCapability) -> str:
    """Return the suffix by which Numba requests the features specific to one compute capability."""
    return "a" if cc >= (9, 0) else ""


def parse_cc(text: str, known: Mapping[ComputeCapability, Limits] = LIMITS) -> ComputeCapability:
    """Parse a compute capability, "90" or "9.0".

    Raises
    ------
    InputError
        It is not a compute capability, or not a known one.
    """
    by_name = {f"{major}{minor}": (major, minor) for major, minor in known}
    cc = by_name.get(text.strip().removeprefix("sm_").replace(".", ""))
    if cc is None:
        raise InputError(f"--cc {shortened(text)}: unknown compute capability; must be one of {', '.join(by_name)}")
    return cc
