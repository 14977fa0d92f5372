"""From the targets of a command to kernels that can be run: operations in this process, each file in a worker."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernels import Op
from workbench.checking.check_request import CheckRequest
from workbench.checking.engine import Mode, Runner
from workbench.checking.judging import Subject
from workbench.checking.results import CheckResult
from workbench.checking.subjects import InProcess, built_in, has_body, passes_of, users
from workbench.checking.worker import InWorker, Worker
from workbench.oracle.declaration import check_declaration
from workbench.sim.host.patching import simulator
from workbench.system.errors import InputError
from workbench.system.files import relative
from workbench.system.process import OnCompile
from workbench.target.binding import UserKernel
from workbench.target.command_device import DEVICES, CommandDevice
from workbench.target.resolve import Target

DECLARATION_EXAMPLES = 30


@dataclass(frozen=True, kw_only=True)
class CheckEntry:
    """One kernel to check.

    Attributes
    ----------
    subject, runner : the kernel, and its runner
    passes : the modes that follow the search
    arguments : the target and options that name it on the command line
    worker : the process it runs in; None: this one
    absent : why it cannot run on this device and is skipped; empty if it can
    """

    subject: Subject
    runner: Runner
    passes: tuple[Mode, ...]
    arguments: tuple[str, ...]
    worker: Worker | None = None
    absent: str = ""

    @property
    def op(self) -> str:
        """The name of its operation."""
        return self.subject.implementation.op


@contextmanager
def entries(request: CheckRequest, device: CommandDevice, on_compile: OnCompile) -> Iterator[list[CheckEntry]]:
    """Return the kernels of a request for a device, ready to run; their workers end with the block.

    Raises
    ------
    InputError
        A file or kernel does not exist, does not bind, or is not for the device.
    """
    with ExitStack() as stack:
        if device.is_simulated:
            stack.enter_context(simulator(**request.simulation))
        found: list[CheckEntry] = []
        for target in request.targets:
            if target.is_file:
                found += _of_file(target, request, device, on_compile, stack)
            else:
                found += _of_operation(target, device)
        yield found


def declarations(request: CheckRequest, device: CommandDevice) -> list[tuple[str, CheckResult]]:
    """Check the operations that the request's files declare; return (target, result)."""
    found = []
    for target in request.targets:
        if target.is_file:
            loaded = target.load(device.kind)
            named = {kernel.op.name for kernel in loaded.kernels} if loaded.named else {op.name for op in loaded.ops}
            found += [(target.text, _declaration(op, device)) for op in loaded.ops if op.name in named]
    return found


def _declaration(op: Op, device: CommandDevice) -> CheckResult:
    findings = check_declaration(op, examples=DECLARATION_EXAMPLES)
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return CheckResult(
        op=op.name,
        implementation="declaration",
        device=device.name,
        dtype="float64",
        status="fail" if findings else "pass",
        examples=DECLARATION_EXAMPLES,
        reason=f"{findings[0].what}: {findings[0].reason}{more}" if findings else "",
    )


def _of_operation(target: Target, device: CommandDevice) -> list[CheckEntry]:
    subjects = [built_in(each, device.name) for each in target.built_in(device.kind)]
    passes: tuple[Mode, ...] = ("watch",) if device.runs_bodies else ()
    return [
        CheckEntry(subject=subject, runner=InProcess(subject), passes=passes, arguments=(target.text,))
        for subject in subjects
    ]


def _of_file(
    target: Target, request: CheckRequest, device: CommandDevice, on_compile: OnCompile, stack: ExitStack
) -> list[CheckEntry]:
    loaded = target.load(device.kind)
    kernels = target.kernels(device, DEVICES.values(), needed=bool(loaded.kernels) and not request.is_partial)
    worker = Worker(target, device, request.simulation, request.timeout, on_compile)
    stack.callback(worker.close)
    found = [
        _entry(loaded.path, kernel, InWorker(worker, number), target, device) for number, kernel in enumerate(kernels)
    ]
    if found and not request.is_partial and all(entry.absent for entry in found):
        raise InputError(f"{found[0].subject.implementation.name}: {found[0].absent}; leave out --device {device.name}")
    return found


def _entry(file: Path, kernel: UserKernel, runner: InWorker, target: Target, device: CommandDevice) -> CheckEntry:
    options = [] if target.op is None else ["--op", target.op]
    options += [] if target.accumulate is None else ["--accumulate", target.accumulate]
    named = f":{kernel.variable}" if kernel.variable else ""
    bodiless = device.runs_bodies and not has_body(kernel)
    return CheckEntry(
        subject=users(kernel, device.name),
        runner=runner,
        passes=passes_of(kernel, device.name),
        arguments=(f"{relative(file)}{named}", *options),
        worker=runner.worker,
        absent="what made it keeps no Python body to run" if bodiless else "",
    )
