"""From the targets of a command to kernels that can be judged: operations in this process, each file in a worker."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from kernels import OPS
from workbench.checking.check_request import CheckRequest
from workbench.checking.engine import Pass, Runner
from workbench.checking.subject import Subject
from workbench.checking.subjects import InProcess, built_in, elsewhere, passes_of
from workbench.checking.worker import InWorker, Worker
from workbench.sim.host.patching import simulator
from workbench.system.errors import InputError
from workbench.system.files import relative
from workbench.system.process import OnCompile
from workbench.target.command_device import DEVICES, CommandDevice
from workbench.target.description import KernelFacts
from workbench.target.file import find_file
from workbench.target.resolve import Target


@dataclass(frozen=True, kw_only=True)
class CheckEntry:
    """One kernel to check.

    Attributes
    ----------
    subject, runner : the kernel, and its runner
    passes : the passes that follow the search
    arguments : the target and options that name it on the command line
    inside : the runner, if the kernel runs in a worker
    absent : why it cannot run on this device and is skipped; empty if it can
    """

    subject: Subject
    runner: Runner
    passes: tuple[Pass, ...]
    arguments: tuple[str, ...]
    inside: InWorker[Worker] | None = None
    absent: str = ""

    @property
    def op(self) -> str:
        """The name of its operation."""
        return self.subject.implementation.op


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The kernels of a request for a device.

    Attributes
    ----------
    kernels : those that this process judges
    declaring : the targets whose files declare operations, and the names of these, for the process that judges by them
    """

    kernels: list[CheckEntry] = field(default_factory=list)
    declaring: dict[Target, tuple[str, ...]] = field(default_factory=dict)


@contextmanager
def entries(request: CheckRequest, device: CommandDevice, on_compile: OnCompile) -> Iterator[Entries]:
    """Return the kernels of a request for a device, ready to run; their workers end with the block.

    Raises
    ------
    InputError
        A file or kernel does not exist, does not bind, or is not for the device.
    """
    with ExitStack() as stack:
        if device.is_simulated:
            stack.enter_context(simulator(**request.simulation))
        found = Entries()
        for target in request.targets:
            if target.is_file:
                _add_file(found, target, request, device, on_compile, stack)
            else:
                found.kernels.extend(_of_operation(target, device))
        yield found


def _of_operation(target: Target, device: CommandDevice) -> list[CheckEntry]:
    subjects = [built_in(each, device.name) for each in target.built_in(device.kind)]
    passes: tuple[Pass, ...] = passes_of(device.runs_bodies, device.name)
    return [
        CheckEntry(subject=subject, runner=InProcess(subject), passes=passes, arguments=(target.text,))
        for subject in subjects
    ]


def _add_file(
    entries: Entries,
    target: Target,
    request: CheckRequest,
    device: CommandDevice,
    on_compile: OnCompile,
    stack: ExitStack,
) -> None:
    worker = Worker(target, device, request.simulation, request.timeout, on_compile)
    stack.callback(worker.close)
    facts = worker.facts()
    needed = bool(facts.kernels) and not request.is_partial
    kernels = target.fitting(facts.kernels, device, DEVICES.values(), needed=needed)
    if kernels and not request.is_partial and all(_absence(kernel, device) for kernel in kernels):
        raise InputError(f"{kernels[0].name}: {_absence(kernels[0], device)}; leave out --device {device.name}")
    judged = [each for each in enumerate(kernels) if (each[1].op in facts.ops) == request.own]
    if not judged:
        worker.restart()
    for number, kernel in judged:
        entries.kernels.append(_entry(kernel, number, worker, target, device))
    named = tuple(kernel.op for kernel in facts.kernels if kernel.op in facts.ops) if facts.named else facts.ops
    if named and not request.own:
        entries.declaring[target] = named


def _absence(kernel: KernelFacts, device: CommandDevice) -> str:
    bodiless = device.runs_bodies and not kernel.has_body
    return "what made it keeps no Python body to run" if bodiless else ""


def _entry(kernel: KernelFacts, number: int, worker: Worker, target: Target, device: CommandDevice) -> CheckEntry:
    if kernel.op not in OPS:
        raise InputError(f"{target.text}: {kernel.name} is for {kernel.op}, which is not an operation")
    named = f":{kernel.variable}" if kernel.variable else ""
    path = relative(find_file(target.text)[0])
    subject = elsewhere(kernel, path, device.name)
    runner = InWorker(subject, worker, number)
    return CheckEntry(
        subject=subject,
        runner=runner,
        passes=passes_of(kernel.has_body, device.name),
        arguments=(f"{path}{named}", *target.options),
        inside=runner,
        absent=_absence(kernel, device),
    )
