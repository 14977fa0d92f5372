"""Compile a CPU kernel and read its machine code, loop by loop."""

import platform
import time
from pathlib import Path

import numba

from workbench.checking.calling import failure_of
from workbench.inspecting.cpu.compiled_code import Compiled, compile_with_lines
from workbench.inspecting.cpu.cpu_record import CpuReport, LoopReport
from workbench.inspecting.cpu.debug_lines import Place
from workbench.inspecting.cpu.double_reasons import double_reason
from workbench.inspecting.cpu.findings import Context, check_loop, check_outer, unique
from workbench.inspecting.cpu.hot_loops import HotLoop, hot_loops, same_loops
from workbench.inspecting.cpu.kernels import InspectedKernel, UnreadableError
from workbench.inspecting.cpu.numba_advice import copies, loose_signature, warned
from workbench.inspecting.cpu.parallel import parallel_notes
from workbench.inspecting.finding import Finding
from workbench.numba_internals.llvm import binding as llvm
from workbench.system.errors import InputError
from workbench.target.binding import function_name, python_function


def inspect_kernel(subject: InspectedKernel) -> CpuReport:
    """Compile a kernel and look at its machine code.

    Raises
    ------
    UnreadableError
        It is plain Python without compiled functions.
    InputError
        The kernel does not compile.
    """
    start = time.perf_counter()
    compiled = _compiled(subject)
    seconds = time.perf_counter() - start
    if not compiled.codes:
        raise UnreadableError(f"{subject.name}: is plain Python and is not compiled; decorate it with @njit")
    on_x86 = platform.machine().lower() in ("x86_64", "amd64")
    loops, outer = read_loops(compiled, subject.dtype) if on_x86 else ((), ())
    notes = [] if on_x86 else [f"the machine code of {platform.machine()} cannot be read: reports on loops need x86-64"]
    if not same_loops(compiled, _compiled(subject, lines=False)):
        notes.append("compiled without line tables, its loops differ: lines and counts may be a little off")
    return CpuReport(
        subject=subject,
        dtype=subject.dtype,
        cpu=str(numba.config.CPU_NAME or llvm.get_host_cpu_name()),
        loops=loops,
        outer=(*loose_signature(subject), *outer),
        parallel=parallel_notes(compiled.results),
        remarks=compiled.remarks,
        notes=tuple(notes),
        seconds=seconds,
    )


def _compiled(subject: InspectedKernel, *, lines: bool = True) -> Compiled:
    try:
        return compile_with_lines(subject.function, subject.arguments, subject.types, lines=lines)
    except Exception as error:
        failure = failure_of(error)
        what = f"does not compile: {failure.reason}" if failure.kind == "untyped" else failure.reason
        more = "" if failure.kind == "package" else f"; see workbench check {_check(subject)}"
        raise InputError(f"{_named(subject)}: {what}{more}") from error


def _named(subject: InspectedKernel) -> str:
    return subject.name or function_name(python_function(subject.function))


def _check(subject: InspectedKernel) -> str:
    operation = "" if ":" not in subject.target else f" --op {subject.op}"
    return f"{subject.target}{operation}"


def read_loops(compiled: Compiled, dtype: str) -> tuple[tuple[LoopReport, ...], tuple[Finding, ...]]:
    """Find the hot loops of a compiled kernel, each with its findings, and the findings outside of them."""

    def why_double(place: Place) -> tuple[str, str] | None:
        return double_reason(compiled.results, place)

    def why_scalar(loop: HotLoop) -> str | None:
        return scalar_reason(compiled, loop)

    context = Context(dtype, why_double, why_scalar)
    reports: list[LoopReport] = []
    outer: list[Finding] = []
    for code in compiled.codes:
        hot, around = hot_loops(code)
        outer += [finding for loop, calls in around for finding in check_outer(loop, calls)]
        allocating = {(each.file, each.line) for each in outer if each.kind == "allocation"}
        for loop in hot:
            found = [each for each in check_loop(loop, context) if not _is_of_temporary(each, allocating)]
            reports.append(LoopReport(loop=loop, findings=tuple(found)))
    reports.sort(key=lambda report: report.loop.places)
    outer += [*copies(compiled.results), *warned(compiled.warnings)]
    return tuple(reports), tuple(unique(outer))


def _is_of_temporary(finding: Finding, allocating: set[tuple[str, int]]) -> bool:
    """Return whether LLVM left the loop scalar that fills a temporary array: the array is what to avoid."""
    return finding.kind == "scalar" and (finding.file, finding.line) in allocating


def scalar_reason(compiled: Compiled, loop: HotLoop) -> str | None:
    """Return LLVM's reason for leaving a loop scalar, unless the reason is that SIMD would not pay."""
    places = {Place(_short(place.file), place.line) for each in loop.instructions for place in each.chain}
    for remark in compiled.remarks:
        reason = remark.reason
        if reason and Place(_short(remark.place.file), remark.place.line) in places and not _is_no_fault(reason):
            return reason.partition(". ")[0].rstrip(".")
    return None


def _short(file: str) -> str:
    """Return the base name of a file: LLVM names files relative to their folder."""
    return Path(file).name


def _is_no_fault(reason: str) -> bool:
    return any(
        words in reason for words in ("explicitly disabled", "cost-model", "not beneficial", "pointer checks needed")
    )
