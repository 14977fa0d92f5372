"""The text of an inspection of CUDA kernels."""

import linecache
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from workbench.inspecting.cuda.counting import counts, widths
from workbench.inspecting.cuda.cuda_record import CudaReport
from workbench.inspecting.cuda.lines import location, source_text
from workbench.inspecting.cuda.loops import Loop
from workbench.inspecting.cuda.sass import Location
from workbench.inspecting.finding import Finding
from workbench.system.files import relative
from workbench.system.terminal import one_line

_CLASSES = (
    "float32",
    "float64",
    "float16",
    "tensor",
    "special",
    "int64",
    "integer",
    "conversion",
    "move",
    "atomic",
    "call",
)
"""The instruction classes that get their own row if they occur, in this order."""

_MEMORY = ("global load", "global store", "shared load", "shared store", "local load", "local store")


def render(report: CudaReport, asm: bool = False, source: bool = False) -> str:
    """Return the text of one report; see ``render_all``."""
    return render_all([report], asm, source)


def render_all(reports: Iterable[CudaReport], asm: bool = False, source: bool = False) -> str:
    """Return the text of reports: for each kernel a table over its compute capabilities, then its findings.

    Parameters
    ----------
    reports : with those of one kernel next to each other
    asm : add the machine code of the innermost loop, with its source lines
    source : add the source, with the instructions that come from each line
    """
    kernels = [
        list(group) for _, group in groupby(reports, key=lambda each: (id(each.launched), id(each.launched.launch)))
    ]
    return "\n\n\n".join(_one_kernel(group, asm, source) for group in kernels)


def _one_kernel(reports: Sequence[CudaReport], asm: bool, with_source: bool) -> str:
    parts = [_heading(reports[0]), _table(reports), _findings(reports)]
    for report in reports:
        if asm and report.hot_loop is not None:
            parts.append(_assembly(report, report.hot_loop))
        if with_source:
            parts.append(_source(report))
    return "\n\n".join(parts)


def _heading(report: CudaReport) -> str:
    launch = report.launched.launch
    implementation = report.launched.implementation.name
    by = "" if implementation == report.kernel else f", launched by {implementation}"
    block = "a block that the driver chooses" if launch.block is None else f"blocks of {_product(launch.block)} threads"
    dynamic = f", {launch.shared_bytes:,} bytes of dynamic shared memory" if launch.shared_bytes else ""
    lines = [
        one_line(
            f"{report.kernel} ({report.op}, {report.dtype}) in {relative(Path(report.file))}:{report.first_line}{by}"
        ),
        f"  for {report.launched.case}: a grid of {_product(launch.grid)}, {block}{dynamic}",
    ]
    if report.linked:
        lines.append(f"  calls {', '.join(report.linked)}, linked in when it is loaded: not counted here")
    return "\n".join(lines)


def _table(reports: Sequence[CudaReport]) -> str:
    rows: list[tuple[str, list[str]]] = [
        ("compute capability", [f"{each.cc[0]}.{each.cc[1]}" for each in reports]),
        ("registers per thread", [str(each.resources.registers) for each in reports]),
        ("spilled, bytes written / read", [_spilled(each) for each in reports]),
        ("local memory per thread, bytes", [str(each.resources.local_bytes) for each in reports]),
        ("static shared memory, bytes", [f"{each.resources.shared_bytes:,}" for each in reports]),
        ("constant memory, bytes", [_constant(each) for each in reports]),
        ("theoretical occupancy", [_occupancy(each) for each in reports]),
        ("limited by", [_limiters(each) for each in reports]),
        ("instructions", [str(len(each.code.instructions)) for each in reports]),
        ("loads and stores, bits", [_widths(each) for each in reports]),
        ("in the innermost loop", [_loop_size(each) for each in reports]),
    ]
    inside = [counts(each.hot_loop.instructions) if each.hot_loop else {} for each in reports]
    for name in (*_CLASSES, *_MEMORY):
        if any(name in each for each in inside):
            rows.append((f"  {name}", [str(each.get(name, 0)) for each in inside]))
    if any(each.driver for each in reports):
        rows += _driver_rows(reports)
    widest = max(len(name) for name, _ in rows)
    columns = [max(len(cells[column]) for _, cells in rows) for column in range(len(reports))]
    return "\n".join(
        f"  {name.ljust(widest)}  "
        + "  ".join(cell.rjust(width) for cell, width in zip(cells, columns, strict=True)).rstrip()
        for name, cells in rows
    )


