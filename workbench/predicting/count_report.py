"""The text of the counters of launches: a table by source line, totals, and findings."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.predicting.count_findings import findings
from workbench.predicting.counted_targets import CodeOfLaunch, Inspected
from workbench.predicting.counting_run import Counted
from workbench.predicting.gpus import Gpu
from workbench.predicting.instructions import IssuedInstructions
from workbench.predicting.prediction import Prediction
from workbench.sim.counting.counters import AccessCounters, LaunchCounters
from workbench.system.compute_capability import WARP
from workbench.system.files import relative
from workbench.system.numbers import duration
from workbench.system.terminal import one_line

MOST_CLASSES = 6
"""Of the classes of instructions, the most frequent ones are printed."""

UNEVEN = 2
"""Recorded blocks of which one does more than so many times what another does are told."""

WORTH_IT = 0.95
"""A line that would bring less than the rest of this share of the time is not told."""

MOST_BOUNDS = 5
"""Of the least times of resources, the longest ones are printed."""

COLUMNS = ("line", "access", "requests", "lanes", "sectors", "needed", "used", "wavefronts", "least")
"""Of the table by line: requests of warps, active lanes a request; sectors and those needed a request, bytes used of bytes
moved; wavefronts of shared memory a request, and without bank conflicts."""


def render(inspected: Inspected, gpu: Gpu | None) -> str:
    """Return the text of the counters of an implementation's launches, of their instructions and predicted times."""
    counted, parts = inspected.counted, []
    for number, (launch, code) in enumerate(zip(counted.launches, inspected.code, strict=True), 1):
        parts.append(_launch(counted, number, launch, code, gpu))
    if counted.hazard:
        parts.append(one_line(f"{counted.implementation}: not counted further, for a hazard:") + f"\n{counted.hazard}")
    times = [each.prediction.ms for each in inspected.code if each is not None and each.prediction is not None]
    if gpu is not None and len(times) > 1:
        parts.append(
            one_line(f"{counted.implementation}: {len(times)} launches") + f", predicted {duration(sum(times))}"
        )
    return "\n\n".join(parts)


def to_json(inspected: Inspected) -> dict[str, Any]:
    """Return the counters of an implementation's launches, with findings, instructions and predictions, as a JSON object."""
    counted = inspected.counted
    return {
        "op": counted.op,
        "implementation": counted.implementation,
        "dtype": counted.dtype,
        "case": counted.case,
        "launches": [
            launch.to_json()
            | {"instructions": None if code is None else code.issued.to_json()}
            | {"prediction": None if code is None or code.prediction is None else code.prediction.to_json()}
            | {"findings": [each.to_json() for each in findings(launch)]}
            for launch, code in zip(counted.launches, inspected.code, strict=True)
        ],
        "hazard": counted.hazard or None,
    }


def _launch(counted: Counted, number: int, launch: LaunchCounters, code: CodeOfLaunch | None, gpu: Gpu | None) -> str:
    which = f", launch {number} of {len(counted.launches)}" if len(counted.launches) > 1 else ""
    heading = one_line(f"{launch.kernel} ({counted.op}, {counted.dtype}) on {counted.case}{which}")
    grid, block = _product(launch.grid), _product(launch.block)
    lines = [heading, f"  a grid of {grid}, blocks of {block} threads; {_recorded(launch)}"]
    rows = [_row(each) for each in launch.accesses]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    lines += [
        "",
        *(_text(row, widths) for row in (COLUMNS, *rows)),
        "",
        *_totals(launch),
        *_instructions(launch, None if code is None else code.issued),
        *_prediction(launch, gpu, None if code is None else code.prediction),
        "",
    ]
    found = findings(launch)
    for each in found:
        lines += [
            f"  {one_line(relative(Path(each.file)))}:{each.line}: {each.kind}    {_source(each.file, each.line)}",
            f"    {each.what}",
            f"    fix: {each.remedy}",
        ]
    return "\n".join(lines if found else [*lines, "  nothing found"]).rstrip()


def _recorded(launch: LaunchCounters) -> str:
    blocks = launch.grid[0] * launch.grid[1] * launch.grid[2]
    if len(launch.recorded) == blocks:
        told = "all were counted"
    else:
        numbers = ", ".join(f"{each:,}" for each in sorted(launch.recorded))
        told = f"counted in {len(launch.recorded)} blocks ({numbers}), what the others do is not seen"
    return told + (", up to where the memory for the record ended" if launch.cut else "")


def _row(each: AccessCounters) -> tuple[str, ...]:
    requests, shared = each.requests, each.memory == "shared"
    return (
        str(each.site.line),
        f"{each.access} {each.array or each.memory}, {each.bytes} B",
        f"{requests:,}",
        f"{each.executions / requests:.3g}",
        "" if shared else f"{each.sectors / requests:.3g}",
        "" if shared else f"{each.sectors_needed / requests:.3g}",
        "" if shared else f"{each.bytes_used / each.bytes_moved:.0%}",
        f"{each.wavefronts / requests:.3g}" if shared else "",
        f"{each.least_wavefronts / requests:.3g}" if shared else "",
    )


