"""Compile, disassemble and judge kernels for compute capabilities."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from workbench.inspecting.cuda import sass
from workbench.inspecting.cuda.cuda_record import CudaReport
from workbench.inspecting.cuda.driver import driver_facts
from workbench.inspecting.cuda.loops import Loop, find_loops, without_skipped
from workbench.inspecting.cuda.memory_accesses import local_memory
from workbench.inspecting.cuda.occupancy import Occupancy, occupancy
from workbench.inspecting.cuda.ptx import compile_ptx
from workbench.inspecting.cuda.recording import RecordedLaunch
from workbench.inspecting.cuda.resources import Resources, read_resources
from workbench.inspecting.cuda.sass import Function
from workbench.inspecting.cuda.sass_arithmetic import divisions, float64_arithmetic, wide_multiplications
from workbench.inspecting.cuda.targets import Launched
from workbench.inspecting.cuda.toolchain import Assembled, Toolchain
from workbench.inspecting.cuda.virtual import parse_ptx, wide_products
from workbench.inspecting.cuda.warp_accesses import warp_accesses
from workbench.inspecting.finding import Finding
from workbench.system.compute_capability import LIMITS, ComputeCapability
from workbench.system.machine import usable_cores


def inspect_launches(
    found: Sequence[Launched], dtype: str, ccs: Sequence[ComputeCapability], toolchain: Toolchain
) -> list[CudaReport]:
    """Compile launched kernels for every compute capability, and inspect their machine code.

    Numba compiles one after another; NVIDIA's tools run in parallel as processes of their own. A kernel that is
    launched several times with arguments of the same types is compiled once.

    Raises
    ------
    InputError
        A kernel does not compile.
    """
    with ThreadPoolExecutor(usable_cores()) as pool:
        made: dict[tuple[int, tuple[Any, ...], ComputeCapability], tuple[str, Future[Assembled]]] = {}
        work = []
        for launched in found:
            kernel, types = launched.launch.kernel, launched.launch.types
            asked = kernel.targetoptions.get("max_registers"), bool(kernel.targetoptions.get("opt", True))
            for cc in launched.compiled_for(ccs):
                key = id(kernel), types, cc
                if key not in made:
                    ptx = compile_ptx(launched.launch, cc)
                    made[key] = ptx, pool.submit(toolchain.assemble, ptx, cc, *asked)
                work.append((launched, cc, *made[key]))
        return [_judge(launched, dtype, cc, ptx, assembled.result()) for launched, cc, ptx, assembled in work]


def _judge(launched: Launched, dtype: str, cc: ComputeCapability, ptx: str, assembled: Assembled) -> CudaReport:
    launch = launched.launch
    resources = read_resources(assembled.messages, launch.name)
    code, subroutines = sass.parse(assembled.sass, launch.name)
    loops = without_skipped(find_loops(code))
    return CudaReport(
        launched=launched,
        dtype=dtype,
        cc=cc,
        resources=resources,
        occupancy=_occupancy(launch, resources, cc),
        code=code,
        subroutines=subroutines,
        loops=loops,
        linked=assembled.linked,
        findings=tuple(_unique(_findings(launch, cc, ptx, resources, code, loops))),
        driver=driver_facts(launch, cc),
        ptx=ptx,
        sass=assembled.sass,
    )


def _occupancy(launch: RecordedLaunch, resources: Resources, cc: ComputeCapability) -> Occupancy | None:
    if launch.threads is None:
        return None
    shared = resources.shared_bytes + launch.shared_bytes
    return occupancy(LIMITS[cc], threads=launch.threads, registers=resources.registers, shared_bytes=shared)


def _findings(
    launch: RecordedLaunch,
    cc: ComputeCapability,
    ptx: str,
    resources: Resources,
    code: Function,
    loops: tuple[Loop, ...],
) -> Iterator[Finding]:
    if not launch.has_double_arrays:
        yield from float64_arithmetic(code.instructions, loops, cc)
    virtual = parse_ptx(ptx, launch.name)
    yield from wide_multiplications(loops, wide_products(virtual))
    yield from divisions(loops)
    yield from local_memory(resources, code.instructions, loops, launch.kernel.targetoptions)
    yield from warp_accesses(virtual, launch)


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """Keep one finding per kind and line: a loop and its remainder loop produce two."""
    found: dict[tuple[str, str, int], Finding] = {}
    for each in findings:
        found.setdefault((each.kind, each.file, each.line), each)
    return sorted(found.values(), key=lambda each: (each.file, each.line, each.kind))
