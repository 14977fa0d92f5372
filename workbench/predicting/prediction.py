"""How long a launch takes on a named GPU.

A multiprocessor holds blocks up to its occupancy. What it holds are customers of a closed queueing network (``queueing``)
with two servers, the multiprocessor itself and its share of the memory, and a delay, the latency of a warp's instructions
one after the other (``chains``). Customers are blocks if their warps wait for each other at barriers, else warps. Each
server takes as long as the resource in it that is needed longest (``demands``): the others are in use meanwhile.

Two figures are not published ones: what a store occupies the way to the second-level cache for (``demands``) and the time
of an atomic operation (``ATOMIC_NS``). Both come from one row each of the published series in ``benchmarks/gpu_model``, of
those that are marked as seen. The time until a block's first instruction (``BLOCK_CYCLES``) is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

from workbench.inspecting.cuda.counting import class_of
from workbench.inspecting.cuda.cuda_record import CudaReport
from workbench.inspecting.cuda.lines import location
from workbench.inspecting.cuda.occupancy import occupancy
from workbench.inspecting.cuda.sass import Instruction, Location
from workbench.predicting.caches import Traffic, traffic
from workbench.predicting.chains import warp_cycles
from workbench.predicting.demands import MEMORY, MULTIPROCESSOR, Demands, block_demands
from workbench.predicting.gpus import Gpu
from workbench.predicting.instructions import warp_executions
from workbench.predicting.queueing import cycle_time, least_cycle_time, most_cycle_time
from workbench.sim.counting.counters import AccessCounters, LaunchCounters
from workbench.system.compute_capability import LIMITS, WARP
from workbench.system.errors import InputError

LAUNCH_MS = 0.0024
"""From the start of a kernel that does nothing to that of the next (gpu-benches, ``gpu-small-kernels``, H200: 64 KiB)."""

BLOCK_CYCLES = 250
"""From the end of a block to the first instruction of the one in its place."""

ATOMIC_NS = 1.6
"""Of a floating-point atomic operation on one address of global memory after another."""

SHARED_BY_ALL = 0.5
"""Blocks that have so much of an array in common have its hottest address in common."""


@dataclass(frozen=True, kw_only=True)
class Mended:
    """A launch whose accesses on one line move no more than they need: its time, ms."""

    file: str
    line: int
    ms: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The predicted time of a launch.

    Attributes
    ----------
    gpu : where
    kernel : the kernel's name
    ms, least_ms, most_ms : the time, and the range: if all that can overlap does, and if nothing does
    bounds : the least time that every resource allows, ms; "latency" is that of the warps, "launch" that of the launch
    binds : the resource that binds
    line : the source line that needs most of it, and its share; None where no line does
    held : blocks that a multiprocessor runs at a time
    waves : how often all multiprocessors are filled
    warp_cycles : clocks that the warp with most to do takes by itself
    resident : whether the arrays were taken to be in the second-level cache
    mended : what other lines would bring if they moved no more than they need, the fastest first
    """

    gpu: str
    kernel: str
    ms: float
    least_ms: float
    most_ms: float
    bounds: dict[str, float]
    binds: str
    line: tuple[Location, float] | None
    held: int
    waves: float
    warp_cycles: float
    resident: bool
    mended: tuple[Mended, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as a JSON object."""
        return {
            "gpu": self.gpu,
            "predicted_ms": self.ms,
            "least_ms": self.least_ms,
            "most_ms": self.most_ms,
            "bounds_ms": self.bounds,
            "binds": self.binds,
            "line": None
            if self.line is None
            else {"file": self.line[0][0], "line": self.line[0][1], "share": self.line[1]},
            "blocks_on_a_multiprocessor": self.held,
            "waves": self.waves,
            "warp_cycles": self.warp_cycles,
            "arrays_in_l2": self.resident,
            "mended": [{"file": each.file, "line": each.line, "predicted_ms": each.ms} for each in self.mended],
        }


def predict(launch: LaunchCounters, report: CudaReport, gpu: Gpu) -> Prediction:
    """Predict how long a launch takes.

    Parameters
    ----------
    launch : its counters
    report : its kernel, compiled for the GPU's compute capability
    gpu : where it runs

    Raises
    ------
    InputError
        No multiprocessor holds a block of it, or too much happens in a block.
    ValueError
        What was counted and the machine code do not agree.
    """
    if launch.cut:
        raise InputError(f"{launch.kernel}: too much happens in one block to be recorded; predict a smaller case")
    model = _Model(launch, report, gpu, tuple(warp_executions(launch, report)))
    found = model.solve(launch)
    mended = []
    for place in dict.fromkeys((each.site.file, each.site.line) for each in launch.accesses if _wasteful(each)):
        better = model.solve(replace(launch, accesses=tuple(_mend(each, place) for each in launch.accesses)))
        mended.append(Mended(file=place[0], line=place[1], ms=better.ms))
    return replace(found, mended=tuple(sorted(mended, key=lambda each: each.ms)))


@dataclass(frozen=True)
class _Model:
    launch: LaunchCounters
    report: CudaReport
    gpu: Gpu
    executed: tuple[float, ...]

    def solve(self, launch: LaunchCounters) -> Prediction:
        """Return the prediction for a launch, or for one that differs from it in what its accesses move."""
        gpu, blocks, threads = self.gpu, prod(launch.grid), prod(launch.block)
        shared = self.report.resources.shared_bytes + launch.dynamic_bytes
        limits = LIMITS[gpu.cc]
        most = occupancy(limits, threads=threads, registers=self.report.resources.registers, shared_bytes=shared).blocks
        if most == 0:
            raise InputError(f"{launch.kernel}: a multiprocessor of {gpu.name} does not hold a block of it")
        share = ceil(blocks / gpu.processors)
        held = min(most, share)
        left = max(gpu.processor.l1_bytes - held * (shared + limits.shared_reserved), 0) / held
        caches = traffic(launch, left, gpu.l2_bytes, held * gpu.processors)
        demands = block_demands(launch, self.report, self.executed, caches, gpu)
        chain = self._chain(launch, caches)
        warps = 1 if any(each.what == "barrier" for each in launch.meetings) else ceil(threads / WARP)
        servers = [demands.largest(MULTIPROCESSOR)[0] / warps, demands.largest(MEMORY)[0] / warps]
        # what a warp waits for the servers with no other in its way is in its chain
        own = sum(servers) * warps / ceil(threads / WARP)
        delay = BLOCK_CYCLES + max(chain - own, 0.0)
        rounds = share * warps / gpu.ghz / 1e6
        serial = self._serial_ms(launch)
        least, ms, most_ms = (
            max(serial, rounds * time(held * warps, servers, delay)) + LAUNCH_MS
            for time in (least_cycle_time, cycle_time, most_cycle_time)
        )
        bounds = {name: share * demands.total(name) / gpu.ghz / 1e6 for name in (*MULTIPROCESSOR, *MEMORY)} | {
            "latency": rounds * (BLOCK_CYCLES + chain) / (held * warps),
            "atomic operations": serial,
            "launch": LAUNCH_MS,
        }
        bounds = {name: time for name, time in sorted(bounds.items(), key=lambda item: -item[1]) if time}
        binds = next(iter(bounds))
        return Prediction(
            gpu=gpu.key,
            kernel=launch.kernel,
            ms=ms,
            least_ms=least,
            most_ms=most_ms,
            bounds=bounds,
            binds=binds,
            line=self._hottest(demands, binds),
            held=held,
            waves=blocks / (held * gpu.processors),
            warp_cycles=chain,
            resident=caches.resident,
            mended=(),
        )

    def _chain(self, launch: LaunchCounters, caches: Traffic) -> float:
        """Return the clocks of the warp with most to do on every line, by itself."""
        warps = len(launch.recorded) * ceil(prod(launch.block) / WARP)
        most: dict[Location, tuple[int, float]] = {}
        for each in launch.blocks:
            for site in each.block.lines:
                found = each.warp_executions, each.most_by_one_thread * warps / each.warp_executions
                most[site.file, site.line] = max(most.get((site.file, site.line), (0, 0.0)), found)
        counts = [
            count / warps * max(most.get(location(instruction), (0, 1.0))[1], 1.0)
            for instruction, count in zip(self.report.code.instructions, self.executed, strict=True)
        ]
        return warp_cycles(self.report.code, counts, self.gpu, self._load_clocks(launch, caches))

    def _load_clocks(self, launch: LaunchCounters, caches: Traffic) -> Any:
        """Return the function that gives the latency of a load: by the share of its line's sectors that L1 does not have.

        The lanes of a warp are taken to miss together: of 8 neighbouring values, say, all at the first.
        """
        gpu, own = self.gpu, self.gpu.processor
        missed: dict[Location, list[float]] = {}
        for each in launch.accesses:
            if each.memory == "global" and each.access == "load":
                counts = missed.setdefault((each.site.file, each.site.line), [0.0, 0.0])
                counts[0] += caches.sectors(each)
                counts[1] += each.sectors
        loaded = 32 * sum(caches.sectors(each) for each in launch.accesses if each.access == "load") * launch.scale
        from_memory = min(1.0, caches.loaded / loaded) if loaded else 0.0
        beyond = own.l2_cycles + from_memory * max(gpu.memory_ns * gpu.ghz - own.l2_cycles, 0)

        def clocks(instruction: Instruction) -> float:
            if class_of(instruction) == "atomic":
                return own.l2_cycles
            misses, sectors = missed.get(location(instruction), (0.0, 1.0))
            return own.l1_cycles + misses / sectors * (beyond - own.l1_cycles)

        return clocks

    def _serial_ms(self, launch: LaunchCounters) -> float:
        """Return the time of the atomic operations on the hottest address."""
        in_common = any(max(each.shared) > SHARED_BY_ALL for each in launch.footprints if each.access == "store")
        return launch.hottest_address * (launch.scale if in_common else 1) * ATOMIC_NS / 1e6

    def _hottest(self, demands: Demands, binds: str) -> tuple[Location, float] | None:
        """Return the line that needs most of the resource that binds; of the latency, that executes most."""
        if binds != "latency":
            return demands.hottest(binds)
        return demands.hottest("issue")


def _wasteful(access: AccessCounters) -> bool:
    """Return whether an access moves or takes twice what it needs."""
    if access.memory == "shared":
        return access.wavefronts >= 2 * access.least_wavefronts
    return access.memory == "global" and access.sectors >= 2 * max(access.sectors_needed, access.requests)


def _mend(access: AccessCounters, place: Location) -> AccessCounters:
    """Return an access on a line as it would be if it moved no more than it needs."""
    if (access.site.file, access.site.line) != place or not _wasteful(access):
        return access
    share = access.sectors_needed / access.sectors if access.sectors else 1.0
    return replace(
        access,
        wavefronts=access.least_wavefronts,
        wavefronts_by_8=min(access.wavefronts_by_8, 2 * access.least_wavefronts),
        wavefronts_by_16=min(access.wavefronts_by_16, 4 * access.least_wavefronts),
        sectors=access.sectors_needed,
        lines=max(access.requests, ceil(access.lines * share)),
        reuse=tuple(ceil(count * share) for count in access.reuse),
    )
