"""What a block of a launch needs of every resource of a multiprocessor and of the memory, in clocks, by source line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from workbench.inspecting.cuda.counting import class_of, width
from workbench.inspecting.cuda.cuda_record import CudaReport
from workbench.inspecting.cuda.lines import location
from workbench.inspecting.cuda.sass import Instruction, Location
from workbench.predicting.caches import Traffic
from workbench.predicting.gpus import Gpu
from workbench.sim.counting.counters import AccessCounters, LaunchCounters
from workbench.sim.counting.grouping import SECTORS_OF_LINE
from workbench.system.compute_capability import WARP

SCHEDULERS = 4
"""Of a multiprocessor; each issues one instruction a clock."""

LINE_CYCLES = 0.26
"""Clocks of the first-level cache for each further 128-byte line of a request (gpu-benches, ``gpu-strides``)."""

STORE_CYCLES = 4
"""What a line of a store to global memory occupies the way to the second-level cache for, however much of it is stored: 128
bytes at 32 a clock."""

BARRIER_LANES = 16
"""Threads that arrive at a barrier in a clock (CUDA C++ Programming Guide, "Synchronization Instruction")."""

TENSOR_SHAPES = {"884": 8 * 8 * 4, "1684": 16 * 8 * 4, "1688": 16 * 8 * 8, "16816": 16 * 8 * 16}
"""Multiply-adds of HMMA, what ``mma.sync`` of floats becomes, by the shape in its name: rows, columns and terms."""

FILL_BYTES, MOST_L2_BYTES = 64, 64
"""What the first-level cache is filled with in a clock, and what one multiprocessor has from the second-level cache."""

MULTIPROCESSOR = (
    "issue",
    "float32",
    "integer",
    "integer products",
    "float64",
    "special functions",
    "tensor cores",
    "loads and stores",
    "barriers",
    "stores",
    "cache fills",
)
MEMORY = ("L2", "memory")

ByLine = dict[Location, float]


@dataclass(frozen=True, kw_only=True)
class Demands:
    """Clocks that one block needs of each resource, by source line; of memory, as the share of one multiprocessor."""

    clocks: Mapping[str, ByLine]

    def total(self, resource: str) -> float:
        """Return the clocks of a resource."""
        return sum(self.clocks.get(resource, {}).values())

    def largest(self, resources: Iterable[str]) -> tuple[float, str]:
        """Return the resource that is needed longest, and its clocks."""
        return max((self.total(each), each) for each in resources)

    def hottest(self, resource: str) -> tuple[Location, float] | None:
        """Return the source line that needs most of a resource, and its share."""
        own = {place: clocks for place, clocks in self.clocks.get(resource, {}).items() if place[1]}
        if not own or not self.total(resource):
            return None
        place = max(own, key=lambda each: own[each])
        return place, own[place] / self.total(resource)


def block_demands(
    launch: LaunchCounters, report: CudaReport, executed: Sequence[float], traffic: Traffic, gpu: Gpu
) -> Demands:
    """Return what a recorded block needs, on average.

    Parameters
    ----------
    launch : what was counted
    report : the kernel, compiled for the GPU
    executed : how often the recorded warps issue each instruction
    traffic : what the caches leave of the accesses
    gpu : where it runs
    """
    found: dict[str, ByLine] = {name: defaultdict(float) for name in (*MULTIPROCESSOR, *MEMORY)}
    recorded = len(launch.recorded)
    for instruction, count in zip(report.code.instructions, executed, strict=True):
        place = location(instruction)
        for name, clocks in pipes(instruction, gpu):
            found[name][place] += clocks * count / recorded
    clocks_of = _access_clocks(launch, report, executed, gpu)
    for access, clocks in zip(launch.accesses, clocks_of, strict=True):
        place = access.site.file, access.site.line
        found["loads and stores"][place] += clocks / recorded
        if access.memory != "global":
            continue
        sectors = traffic.sectors(access) / recorded
        if access.access == "load":
            found["cache fills"][place] += 32 * sectors / FILL_BYTES
        else:
            found["stores"][place] += STORE_CYCLES * access.lines / recorded
    _add_memory(found, launch, traffic, gpu)
    return Demands(clocks=found)


def _add_memory(found: dict[str, ByLine], launch: LaunchCounters, traffic: Traffic, gpu: Gpu) -> None:
    """Add the clocks of a block's bytes: each multiprocessor has its share of what all have."""
    blocks, recorded = prod(launch.grid), len(launch.recorded)
    active = min(blocks, gpu.processors)
    l2_bytes = min(MOST_L2_BYTES, gpu.l2_gbps / gpu.ghz / active)
    memory_bytes = gpu.memory_share * gpu.memory_gbps / gpu.ghz / active
    for loads, whole in ((True, traffic.loaded), (False, traffic.stored)):
        own = [each for each in launch.accesses if each.memory == "global" and (each.access == "load") == loads]
        moved = [32 * traffic.sectors(each) / recorded for each in own]
        for each, count in zip(own, moved, strict=True):
            place = each.site.file, each.site.line
            found["L2"][place] += count / l2_bytes
            found["memory"][place] += whole / blocks * count / max(sum(moved), 1) / memory_bytes


