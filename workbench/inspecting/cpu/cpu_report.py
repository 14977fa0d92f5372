"""The text of a report on a CPU kernel."""

import linecache
from collections.abc import Sequence
from pathlib import Path

from workbench.inspecting.cpu.cpu_record import CpuReport, LoopReport
from workbench.inspecting.cpu.debug_lines import Place
from workbench.inspecting.finding import Finding
from workbench.system.files import relative
from workbench.system.render import table_lines
from workbench.system.terminal import one_line

COLUMNS = ("loop", "depth", "SIMD", "FMA", "loads", "stores", "bytes", "instructions", "findings")


def render(report: CpuReport, *, asm: bool = False, source: bool = False) -> str:
    """Return the text of a report.

    Parameters
    ----------
    report : the report on one kernel
    asm : whether to append the instructions of the hot loops, with their lines and findings
    source : whether to append the source, with the findings below their lines
    """
    subject, file = report.subject, report.subject.file
    lines = [f"{subject.op}  {subject.name}  {report.dtype}  on {report.cpu}  ({relative(Path(file))})"]
    if report.loops:
        rows = [_row(loop, file) for loop in report.loops]
        lines += [f"  {line}" for line in table_lines(COLUMNS, rows, right=("depth", *COLUMNS[3:]))]
    elif not report.notes:
        lines.append("  no loops: the work is done without loops, or in a library")
    lines += [f"  {sentence(finding, file)}" for finding in report.findings]
    lines += [f"  {note}" for note in (*report.parallel, *report.notes)]
    if not report.findings and report.loops:
        lines.append("  nothing found that makes it slow")
    lines += _source(report) if source else []
    lines += [line for loop in report.loops for line in _assembly(loop, file)] if asm else []
    return "\n".join(map(one_line, lines))


def sentence(finding: Finding, file: str) -> str:
    """Return a finding as a sentence with its line, and its file if it is not the kernel's."""
    where = "" if finding.file == file else f"{Path(finding.file).name} "
    return f"{where}line {finding.line}: {finding.kind}: {finding.what}; {finding.remedy}"


def _row(report: LoopReport, file: str) -> tuple[str, ...]:
    loop = report.loop
    share = "-" if loop.fma_share is None else f"{loop.fma_share:.0%}"
    return (
        _lines(loop.places, file),
        str(loop.depth),
        f"{loop.bits} bits, {report.lanes} lanes" if loop.bits else "scalar",
        share,
        str(report.loads),
        str(report.stores),
        str(report.bytes),
        str(len(loop.instructions)),
        str(len(report.findings)),
    )


def _lines(places: Sequence[Place], file: str) -> str:
    """Return lines as "12-14", with their file if it is not the kernel's."""
    parts = []
    for name in dict.fromkeys(place.file for place in places):
        numbers = [place.line for place in places if place.file == name]
        first, last = min(numbers), max(numbers)
        where = "" if name == file else f"{Path(name).name} "
        words = "line" if first == last else "lines"
        parts.append(f"{where}{words} {first}" if first == last else f"{where}{words} {first}-{last}")
    return ", ".join(parts)


def _source(report: CpuReport) -> list[str]:
    """Return the source of every function that contains loops, findings below their lines."""
    lines: list[str] = []
    places = [place for loop in report.loops for place in loop.loop.places]
    for file in dict.fromkeys([report.subject.file, *(place.file for place in places)]):
        numbers = [place.line for place in places if place.file == file]
        numbers += [finding.line for finding in report.findings if finding.file == file]
        if not numbers or not Path(file).is_file():
            continue
        text = [line.rstrip("\n") for line in linecache.getlines(file)]
        lines += ["", f"  {relative(Path(file))}"]
        for number in range(_start(text, min(numbers)), max(numbers) + 1):
            lines.append(f"  {number:5}  {text[number - 1].expandtabs()}".rstrip())
            lines += [
                f"  {'':5}  ^ {finding.kind}: {finding.what}"
                for finding in report.findings
                if (finding.file, finding.line) == (file, number)
            ]
    return lines


def _start(text: Sequence[str], number: int) -> int:
    """Return the line on which the function begins."""
    while number > 1 and not text[number - 1].lstrip().startswith("def "):
        number -= 1
    return number


def _assembly(report: LoopReport, file: str) -> list[str]:
    loop = report.loop
    lines = ["", f"  the loop of {_lines(loop.places, file)}, {len(loop.instructions)} instructions"]
    before: Place | None = None
    told: set[Finding] = set()
    for each in loop.instructions:
        place = loop.place_of(each)
        if place is not None and place != before:
            lines.append(f"    ; {_lines([place], file)}")
            here = [one for one in report.findings if (one.file, one.line) == (place.file, place.line)]
            lines += [f"    ; {one.kind}: {one.what}" for one in here if one not in told]
            told |= set(here)
            before = place
        lines.append(f"        {each.text}")
    return lines
