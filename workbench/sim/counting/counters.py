"""Counters of launches: what was counted, by access, by basic block and by source line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from workbench.sim.common.places import BasicBlock
from workbench.sim.common.sites import Site
from workbench.sim.counting.locality import Footprint

MemoryKind = Literal["global", "shared", "local"]
AccessKind = Literal["load", "store", "atomic", "compare-and-swap"]


@dataclass(frozen=True, kw_only=True)
class AccessCounters:
    """One access in the source: a load, a store or an atomic operation, over all warps of the recorded blocks.

    Attributes
    ----------
    site : its place in the source
    block : the basic block that it is in; None where it is not known
    array : the name of the argument that it touches, "" where it is none
    memory, access : what it touches, and how
    bytes : of one value
    executions : by threads
    requests : by warps
    sectors, sectors_needed : of global and local memory: pieces of 32 bytes moved, and how few the values would fill
    bytes_used : of the different values of each request
    wavefronts, least_wavefronts : the turns that the requests take in shared memory, or, of global memory, in the
        first-level cache, which has the same banks; and without bank conflicts
    wavefronts_by_8, wavefronts_by_16 : of shared memory: the turns if every lane accesses the aligned 8 or 16 bytes around
        its value, as after the compiler has merged accesses to neighbouring values
    lines : of global memory: lines of 128 bytes
    reuse : of loads from global memory: sectors by how many other lines the block has loaded from since it last did from
        theirs: class k is for fewer than 2**k, the last class for sectors that the block has not loaded before
    ways : of shared memory: requests by the most different words that one bank is asked for at a time
    addresses : the different addresses of each request, added up
    most_at_one_address : the most lanes of each request at one address, added up
    """

    site: Site
    block: BasicBlock | None
    array: str
    memory: MemoryKind
    access: AccessKind
    bytes: int
    executions: int
    requests: int
    sectors: int
    sectors_needed: int
    bytes_used: int
    wavefronts: int
    least_wavefronts: int
    wavefronts_by_8: int
    wavefronts_by_16: int
    lines: int
    reuse: tuple[int, ...]
    ways: dict[int, int]
    addresses: int
    most_at_one_address: int

    @property
    def bytes_moved(self) -> int:
        """The bytes of the sectors."""
        return 32 * self.sectors

    @property
    def conflicts(self) -> int:
        """The wavefronts of shared memory that bank conflicts add."""
        return self.wavefronts - self.least_wavefronts


@dataclass(frozen=True, kw_only=True)
class BlockCounters:
    """One basic block, over all warps of the recorded blocks of threads.

    Attributes
    ----------
    block : its lines, and the loops around it
    executions : by threads
    warp_executions : by warps, with at least one active lane
    splits : executions by warps after which lanes go on in different blocks
    most_by_one_thread : the most executions by a single thread
    """

    block: BasicBlock
    executions: int
    warp_executions: int
    splits: int
    most_by_one_thread: int


@dataclass(frozen=True, kw_only=True)
class MeetingCounters:
    """Barriers or warp operations at one place: ``executions`` by threads, ``requests`` by warps."""

    site: Site
    what: Literal["barrier", "warp operation"]
    executions: int
    requests: int


@dataclass(frozen=True, kw_only=True)
class LaunchCounters:
    """The counters of one launch; they are those of the recorded blocks of threads, exactly.

    Of a sample of a launch's blocks only the first records accesses to local memory; they are multiplied.

    Attributes
    ----------
    kernel, identity : its name, and a number that tells kernels of the same name apart
    grid, block : blocks and threads along x, y, z
    dynamic_bytes : dynamic shared memory per block
    recorded : the numbers of the blocks that were recorded, in a grid of x first
    cut : whether the record ends before these blocks do, for lack of memory
    accesses, blocks, meetings : what was counted
    unreached : places in the source of functions that were called, which no thread executed
    threads : the number of recorded threads
    idle_threads : how many of them touched no memory
    hottest_address : the most atomic operations at one address of global memory
    footprints : what a block touches of every array, and has in common with its neighbours
    work : by recorded block, what its warps do: basic blocks entered, requests and barriers
    """

    kernel: str
    identity: int
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    dynamic_bytes: int
    recorded: tuple[int, ...]
    cut: bool
    accesses: tuple[AccessCounters, ...]
    blocks: tuple[BlockCounters, ...]
    meetings: tuple[MeetingCounters, ...]
    unreached: frozenset[Site]
    threads: int
    idle_threads: int
    hottest_address: int
    footprints: tuple[Footprint, ...]
    work: tuple[int, ...]

    @property
    def scale(self) -> float:
        """Blocks of the launch for each recorded block."""
        return self.grid[0] * self.grid[1] * self.grid[2] / len(self.recorded)

    def total(self, name: str, memory: MemoryKind | None = None, access: AccessKind | None = None) -> int:
        """Return the sum of an attribute of accesses, of all or of some kinds."""
        return sum(
            getattr(each, name)
            for each in self.accesses
            if memory in (None, each.memory) and access in (None, each.access)
        )

    @property
    def global_requests(self) -> int:
        """Requests of warps to global memory."""
        return self.total("requests", "global")

    @property
    def global_sectors(self) -> int:
        """Sectors of 32 bytes that these requests move."""
        return self.total("sectors", "global")

    @property
    def global_sectors_needed(self) -> int:
        """Sectors that their different values would fill."""
        return self.total("sectors_needed", "global")

    @property
    def shared_requests(self) -> int:
        """Requests of warps to shared memory."""
        return self.total("requests", "shared")

    @property
    def shared_wavefronts(self) -> int:
        """Turns that they take."""
        return self.total("wavefronts", "shared")

    @property
    def shared_conflicts(self) -> int:
        """Turns that bank conflicts add."""
        return self.total("conflicts", "shared")

    @property
    def local_requests(self) -> int:
        """Requests of warps to local arrays, some or all of which the compiler may keep in registers."""
        return self.total("requests", "local")

    @property
    def atomic_requests(self) -> int:
        """Requests of atomic operations of warps."""
        return self.total("requests", access="atomic") + self.total("requests", access="compare-and-swap")

    @property
    def splits(self) -> int:
        """Executions of branches after which lanes of a warp go on in different blocks."""
        return sum(each.splits for each in self.blocks)

    def to_json(self) -> dict[str, Any]:
        """Return the counters as a JSON object."""
        names: tuple[str, ...] = ("executions", "requests", "sectors", "sectors_needed", "bytes_moved", "bytes_used")
        names += ("wavefronts", "least_wavefronts", "conflicts", "lines", "addresses", "most_at_one_address")
        return {
            "kernel": self.kernel,
            "grid": list(self.grid),
            "block": list(self.block),
            "recorded_blocks": list(self.recorded),
            "scale": self.scale,
            "cut": self.cut,
            "threads": self.threads,
            "idle_threads": self.idle_threads,
            "hottest_address": self.hottest_address,
            "accesses": [
                {
                    **_place(each.site),
                    "array": each.array or None,
                    "memory": each.memory,
                    "access": each.access,
                    "bytes": each.bytes,
                    **{name: getattr(each, name) for name in names},
                    "ways": {str(ways): count for ways, count in each.ways.items()},
                }
                for each in self.accesses
            ],
            "blocks": [
                {
                    "lines": [_place(line) for line in each.block.lines],
                    "executions": each.executions,
                    "warp_executions": each.warp_executions,
                    "splits": each.splits,
                    "most_by_one_thread": each.most_by_one_thread,
                }
                for each in self.blocks
            ],
            "meetings": [
                {**_place(each.site), "what": each.what, "executions": each.executions, "requests": each.requests}
                for each in self.meetings
            ],
        }


def _place(site: Site) -> dict[str, Any]:
    return {"function": site.function, "file": site.file, "line": site.line}
