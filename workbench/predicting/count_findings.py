"""What counters say in words: why a launch is slow, on which line, and the usual remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench.inspecting.finding import Finding
from workbench.sim.counting.counters import AccessCounters, BlockCounters, LaunchCounters
from workbench.system.compute_capability import WARP

FEW_SECTORS = 8
"""Fewer sectors for one request of a warp are fast enough, however many are needed."""

MANY_STEPS = 1000
"""From so many executions by one thread on, it is told where few threads have them."""

FEW_THREADS = 2048
"""Fewer threads leave most of any GPU without work."""

MOST_SAME = 4
"""From so many lanes at one address on, atomic operations of a warp wait for each other."""

HOT = 1000
"""So many atomic operations at one address of global memory wait for each other."""


def findings(launch: LaunchCounters) -> list[Finding]:
    """Return what makes a launch slow, by line."""
    found = [
        *_conflicts(launch),
        *_scattered(launch),
        *_few_threads(launch),
        *_contention(launch),
        *_idle(launch),
    ]
    found += _uneven_rounds(launch)
    few = any(each.kind in ("few-threads", "idle-threads") for each in found)
    found += [] if few else _divergence(launch)
    return sorted(found, key=lambda each: (each.file, each.line, each.kind))


def _by_line(accesses: Iterator[AccessCounters]) -> Iterator[list[AccessCounters]]:
    found: dict[tuple[str, int, str], list[AccessCounters]] = {}
    for each in accesses:
        found.setdefault((each.site.file, each.site.line, each.access), []).append(each)
    yield from found.values()


def _conflicts(launch: LaunchCounters) -> Iterator[Finding]:
    for accesses in _by_line(each for each in launch.accesses if each.memory == "shared"):
        turns, least = (sum(getattr(each, name) for each in accesses) for name in ("wavefronts", "least_wavefronts"))
        if turns < 2 * least:
            continue
        ways = max(way for each in accesses for way in each.ways)
        yield Finding(
            kind="bank-conflict",
            file=accesses[0].site.file,
            line=accesses[0].site.line,
            what=(
                f"{_verb(accesses[0])} shared memory with up to {ways} lanes of a warp in one bank: {turns:,} "
                f"wavefronts where {least:,} would do, {turns - least:,} wasted"
            ),
            remedy=(
                "pad the rows of the array by one element, cuda.shared.array((N, PADDED), ...) with a global "
                "PADDED = N + 1, or let threadIdx.x run along its last axis"
            ),
        )


def _scattered(launch: LaunchCounters) -> Iterator[Finding]:
    for accesses in _by_line(each for each in launch.accesses if each.memory == "global"):
        moved, needed, requests = (
            sum(getattr(each, name) for each in accesses) for name in ("sectors", "sectors_needed", "requests")
        )
        if moved < 2 * needed or moved < FEW_SECTORS * requests:
            continue
        used = sum(each.bytes_used for each in accesses)
        yield Finding(
            kind="scattered",
            file=accesses[0].site.file,
            line=accesses[0].site.line,
            what=(
                f"{_verb(accesses[0])} global memory with the lanes of a warp far apart: {moved / requests:.3g} sectors of "
                f"32 bytes a request where {needed / requests:.3g} would do; {used / (32 * moved):.0%} of the bytes "
                "moved are used"
            ),
            remedy=(
                "let threadIdx.x run along the last axis (j, i = cuda.grid(2) for x[i, j]), give a warp to each row, or go "
                "through shared memory"
            ),
        )


def _few_threads(launch: LaunchCounters) -> Iterator[Finding]:
    for function in dict.fromkeys(each.block.function for each in launch.blocks):
        own = (each for each in launch.blocks if each.block.function == function)
        blocks = [each for each in own if each.block.loops and not each.block.is_head]
        longest = max(blocks, key=lambda each: each.most_by_one_thread, default=None)
        if longest is None or longest.most_by_one_thread < MANY_STEPS:
            continue
        threads = round(launch.scale * longest.executions / longest.most_by_one_thread)
        if threads >= FEW_THREADS or not longest.block.lines:
            continue
        who = "one thread does all the work" if threads <= 1 else f"{threads:,} threads do all the work"
        yield Finding(
            kind="few-threads",
            file=longest.block.lines[0].file,
            line=longest.block.lines[-1].line,
            what=f"{who}, {longest.most_by_one_thread:,} steps one after the other",
            remedy="give a block to each result: its threads take every so many terms, and add up their sums in a tree",
        )


def _divergence(launch: LaunchCounters) -> Iterator[Finding]:
    slots = WARP * sum(each.warp_executions for each in launch.blocks)
    for each in launch.blocks:
        if not each.splits or not each.block.lines:
            continue
        site, apart = each.block.lines[-1], _apart(each, launch.blocks)
        wasted = sum(WARP * one.warp_executions - one.executions for one in apart)
        if 4 * wasted < slots:
            continue
        lanes = sum(one.executions for one in apart) / sum(one.warp_executions for one in apart)
        yield Finding(
            kind="divergence",
            file=site.file,
            line=site.line,
            what=(
                f"the lanes of a warp go different ways in {each.splits:,} of {each.warp_executions:,} executions: what "
                f"follows runs with {lanes:.3g} of {WARP} lanes; {wasted / slots:.0%} of all lanes that execute something "
                "are idle by it"
            ),
            remedy="decide by warp (threadIdx.x // 32) instead of by lane, or sort the work so that neighbours do the same",
        )


def _uneven_rounds(launch: LaunchCounters) -> Iterator[Finding]:
    """Find loops that the lanes of a warp leave after different numbers of rounds."""
    slots = WARP * sum(each.warp_executions for each in launch.blocks)
    for head in launch.blocks:
        if not head.block.is_head or not head.splits or not head.block.lines:
            continue
        around = head.block.loops[:-1]
        outside = [
            each for each in launch.blocks if each.block.entry == head.block.entry and each.block.loops == around
        ]
        own = [each for each in launch.blocks if head.block.number in each.block.loops]
        entered = max((each.executions / each.warp_executions for each in outside), default=WARP)
        warps, threads = (sum(getattr(each, name) for each in own) for name in ("warp_executions", "executions"))
        wasted = warps * entered - threads
        if 4 * wasted < slots:
            continue
        site = head.block.lines[0]
        yield Finding(
            kind="divergence",
            file=site.file,
            line=site.line,
            what=(
                f"the lanes of a warp leave the loop after different rounds: it runs with {threads / warps:.3g} of "
                f"{entered:.3g} lanes; {wasted / slots:.0%} of all lanes that execute something are idle by it"
            ),
            remedy="sort the work so that neighbours have as much to do, or give the long ones to whole warps",
        )


def _apart(each: BlockCounters, blocks: Sequence[BlockCounters]) -> list[BlockCounters]:
    """Return the blocks inside the same loops, on other lines, that fewer lanes execute at a time.

    What is on the line of the branch itself is a choice between two values, which needs no jump.
    """
    lanes = each.executions / each.warp_executions
    return [
        one
        for one in blocks
        if one.block.entry == each.block.entry
        and one.block.loops[: len(each.block.loops)] == each.block.loops
        and not set(one.block.lines) <= set(each.block.lines)
        and one.executions / one.warp_executions < 0.75 * lanes
    ]


def _contention(launch: LaunchCounters) -> Iterator[Finding]:
    atomic = (each for each in launch.accesses if each.access in ("atomic", "compare-and-swap"))
    for accesses in _by_line(atomic):
        requests, most = (sum(getattr(each, name) for each in accesses) for name in ("requests", "most_at_one_address"))
        hot = launch.hottest_address if any(each.memory == "global" for each in accesses) else 0
        if most < MOST_SAME * requests and hot < HOT:
            continue
        where = f"; {hot:,} at the hottest address" if hot else ""
        yield Finding(
            kind="contention",
            file=accesses[0].site.file,
            line=accesses[0].site.line,
            what=f"{most / requests:.3g} lanes of a warp update one address at a time, one after the other{where}",
            remedy="add up within the warp (shuffles) and the block (shared memory) first, then once for each block",
        )


def _idle(launch: LaunchCounters) -> Iterator[Finding]:
    if 2 * launch.idle_threads > launch.threads and launch.blocks and launch.blocks[0].block.lines:
        site = launch.blocks[0].block.lines[0]
        yield Finding(
            kind="idle-threads",
            file=site.file,
            line=site.line,
            what=f"{launch.idle_threads:,} of {launch.threads:,} recorded threads touch no memory",
            remedy="launch fewer threads, or give each of them work: i = cuda.grid(1) below the number of results",
        )


def _verb(access: AccessCounters) -> str:
    return {"load": "reads", "store": "writes"}.get(access.access, "updates")
