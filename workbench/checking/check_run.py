"""From the targets of a command to kernels that can be run: operations in this process, files in a worker each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernels import Op, implementations
from workbench.checking.engine import Mode, Runner
from workbench.checking.judging import Subject
from workbench.checking.results import CheckResult
from workbench.checking.subjects import InProcess, built_in, has_body, passes_of, users
from workbench.checking.worker import InWorker, Target, Worker
from workbench.oracle.declaration import check_declaration
from workbench.sim.host.patching import simulator
from workbench.system.errors import InputError
from workbench.system.files import relative
from workbench.system.process import OnCompile
from workbench.target.binding import Kernel
from workbench.target.file import is_file_target, load_file

DECLARATION_EXAMPLES = 30


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command asks for, on one device.

    Attributes
    ----------
    targets : operations, FILE.py, FILE.py:NAME
    label : the device of the command line
    op, accumulate : of kernels that are not decorated
    timeout : seconds a case of a user's kernel may take
    partial : whether a target may have nothing for this device, one of several
    simulation : settings of the simulator, see ``workbench.sim.Settings``
    """

    targets: tuple[str, ...]
    label: str
    op: str | None = None
    accumulate: str | None = None
    timeout: float = 10.0
    partial: bool = False
    simulation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of kernels that run on the device: "cpu" or "cuda"."""
        return "cuda" if self.label in ("cuda", "sim") else "cpu"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One kernel to check.

    Attributes
    ----------
    subject, runner : what it is, what runs it
    passes : what follows the search
    arguments : the target and options that name it on the command line
    worker : the process it runs in; None: this one
    absent : why it cannot run on this device; then it is skipped
    """

    subject: Subject
    runner: Runner
    passes: tuple[Mode, ...]
    arguments: tuple[str, ...]
    worker: Worker | None = None
    absent: str = ""


@contextmanager
def entries(request: Request, on_compile: OnCompile) -> Iterator[list[Entry]]:
    """Return what a request names, ready to run; its workers end with the block.

    Raises
    ------
    InputError
        A file or kernel is not there, does not bind, or is not for the device.
    """
    with ExitStack() as stack:
        if request.label == "sim":
            stack.enter_context(simulator(**request.simulation))
        found: list[Entry] = []
        for target in request.targets:
            if is_file_target(target):
                found += _of_file(target, request, on_compile, stack)
            else:
                found += _of_operation(target, request)
        yield found


def declarations(request: Request) -> list[tuple[str, CheckResult]]:
    """Check the operations that the request's files declare; give (target, result)."""
    found = []
    for target in request.targets:
        if is_file_target(target):
            loaded = load_file(target, op=request.op, device=request.kind, accumulate=request.accumulate)
            named = {kernel.op.name for kernel in loaded.kernels} if loaded.named else {op.name for op in loaded.ops}
            found += [(target, _declaration(op, request.label)) for op in loaded.ops if op.name in named]
    return found


def _declaration(op: Op, label: str) -> CheckResult:
    findings = check_declaration(op, examples=DECLARATION_EXAMPLES)
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return CheckResult(
        op=op.name,
        implementation="declaration",
        device=label,
        dtype="float64",
        status="fail" if findings else "pass",
        examples=DECLARATION_EXAMPLES,
        reason=f"{findings[0].what}: {findings[0].reason}{more}" if findings else "",
    )


def _of_operation(name: str, request: Request) -> list[Entry]:
    subjects = [built_in(each, request.label) for each in implementations(name) if each.device == request.kind]
    passes: tuple[Mode, ...] = ("watch",) if request.label == "python" else ()
    return [Entry(subject=subject, runner=InProcess(subject), passes=passes, arguments=(name,)) for subject in subjects]


def _of_file(target: str, request: Request, on_compile: OnCompile, stack: ExitStack) -> list[Entry]:
    wanted = Target(
        file=target,
        op=request.op,
        device=request.kind,
        accumulate=request.accumulate,
        label=request.label,
        simulation=request.simulation,
    )
    loaded = load_file(target, op=request.op, device=request.kind, accumulate=request.accumulate)
    kernels = loaded.kernels
    fitting = [number for number, kernel in enumerate(kernels) if kernel.device == request.kind]
    if kernels and not fitting and not request.partial:
        names = ", ".join(kernel.name for kernel in kernels)
        other = "cuda or sim" if request.kind == "cpu" else "cpu or python"
        raise InputError(f"{target}: {names} is not for {request.label}; use --device {other}")
    worker = Worker(wanted, request.timeout, on_compile)
    stack.callback(worker.close)
    found = [_entry(loaded.path, kernels[number], number, worker, request) for number in fitting]
    if found and not request.partial and all(entry.absent for entry in found):
        raise InputError(f"{found[0].subject.implementation.name}: {found[0].absent}; leave out --device python")
    return found


def _entry(file: Path, kernel: Kernel, number: int, worker: Worker, request: Request) -> Entry:
    arguments = _arguments(file, kernel, request)
    bodiless = request.label == "python" and not has_body(kernel)
    absent = "what made it keeps no Python body to run" if bodiless else ""
    subject = users(kernel, request.label)
    return Entry(
        subject=subject,
        runner=InWorker(worker, number),
        passes=passes_of(kernel, request.label),
        arguments=arguments,
        worker=worker,
        absent=absent,
    )


def _arguments(file: Path, kernel: Kernel, request: Request) -> tuple[str, ...]:
    options = [] if request.op is None else ["--op", request.op]
    options += [] if request.accumulate is None else ["--accumulate", request.accumulate]
    named = f":{kernel.variable}" if kernel.variable else ""
    return (f"{relative(file)}{named}", *options)