def pipes(instruction: Instruction, gpu: Gpu) -> Iterable[tuple[str, float]]:
    """Return the units that a warp's instruction occupies, and for how many clocks of the multiprocessor."""
    yield "issue", 1 / SCHEDULERS
    kind, lanes = class_of(instruction), gpu.processor
    if instruction.base == "IMAD":
        yield "integer products", WARP / lanes.int32
        yield "float32", WARP / lanes.float32
    elif kind == "float32" and instruction.base in ("FFMA", "FADD", "FMUL"):
        yield "float32", WARP / lanes.float32
    elif kind == "float64":
        yield "float64", WARP / lanes.float64
    elif instruction.base == "HMMA":
        yield "tensor cores", _tensor_work(instruction) / (lanes.tensor * gpu.mma_share)
    elif kind in ("special", "conversion"):
        yield "special functions", WARP / lanes.special
    elif instruction.base == "BAR":
        yield "barriers", WARP / BARRIER_LANES
    elif kind == "exchange" and instruction.base == "SHFL":
        yield "loads and stores", 1
    elif kind in ("integer", "int64", "move", "float32") and not instruction.base.startswith("U"):
        yield "integer", WARP / lanes.int32


def _tensor_work(instruction: Instruction) -> float:
    """Return the multiply-adds of an instruction of tensor cores; one of tf32 counts as two of a shorter format."""
    _, shape, *modifiers = instruction.opcode.split(".")
    return TENSOR_SHAPES[shape] * (2 if "TF32" in modifiers else 1)


def _issued_widths(report: CudaReport, executed: Sequence[float]) -> dict[tuple[Location, str], dict[int, float]]:
    """Return, for the loads and for the stores of every line, how often warps issue them, by their width in bits."""
    found: dict[tuple[Location, str], dict[int, float]] = {}
    for instruction, count in zip(report.code.instructions, executed, strict=True):
        kind = class_of(instruction)
        if kind.endswith((" load", " store")):
            widths = found.setdefault((location(instruction), kind), defaultdict(float))
            if count:
                widths[width(instruction)] += count
    return found


def _access_clocks(launch: LaunchCounters, report: CudaReport, executed: Sequence[float], gpu: Gpu) -> Iterator[float]:
    """Return the clocks that all requests of every access take in the unit for loads and stores."""
    issued = _issued_widths(report, executed)
    lines: dict[tuple[Location, str], list[int]] = defaultdict(list)
    for number, access in enumerate(launch.accesses):
        lines[(access.site.file, access.site.line), f"{access.memory} {access.access}"].append(number)
    clocks = [0.0] * len(launch.accesses)
    for key, numbers in lines.items():
        left = {number: float(launch.accesses[number].requests) for number in numbers}
        whole = sum(count * wide for wide, count in issued.get(key, {}).items())
        for wide, count in sorted(issued.get(key, {}).items(), reverse=True):
            # what the compiler has merged are the accesses that are cheapest when merged
            share = (
                sum(left.values())
                if wide == min(issued[key])
                else count * wide / whole * sum(launch.accesses[number].requests for number in numbers)
            )
            for number in sorted(numbers, key=lambda each: _turns(launch.accesses[each], wide)):
                taken = min(share, left[number])
                share, left[number] = share - taken, left[number] - taken
                clocks[number] += taken * _clocks(launch.accesses[number], wide, gpu)
        for number, requests in left.items():  # the machine code has no access of this line
            if launch.accesses[number].memory != "local":
                clocks[number] += requests * _clocks(launch.accesses[number], 0, gpu)
    yield from clocks


def _turns(access: AccessCounters, wide: int) -> float:
    """Return the wavefronts of a request of a width in bits."""
    merged = {64: access.wavefronts_by_8, 128: access.wavefronts_by_16}.get(wide, access.wavefronts)
    use = merged if access.memory == "shared" and wide > 8 * access.bytes else access.wavefronts
    return use / access.requests


def _clocks(access: AccessCounters, wide: int, gpu: Gpu) -> float:
    """Return the clocks for one value of every lane, in requests of a width in bits."""
    bits = 8 * max(access.bytes, 4)
    wide = max(wide, bits)
    if access.memory == "local":
        return access.sectors / access.requests / SECTORS_OF_LINE
    if access.access not in ("load", "store"):
        return max(access.wavefronts, access.most_at_one_address) / access.requests
    addresses = WARP / gpu.processor.access_lanes
    if access.memory == "shared":
        return max(_turns(access, wide), addresses) * bits / wide
    lines = 1 + LINE_CYCLES * (access.lines / access.requests - 1)
    return max(_turns(access, wide), addresses * wide / 32, lines) * bits / wide
