"""``workbench inspect``: inspect the named kernels, for every kind of machine code."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from workbench.inspecting import cuda
from workbench.inspecting.cpu import cpu_report
from workbench.inspecting.cpu.cpu_inspection import inspect_kernel
from workbench.inspecting.cpu.kernels import UnreadableError, subjects
from workbench.inspecting.cuda import budget, cuda_report
from workbench.inspecting.cuda.budget import Costs
from workbench.inspecting.cuda.offline import without_driver
from workbench.inspecting.cuda.toolchain import find_toolchain
from workbench.system.compute_capability import ComputeCapability
from workbench.system.elsewhere import call_elsewhere
from workbench.system.errors import InputError
from workbench.system.process import NoAnswer
from workbench.system.render import message_console
from workbench.target.command_device import CPU, CUDA, TIMED, CommandDevice
from workbench.target.resolve import Target

Result = TypeVar("Result")

Reported = tuple[list[dict[str, Any]], str]
"""Reports as JSON, and their text."""

ByKind = Mapping[str, Sequence[Target]]
"""Targets by the kind of the kernels to read, "cpu" or "cuda"."""


@dataclass(frozen=True, kw_only=True)
class InspectRequest:
    """The command line of ``workbench inspect``, read once.

    Attributes
    ----------
    targets : the targets to inspect
    dtype : data type of the arrays that kernels are compiled for
    ccs : compute capabilities
    asm, source : whether to show the instructions of hot loops, and the source
    """

    targets: ByKind
    dtype: str
    ccs: tuple[ComputeCapability, ...]
    asm: bool = False
    source: bool = False


def by_kind(targets: Sequence[Target], device: CommandDevice | None) -> ByKind:
    """Return the targets for the requested device; without one, those of files by their kernels' devices.

    Files are imported in processes of their own, without a driver, which a decorator with an explicit signature would need.

    Raises
    ------
    InputError
        The import of a file fails or does not end, or it has no kernel for the device.
    """
    if device is not None:
        for target in targets:
            if target.is_file:
                target.fitting(target.facts(device, within=without_driver).kernels, device, TIMED)
        return {device.kind: targets}
    chosen: dict[str, list[Target]] = {}
    for target in targets:
        for kind in target.kinds(within=without_driver):
            chosen.setdefault(kind, []).append(target)
    return chosen


def inspect_targets(request: InspectRequest) -> Iterator[Reported]:
    """Inspect kernels one at a time; those of files in a process of their own.

    Raises
    ------
    InputError
        A target has no kernel of the kind, or a kernel does not compile.
    """
    for kind, targets in request.targets.items():
        if any(target.is_file for target in targets):
            yield from elsewhere(_inspected, kind, request)
        else:
            yield from _cpu(targets, request) if kind == CPU.kind else _cuda(targets, request)


def judge_budget(
    request: InspectRequest, path: Path, *, update: bool
) -> tuple[list[dict[str, Any]], Costs, Costs, str]:
    """Compare the resources of the request's CUDA kernels with the budget in a file, which ``update`` rewrites first.

    Returns
    -------
    reports, found, allowed
        The reports on the kernels as JSON, their resources, and their budgets.
    note
        The other tools that the budget was made with; empty if they are the same.
    """
    allowed = {} if update else budget.read_budget(path)
    is_foreign = any(target.is_file for target in request.targets[CUDA.kind])
    reports, found = elsewhere(_resources, request) if is_foreign else _resources(request)
    versions = find_toolchain().versions()
    if update:
        budget.write_budget(path, found, versions)
        allowed = found
    return reports, found, allowed, budget.other_tools(path, versions)


def _resources(request: InspectRequest) -> tuple[list[dict[str, Any]], Costs]:
    reports = cuda.inspect_kernels(request.targets[CUDA.kind], request.dtype, request.ccs)
    return [report.to_json() for report in reports], budget.costs(reports)


def _inspected(kind: str, request: InspectRequest) -> list[Reported]:
    targets = request.targets[kind]
    return list(_cpu(targets, request) if kind == CPU.kind else _cuda(targets, request))


def elsewhere(function: Callable[..., Result], *arguments: Any, of: CommandDevice | None = None) -> Result:
    """Call a function in a process of its own, with the environment of a device if it is given."""
    try:
        return call_elsewhere(function, *arguments, environment={} if of is None else of.environment)
    except NoAnswer as reason:
        raise InputError(f"the process that reads the kernels {reason}; does their file compile by itself?") from None


def _cpu(targets: Sequence[Target], request: InspectRequest) -> Iterator[Reported]:
    """Inspect the kernels of targets; of a file with several kernels, those that cannot be read are told and left out."""
    console = message_console()
    for found in [subjects(target, request.dtype) for target in targets]:
        unread: list[UnreadableError] = []
        for subject in found:
            try:
                if isinstance(subject, UnreadableError):
                    raise subject
                if console.is_terminal:
                    console.print(f"compiling {subject.name}")
                report = inspect_kernel(subject)
            except UnreadableError as reason:
                unread.append(reason)
                if len(unread) == len(found):
                    raise
                continue
            yield [report.to_json()], cpu_report.render(report, asm=request.asm, source=request.source)
        if unread:
            yield [], "\n".join(map(str, unread))


def _cuda(targets: Sequence[Target], request: InspectRequest) -> Iterator[Reported]:
    reports = cuda.inspect_kernels(targets, request.dtype, request.ccs)
    yield [report.to_json() for report in reports], cuda_report.render_all(reports, request.asm, request.source)