def _text(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    cells[1] = row[1].ljust(widths[1])
    return f"  {'  '.join(cells)}".rstrip()


def _totals(launch: LaunchCounters) -> list[str]:
    barriers = sum(each.requests for each in launch.meetings if each.what == "barrier")
    operations = sum(each.requests for each in launch.meetings if each.what == "warp operation")
    warps, threads = (sum(getattr(each, name) for each in launch.blocks) for name in ("warp_executions", "executions"))
    lines = [
        f"  global memory: {launch.global_requests:,} requests, {launch.global_sectors:,} sectors, "
        f"{launch.global_sectors_needed:,} needed",
        f"  shared memory: {launch.shared_requests:,} requests, {launch.shared_wavefronts:,} wavefronts, "
        f"{launch.shared_conflicts:,} by bank conflicts",
        f"  threads: {launch.threads:,}, {launch.idle_threads:,} touch no memory; {threads / warps:.3g} lanes active in a "
        f"basic block, {launch.splits:,} times a branch split a warp",
    ]
    if launch.local_requests:
        lines.append(f"  local arrays: {launch.local_requests:,} requests, unless the compiler keeps them in registers")
    if launch.atomic_requests:
        lines.append(
            f"  atomic operations: {launch.atomic_requests:,} requests, {launch.hottest_address:,} at one address"
        )
    if barriers or operations:
        lines.append(f"  warps wait at {barriers:,} barriers, exchange values in {operations:,} operations")
    return lines


def _instructions(launch: LaunchCounters, code: IssuedInstructions | None) -> list[str]:
    """Return the lines about machine code: instructions by class and by line, registers and occupancy."""
    if code is None or not code.total:
        return []
    shares = ", ".join(f"{count / code.total:.0%} {name}" for name, count in list(code.by_class.items())[:MOST_CLASSES])
    lines = [
        f"  machine code for {code.cc[0]}.{code.cc[1]}: {code.total:,.0f} instructions of warps, "
        f"{code.total * WARP / launch.threads:,.0f} a thread: {shares}"
    ]
    (_, line), most = next(iter(code.by_line.items()), (("", 0), 0.0))
    if line:
        lines.append(f"  {most / code.total:.0%} of them on line {line}")
    if code.occupancy is not None:
        held = f"{code.occupancy.blocks} block{'' if code.occupancy.blocks == 1 else 's'} on a multiprocessor"
        lines[-1] += f"; {code.registers} registers, occupancy {code.occupancy.share:.0%}: {held}, limited by "
        lines[-1] += ", ".join(code.occupancy.limiters)
    return lines


def _prediction(launch: LaunchCounters, gpu: Gpu | None, prediction: Prediction | None) -> list[str]:
    """Return the lines about the predicted time: what binds, what each resource allows at least, what mending brings."""
    if gpu is None or prediction is None:
        return []
    place = "" if prediction.line is None else f", {prediction.line[1]:.0%} of it on line {prediction.line[0][1]}"
    least, most = duration(prediction.least_ms), duration(prediction.most_ms)
    bounds = [f"{name} {duration(time)}" for name, time in list(prediction.bounds.items())[:MOST_BOUNDS]]
    held = f"{prediction.held} block{'' if prediction.held == 1 else 's'} at a time on each of {gpu.processors}"
    where = "arrays in the L2 cache" if prediction.resident else "arrays in memory"
    lines = [
        f"  predicted for {gpu.name}: {duration(prediction.ms)}, between {least} and {most}; "
        f"limited by {prediction.binds}{place}",
        f"    at least: {', '.join(bounds)}",
        f"    {held} multiprocessors, {prediction.waves:,.3g} waves; the longest warp by itself "
        f"{prediction.warp_cycles:,.0f} clocks; {where}",
    ]
    if UNEVEN * min(launch.work) < max(launch.work):
        lines.append(
            f"    the recorded blocks do {min(launch.work):,} to {max(launch.work):,} things, and stand for all others: "
            "the time may be far off"
        )
    better = [each for each in prediction.mended if each.ms < WORTH_IT * prediction.ms]
    return [*lines, *(f"    if line {each.line} moved no more than it needs: {duration(each.ms)}" for each in better)]


def _source(file: str, line: int) -> str:
    return one_line(linecache.getline(file, line).strip())


def _product(sizes: Sequence[int]) -> str:
    kept = list(sizes)
    while len(kept) > 1 and kept[-1] == 1:
        kept.pop()
    return " x ".join(f"{size:,}" for size in kept)
