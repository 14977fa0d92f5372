"""Subjects of the checker, made from implementations, users' kernels and facts about them."""

from dataclasses import replace

from kernels import OPS, Implementation
from kernels.declare.op import PRECISIONS
from workbench.checking.calling import Here
from workbench.checking.calls import Mode
from workbench.checking.engine import Pass
from workbench.checking.judging import judge
from workbench.checking.rebuilding import uncompiled
from workbench.checking.results import Verdict
from workbench.checking.subject import Subject
from workbench.sampling import Case
from workbench.target.binding import Bound, UserKernel, accepting, bind, implementation
from workbench.target.command_device import DEVICES
from workbench.target.description import KernelFacts, built_in_reached, has_body, is_fastmath, is_interpreted


def built_in(each: Implementation, label: str) -> Subject:
    """Return the subject for a registered implementation on a device of the command line."""
    accumulate = PRECISIONS.get(each.precision or "")
    if not DEVICES[label].runs_bodies:
        return Subject(implementation=each, label=label, accumulate=accumulate)
    uncompiled_one = replace(each, target=uncompiled(each.function))
    return Subject(implementation=uncompiled_one, label=label, body=each.function, accumulate=accumulate)


def users(kernel: UserKernel, label: str) -> Subject:
    """Return the subject for a user's kernel that this process has loaded.

    Raises
    ------
    InputError
        Its parameters do not bind.
    """
    bound, in_python = bind(kernel), DEVICES[label].runs_bodies
    body = kernel.function if has_body(kernel) else None
    return Subject(
        implementation=implementation(kernel, uncompiled(body) if in_python and body is not None else None),
        label=label,
        fixed=bound.fixed,
        accumulate=kernel.accumulate,
        free=True,
        fastmath=not in_python and is_fastmath(kernel.function),
        body=body,
        rebuild=lambda function: implementation(kernel, function),
        only=kernel.only,
        notes=_told(built_in_reached(kernel.function), bound, is_interpreted(kernel) and not in_python),
    )


def elsewhere(kernel: KernelFacts, file: str, label: str) -> Subject:
    """Return the subject for a user's kernel that another process has loaded, which makes the calls."""
    op, bound = OPS[kernel.op], kernel.bound
    return Subject(
        implementation=Implementation(
            op=op.name,
            device=kernel.device,
            algorithm="user",
            target=f"{file}:{kernel.name}",
            accepts=accepting(op, bound, kernel.only),
            views=True,
            computes=None if bound.computes == op.outputs else bound.computes,
        ),
        label=label,
        fixed=bound.fixed,
        accumulate=kernel.accumulate,
        free=True,
        fastmath=not DEVICES[label].runs_bodies and kernel.fastmath,
        only=kernel.only,
        notes=_told(kernel.reaches, bound, kernel.interpreted and not DEVICES[label].runs_bodies),
    )


def _told(reached: tuple[str, ...], bound: Bound, interpreted: bool) -> tuple[str, ...]:
    """Return what the report says of a kernel whatever the verdict."""
    built_in = f"calls the built-in {', '.join(reached)}" if reached else ""
    unused = f"takes no {', '.join(bound.unused)}: its results must not depend on that" if bound.unused else ""
    plain = "loops in plain Python, which Numba does not compile without @njit" if interpreted else ""
    return tuple(filter(None, (built_in, unused, plain)))


def passes_of(has_body: bool, label: str) -> tuple[Pass, ...]:
    """Return the passes that follow the search for a kernel: bounds checks and watching need its Python body."""
    device = DEVICES[label]
    if device.runs_bodies:
        return ("watch",) if has_body else ()
    large: tuple[Pass, ...] = () if device.is_simulated else ("large",)
    return (*large, "bounds", "watch") if has_body else large


class InProcess:
    """Judges a subject whose calls are made in this process; an ``engine.Runner``."""

    def __init__(self, subject: Subject) -> None:
        self._subject, self._caller = subject, Here(subject)

    def run(self, case: Case, mode: Mode = "run") -> Verdict:
        """See Runner."""
        return judge(self._subject, case, self._caller, mode)
