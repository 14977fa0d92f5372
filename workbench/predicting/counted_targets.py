"""``workbench inspect --device sim``: what the kernels of targets do, what they issue, and how long that takes on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.inspecting import cuda
from workbench.inspecting.cuda.toolchain import find_toolchain
from workbench.inspecting.inspection import elsewhere
from workbench.predicting import counting_run
from workbench.predicting.counting_run import Counted
from workbench.predicting.gpus import Gpu
from workbench.predicting.instructions import IssuedInstructions, issued, report_on
from workbench.predicting.prediction import Prediction, predict
from workbench.sim.counting.counters import LaunchCounters
from workbench.system.compute_capability import ComputeCapability
from workbench.system.elsewhere import call_elsewhere
from workbench.system.errors import InputError
from workbench.system.process import NoAnswer
from workbench.target.command_device import CUDA, SIM
from workbench.target.resolve import Target

SIMULATED_CC: ComputeCapability = (9, 0)
"""The compute capability whose limits the simulator has."""


@dataclass(frozen=True, kw_only=True)
class CodeOfLaunch:
    """What the machine code of a launch's kernel says.

    Attributes
    ----------
    issued : the instructions that its warps issue
    prediction : its time; None without a GPU
    """

    issued: IssuedInstructions
    prediction: Prediction | None


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """An implementation: its launches' counters, and, for each, what its machine code says; None where that is not known."""

    counted: Counted
    code: tuple[CodeOfLaunch | None, ...]


def inspect_counted(
    targets: Sequence[Target], dtype: str, case: str | None, cc: ComputeCapability | None, gpu: Gpu | None
) -> tuple[list[Inspected], str]:
    """Count what launches do, in the simulator, and read their machine code, in processes of their own.

    Parameters
    ----------
    targets, dtype, case : see ``counting_run.count``
    cc : the compute capability to compile for; None: the GPU's, or 9.0, if the compiler's tools are installed
    gpu : the GPU to predict times for

    Returns
    -------
    inspected
        Every implementation.
    note
        Why no machine code is known, "" if it is.

    Raises
    ------
    InputError
        As ``counting_run.count`` does; a kernel does not compile; with ``cc`` or ``gpu``, the compiler's tools are not
        installed, or a launch cannot be predicted.
    """
    if fault := SIM.absence():
        raise InputError(f"--device sim: {fault}")
    if cc is not None or gpu is not None:
        elsewhere(find_toolchain, of=CUDA)  # a missing tool is told before a long simulation
    try:
        counted = call_elsewhere(counting_run.count, targets, dtype, case, environment=SIM.environment)
    except NoAnswer as reason:
        raise InputError(f"the process that simulates the kernels {reason}") from None
    launches = [(each.place, launch) for each in counted for launch in each.launches]
    note = ""
    try:
        asked = cc or (gpu.cc if gpu else SIMULATED_CC)
        code = elsewhere(_code, targets, dtype, case, asked, gpu, launches, of=CUDA)
    except InputError as reason:
        if cc is not None or gpu is not None:
            raise
        code, note = [None] * len(launches), f"no instructions are counted: {reason}"
    left = iter(code)
    return [Inspected(counted=each, code=tuple(next(left) for _ in each.launches)) for each in counted], note


def _code(
    targets: Sequence[Target],
    dtype: str,
    case: str | None,
    cc: ComputeCapability,
    gpu: Gpu | None,
    launches: Sequence[tuple[int, LaunchCounters]],
) -> list[CodeOfLaunch | None]:
    """Return what machine code says of launches, each with its place; None for a kernel that only results would launch.

    To be compiled, host code runs without its kernels: what it launches by what they compute is not seen.
    """
    reports = cuda.inspect_kernels(targets, dtype, (cc,), case)
    found: list[CodeOfLaunch | None] = []
    for place, launch in launches:
        report = report_on(place, launch, reports)
        if report is None and gpu is not None:
            raise InputError(
                f"{launch.kernel}: whether it is launched depends on results of other kernels: not predicted"
            )
        if report is None:
            found.append(None)
            continue
        try:
            prediction = None if gpu is None else predict(launch, report, gpu)
            found.append(CodeOfLaunch(issued=issued(launch, report), prediction=prediction))
        except ValueError as reason:
            raise InputError(f"{launch.kernel}: {reason}") from reason
    return found