def _driver_rows(reports: Sequence[CudaReport]) -> list[tuple[str, list[str]]]:
    facts = [each.driver for each in reports]
    return [
        ("as the driver loaded it on", ["-" if each is None else each.device for each in facts]),
        ("  registers per thread", ["-" if each is None else str(each.registers) for each in facts]),
        ("  local memory per thread, bytes", ["-" if each is None else str(each.local_bytes) for each in facts]),
        ("  static shared memory, bytes", ["-" if each is None else f"{each.shared_bytes:,}" for each in facts]),
        ("  most threads per block", ["-" if each is None else str(each.max_threads) for each in facts]),
        (
            "  resident blocks",
            [
                "-" if each is None or each.blocks_per_multiprocessor is None else str(each.blocks_per_multiprocessor)
                for each in facts
            ],
        ),
    ]


def _constant(report: CudaReport) -> str:
    found = report.resources.constant_bytes
    return "-" if found is None else f"{found:,}"


def _spilled(report: CudaReport) -> str:
    return f"{report.resources.spill_store_bytes} / {report.resources.spill_load_bytes}"


def _occupancy(report: CudaReport) -> str:
    found = report.occupancy
    if found is None:
        return "unknown"
    if found.blocks == 0:
        return "cannot be launched"
    return f"{found.share:.0%}, {found.blocks} block{'' if found.blocks == 1 else 's'}"


def _limiters(report: CudaReport) -> str:
    found = report.occupancy
    return "-" if found is None else ", ".join(found.limiters)


def _widths(report: CudaReport) -> str:
    found = widths(report.code.instructions)
    short = {"global load": "LDG", "global store": "STG", "shared load": "LDS", "shared store": "STS"}
    parts = [
        f"{short[kind]} " + " ".join(f"{number}x{bits}" for bits, number in found[kind].items())
        for kind in short
        if kind in found
    ]
    return ", ".join(parts) or "-"


def _loop_size(report: CudaReport) -> str:
    return "no loop" if report.hot_loop is None else str(report.hot_loop.size)


def _findings(reports: Sequence[CudaReport]) -> str:
    """Return the findings; one that several compute capabilities share appears once."""
    where: dict[tuple[str, int, str], list[tuple[CudaReport, Finding]]] = {}
    for report in reports:
        for finding in report.findings:
            where.setdefault((finding.file, finding.line, finding.kind), []).append((report, finding))
    if not where:
        return "  nothing found"
    texts = []
    for (file, line, kind), found in sorted(where.items()):
        only = "" if len(found) == len(reports) else f" on {', '.join(_cc(each) for each, _ in found)}"
        place = f"{one_line(relative(Path(file)))}:{line}" if line else "no line known"
        text = source_text((file, line))
        texts.append(f"  {place}: {kind}{only}" + (f"    {text}" if text else ""))
        texts += [f"    {found[0][1].what}", f"    fix: {found[0][1].remedy}"]
    return "\n".join(texts)


def _cc(report: CudaReport) -> str:
    return f"{report.cc[0]}.{report.cc[1]}"


def _assembly(report: CudaReport, loop: Loop) -> str:
    """Return a loop's instructions, grouped under the source lines that they come from."""
    lines = [f"  the innermost loop of {report.kernel} on {_cc(report)}, {loop.size} instructions"]
    before: Location | None = None
    for each in loop.instructions:
        place = location(each)
        if place != before:
            lines.append(
                f"    {Path(place[0]).name}:{place[1]}  {source_text(place)}" if place[1] else "    (no line known)"
            )
            before = place
        lines.append(f"      {each.address:04x}  {each.text}")
    return "\n".join(lines)


def _source(report: CudaReport) -> str:
    """Return the source of a kernel, and the other lines that its machine code comes from, with instruction counts."""
    total = report.lines
    inside = Counter(location(each) for loop in report.loops if loop.innermost for each in loop.instructions)
    lines = [f"  {report.kernel} on {_cc(report)}: instructions, and of them in innermost loops, by line"]
    for file in dict.fromkeys([report.file, *(place[0] for place in total if place[1])]):
        own = sorted(place[1] for place in total if place[0] == file)
        if not own:
            continue
        first = min(own[0], report.first_line) if file == report.file else own[0]
        lines.append(f"    {one_line(relative(Path(file)))}")
        for number in range(first, own[-1] + 1):
            place = (file, number)
            lines.append(
                f"    {total.get(place, 0) or '':>6} {inside.get(place, 0) or '':>6}  {number:>5}  "
                f"{linecache.getline(file, number).rstrip()}".rstrip()
            )
            lines += [
                f"{'':>22}^ {finding.kind}: {finding.what}"
                for finding in report.findings
                if (finding.file, finding.line) == place
            ]
    return "\n".join(lines)


def _product(sizes: Iterable[int]) -> str:
    """Write sizes in x, y and z, without trailing ones."""
    kept = list(sizes)
    while len(kept) > 1 and kept[-1] == 1:
        kept.pop()
    return " x ".join(f"{size:,}" for size in kept)
