"""The instructions that the warps of a counted launch issue: its counters, and the machine code of its kernel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from workbench.inspecting.cuda.counting import class_of
from workbench.inspecting.cuda.cuda_record import CudaReport
from workbench.inspecting.cuda.executed import LineCount, executions
from workbench.inspecting.cuda.lines import location
from workbench.inspecting.cuda.occupancy import Occupancy
from workbench.inspecting.cuda.sass import Instruction, Location
from workbench.sim.counting.counters import LaunchCounters
from workbench.system.compute_capability import WARP, ComputeCapability

Key = TypeVar("Key", str, Location)


@dataclass(frozen=True, kw_only=True)
class IssuedInstructions:
    """What the warps of a launch's recorded blocks issue.

    Attributes
    ----------
    cc : the compute capability that the kernel was compiled for
    by_class : instructions by class, see ``counting.CLASSES``, the most frequent first
    by_line : instructions by source line, the most frequent first
    registers : for each thread
    occupancy : the blocks and warps that a multiprocessor holds; None where the block is not known
    """

    cc: ComputeCapability
    by_class: dict[str, float]
    by_line: dict[Location, float]
    registers: int
    occupancy: Occupancy | None

    @property
    def total(self) -> float:
        """All instructions."""
        return sum(self.by_class.values())

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        return {
            "compute_capability": f"{self.cc[0]}.{self.cc[1]}",
            "issued": round(self.total),
            "classes": {name: round(count) for name, count in self.by_class.items()},
            "lines": [
                {"file": file, "line": line, "issued": round(count)} for (file, line), count in self.by_line.items()
            ],
            "registers": self.registers,
            "occupancy": None if self.occupancy is None else self.occupancy.to_json(),
        }


def report_on(place: int, launch: LaunchCounters, reports: Sequence[CudaReport]) -> CudaReport | None:
    """Return the report on a launch's kernel, if there is one; of several the one for its block size.

    Parameters
    ----------
    place : the number of the implementation and case, as ``counting_run`` and ``targets.launches`` have it
    launch : its counters
    reports : on the kernels of all
    """
    own = [each for each in reports if each.launched.place == place and each.kernel == launch.kernel]
    kernels = list(dict.fromkeys(id(each.launched.launch.kernel) for each in own))
    own = [each for each in own if kernels.index(id(each.launched.launch.kernel)) == launch.identity]
    return min(own, key=lambda each: each.launched.launch.block != launch.block, default=None)


def issued(launch: LaunchCounters, report: CudaReport) -> IssuedInstructions:
    """Return what the warps of a launch issue, by the machine code in a report on its kernel."""
    classes: dict[str, float] = defaultdict(float)
    places: dict[Location, float] = defaultdict(float)
    subroutines = {each.name: each.instructions for each in report.subroutines}
    for instruction, warps in zip(report.code.instructions, warp_executions(launch, report), strict=True):
        for each in (instruction, *_called(instruction, subroutines)):
            classes[class_of(each)] += warps
            places[location(instruction)] += warps
    return IssuedInstructions(
        cc=report.cc,
        by_class=_most_first(classes),
        by_line={place: count for place, count in _most_first(places).items() if place[1]},
        registers=report.resources.registers,
        occupancy=report.occupancy,
    )


def warp_executions(launch: LaunchCounters, report: CudaReport) -> list[float]:
    """Return how often the warps of a launch's recorded blocks issue each instruction of its kernel.

    Raises
    ------
    ValueError
        What was counted and the machine code do not agree.
    """
    lanes, access_lanes = _lanes(launch), _access_lanes(launch)
    mean = sum(each.executions for each in launch.blocks) / max(sum(each.warp_executions for each in launch.blocks), 1)
    found = []
    counts = executions(report.code, _lines(launch), launch.threads)
    for instruction, count in zip(report.code.instructions, counts, strict=True):
        place = location(instruction)
        found.append(count / access_lanes.get((place, class_of(instruction)), lanes.get(place, mean or WARP)))
    return found


def _most_first(counts: dict[Key, float]) -> dict[Key, float]:
    """Return the counts that are not zero, the largest first."""
    return {key: count for key, count in sorted(counts.items(), key=lambda item: -item[1]) if count}


def _called(instruction: Instruction, subroutines: dict[str, tuple[Instruction, ...]]) -> tuple[Instruction, ...]:
    """Return the instructions of the subroutine that an instruction calls: its longest way."""
    return subroutines.get(instruction.target or "", ()) if instruction.base == "CALL" else ()


def _lines(launch: LaunchCounters) -> dict[Location, LineCount]:
    """Return what threads did on every line."""
    executed: Counter[Location] = Counter()
    for each in launch.blocks:
        for site in each.block.lines:
            place = site.file, site.line
            executed[place] = max(executed[place], each.executions)
    moved: dict[Location, Counter[str]] = {}
    for access in launch.accesses:
        kinds = moved.setdefault((access.site.file, access.site.line), Counter())
        if access.access in ("load", "store"):
            kinds[f"{access.memory} {access.access}"] += access.executions * access.bytes
    for meeting in launch.meetings:
        if meeting.what == "barrier":
            moved.setdefault((meeting.site.file, meeting.site.line), Counter())["barrier"] += meeting.executions
    rounds = _rounds(launch)
    executed.update({(site.file, site.line): 0 for site in launch.unreached})
    return {
        place: LineCount(executions=count, moved=dict(moved.get(place, {})), rounds=rounds.get(place, 0.0))
        for place, count in executed.items()
    }


def _rounds(launch: LaunchCounters) -> dict[Location, float]:
    """Return, for every line in a loop, the most executions of the head of a loop around it for each time it is entered.

    Of a loop whose head is its body, they are at most those by one thread.
    """
    inside: Counter[int] = Counter()
    for each in launch.blocks:
        if each.block.loops and not each.block.is_head:
            inside[each.block.loops[-1]] = max(inside[each.block.loops[-1]], each.executions)
    entered = {
        each.block.number: each.executions / (each.executions - inside[each.block.number])
        if each.executions > inside[each.block.number] > 0
        else each.most_by_one_thread
        for each in launch.blocks
        if each.block.is_head
    }
    found: dict[Location, float] = {}
    for each in launch.blocks:
        rounds = max((entered.get(head, 0.0) for head in each.block.loops), default=0.0)
        for site in each.block.lines:
            found[site.file, site.line] = max(found.get((site.file, site.line), 0.0), rounds)
    return found


def _lanes(launch: LaunchCounters) -> dict[Location, float]:
    """Return the mean of the active lanes of every line: those of the block of it that is executed most often."""
    found: dict[Location, tuple[int, float]] = {}
    for each in launch.blocks:
        for site in each.block.lines:
            lanes = each.warp_executions, each.executions / each.warp_executions
            found[site.file, site.line] = max(found.get((site.file, site.line), (0, 0.0)), lanes)
    return {place: lanes for place, (_, lanes) in found.items()}


def _access_lanes(launch: LaunchCounters) -> dict[tuple[Location, str], float]:
    """Return the mean of the active lanes of the loads and of the stores of every line, by class of instruction."""
    found: dict[tuple[Location, str], Counter[str]] = {}
    for access in launch.accesses:
        key = (access.site.file, access.site.line), f"{access.memory} {access.access}"
        found.setdefault(key, Counter()).update(executions=access.executions, requests=access.requests)
    return {key: each["executions"] / each["requests"] for key, each in found.items()}
