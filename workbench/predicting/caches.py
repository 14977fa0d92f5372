"""What the caches leave of a launch's accesses to global memory: sectors from the second level, bytes from memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from workbench.sim.counting.counters import AccessCounters, LaunchCounters
from workbench.sim.counting.grouping import SECTOR, SECTORS_OF_LINE
from workbench.sim.counting.locality import DISTANCES, Footprint

RESIDENT_SHARE = 0.5
"""A launch that touches less than this share of the second-level cache is taken to find its arrays there."""


LINE = SECTOR * SECTORS_OF_LINE
"""Bytes of a line."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What is left of a launch's accesses.

    Attributes
    ----------
    lines, l2_lines : the lines that the caches hold for one block
    loaded, stored : bytes that the launch moves from memory and to it
    resident : whether the arrays are taken to be in the second-level cache
    """

    lines: float
    l2_lines: float
    loaded: float
    stored: float
    resident: bool

    def sectors(self, access: AccessCounters) -> float:
        """Return the sectors that an access of the recorded blocks moves between a multiprocessor and the second level."""
        if access.access != "load":
            return float(access.sectors)
        return access.reuse[DISTANCES] + _beyond(access, self.lines)


def _beyond(access: AccessCounters, lines: float) -> float:
    """Return the sectors that a block loads again after more lines than a cache holds for it."""
    return sum(count * _missing(number, lines) for number, count in enumerate(access.reuse[:DISTANCES]))


def _missing(number: int, lines: float) -> float:
    """Return the share of a class of reuse distances that is beyond so many lines; distances within it are even."""
    least, most = (0, 1) if number == 0 else (1 << number - 1, 1 << number)
    return min(max((most - lines) / (most - least), 0.0), 1.0)


def traffic(launch: LaunchCounters, l1_bytes: float, l2_bytes: int, resident_blocks: int) -> Traffic:
    """Return what the caches leave of a launch.

    Parameters
    ----------
    launch : what was counted
    l1_bytes : of the first-level cache, for one block
    l2_bytes : of the second level
    resident_blocks : blocks that the GPU runs at a time
    """
    blocks = prod(launch.grid)
    resident = sum(touched(each, blocks, launch.grid) for each in launch.footprints) < RESIDENT_SHARE * l2_bytes
    moved = {"load": 0.0, "store": 0.0}
    at_a_time = min(resident_blocks, blocks)
    for each in () if resident else launch.footprints:
        moved[each.access] += _moved(each, launch, l2_bytes, at_a_time)
    own = sum(each.bytes for each in launch.footprints)
    together = sum(touched(each, at_a_time, launch.grid) for each in launch.footprints)
    l2_lines = l2_bytes / LINE * own / max(together, 1)
    loads = [each for each in launch.accesses if each.memory == "global" and each.access == "load"]
    again = 0.0 if resident else SECTOR * launch.scale * sum(_beyond(each, l2_lines) for each in loads)
    return Traffic(
        lines=l1_bytes / LINE,
        l2_lines=l2_lines,
        loaded=moved["load"] + again,
        stored=moved["store"],
        resident=resident,
    )


def _moved(footprint: Footprint, launch: LaunchCounters, l2_bytes: int, at_a_time: int) -> float:
    """Return the bytes of an array that a launch moves from memory, or to it.

    What neighbours along an axis have in common is moved once for those that run at a time; for all, if the cache holds what
    the blocks between two neighbours touch. What others have in common was not counted; but those that run at a time go
    through an array together, and move no more than the whole of it.
    """
    total, step = footprint.bytes, 1
    for size, shared in zip(launch.grid, footprint.shared, strict=True):
        between = sum(touched(each, step, launch.grid) for each in launch.footprints)
        together = size if between <= l2_bytes else min(size, max(1, at_a_time // step))
        total *= size / together * (1 + (together - 1) * (1 - shared))
        step *= size
    return min(total, footprint.size * -(-step // at_a_time))


def touched(footprint: Footprint, blocks: int, grid: tuple[int, int, int]) -> float:
    """Return the bytes that so many successive blocks of a grid touch together."""
    total, left = footprint.bytes, blocks
    for size, shared in zip(grid, footprint.shared, strict=True):
        total *= 1 + (min(left, size) - 1) * (1 - shared)
        left = -(-left // size)
    return min(total, footprint.size)
