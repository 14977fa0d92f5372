"""Making the judge's calls in this process: arrays are placed, the kernel is called, the bytes are read."""

import os
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.compile.twins import TwinKernel, only
from workbench.checking.buffers import Placed, place
from workbench.checking.calls import Call, Failure, Returned
from workbench.checking.rebuilding import bounds_checked, watchable
from workbench.checking.subject import Subject
from workbench.checking.watched_run import watched_fault
from workbench.checking.watching import prange_order
from workbench.numba_internals.errors import NumbaError
from workbench.oracle.poison import POISONS, poisoned
from workbench.sampling import Case
from workbench.sim.common.errors import HazardWarning
from workbench.system.errors import first_line, numba_place, numba_reason, raised
from workbench.system.python_code import library_folders
from workbench.target.binding import WrongResult


class Here:
    """Calls a subject in this process; a ``calls.Caller``.

    Parameters
    ----------
    subject : the kernel
    is_alone : whether this process is the kernel's and the judge is in another one: then every exception of a call is a
        failure of the kernel, and the bytes that arrive are used as its memory
    """

    def __init__(self, subject: Subject, *, is_alone: bool = False) -> None:
        self._subject, self._is_alone = subject, is_alone
        self._catches: type[BaseException] = BaseException if is_alone else Exception
        self._body = None if subject.body is None else watchable(subject.body)
        self._bounds: Subject | None = None
        self._held: tuple[Placed, ...] = ()

    @property
    def has_twin(self) -> bool:
        """See Caller."""
        return isinstance(self._subject.implementation.function, TwinKernel)

    def call(self, call: Call) -> Returned:
        """See Caller."""
        with self._simulated():
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter(
                    "always"
                )  # overflow and NaN in uncompiled bodies and small grids are of no interest
                failure = self._made(call)
            if failure is not None:
                return Returned(failure=failure)
            return Returned(buffers=self.read_again(), warning=_warning(warned))

    def call_huge(self, case: Case) -> Returned:
        """See Caller."""
        self._held = ()
        try:
            outputs = self._filled(case)
        except self._catches as error:
            return Returned(failure=self._failure(error))
        return Returned(buffers=tuple(output.reshape(-1).view(np.uint8) for output in outputs))

    def _filled(self, case: Case) -> list[NDArray[Any]]:
        """Return the outputs of a call on the arrays of a case, on the host."""
        implementation, device, op = self._subject.implementation, self._subject.device, OPS[case.op]
        inputs = [device.from_host(array) for array in case.arrays().values()]
        sizes = zip(op.output_shapes(case.shapes, case.options), op.dtypes_of_outputs(case.dtype), strict=True)
        outputs = [
            device.from_host(poisoned(*each, POISONS[0])) for each in implementation.of_outputs(op.outputs, list(sizes))
        ]
        with np.errstate(all="ignore"):
            implementation.function(*inputs, *op.option_values(case.options), *outputs)
        device.synchronize()
        return [device.to_host(output) for output in outputs]

    def _failure(self, error: BaseException) -> Failure:
        try:
            return failure_of(error)
        except self._catches:  # of an exception whose text cannot be had
            return Failure(kind="exception", reason=f"raises {type(error).__name__}")

    def read_again(self) -> tuple[NDArray[np.uint8], ...]:
        """See Caller."""
        device = self._subject.device
        return tuple(each.contents(device) for each in self._held)

    @contextmanager
    def _simulated(self) -> Iterator[None]:
        if not self._subject.command_device.is_simulated:
            yield
            return
        from workbench.sim import simulator

        with simulator():
            yield

    def _made(self, call: Call) -> Failure | None:
        device = self._subject.device
        try:
            inputs, outputs = self._placed(call)
        except MemoryError as error:
            return failure_of(error)
        self._held = (*inputs, *outputs)  # the arrays of the call before are freed only now: none has its address
        given, filled = [each.view for each in inputs], [each.view for each in outputs]
        if call.mode == "watch":
            return self._watched(call, given, filled)
        subject = self._subject
        if call.mode == "bounds":
            self._bounds = self._bounds or subject.over(bounds_checked(subject.body))
            subject = self._bounds
        implementation = subject.implementation
        if not implementation.views:
            given = [device.prepare(view, view.dtype) for view in given]
        try:
            with ExitStack() as stack:
                stack.enter_context(np.errstate(all="ignore"))
                if call.twin is not None:
                    stack.enter_context(only(call.twin))
                if call.order is not None:
                    stack.enter_context(prange_order(call.order))
                implementation.function(*given, *call.options, *filled)
                device.synchronize()
        except self._catches as error:
            return self._failure(error)
        return None

    def _placed(self, call: Call) -> tuple[tuple[Placed, ...], tuple[Placed, ...]]:
        """Return the inputs and the outputs of a call in memory."""
        device = self._subject.device
        outputs = tuple(place(each, device, gives=self._is_alone) for each in call.outputs)
        if not call.same_memory:
            return tuple(place(each, device, gives=self._is_alone) for each in call.inputs), outputs
        inputs = self._held[: len(call.inputs)]
        for placed, laid in zip(inputs, call.inputs, strict=True):
            placed.put(laid, device)
        return inputs, outputs

    def _watched(self, call: Call, inputs: list[Any], outputs: list[Any]) -> Failure | None:
        hazard = watched_fault(self._subject, self._body, (*inputs, *call.options, *outputs), call.order)
        return None if hazard is None else Failure(kind="hazard", reason=hazard.reason, details=hazard.remedy)


def failure_of(error: BaseException) -> Failure:
    """Return why a call that raised an exception has no result."""
    if isinstance(error, WrongResult):
        return Failure(kind="result", reason=str(error))
    if isinstance(error, NumbaError):
        return Failure(kind="untyped", reason=numba_reason(error) + numba_place(error))
    if _is_unmatched(error):
        return Failure(kind="unmatched", reason=numba_reason(error) + numba_place(error))
    if hazards := getattr(error, "hazards", ()):
        first = hazards[0]
        details = str(error).partition("\n")[2]
        return Failure(kind="hazard", reason=f"{first.kind}: {first.summary}", details=details)
    if isinstance(error, ImportError) and (package := _missing_package(error)):
        install = shlex.join([sys.executable, "-m", "pip", "install", package])
        return Failure(kind="package", reason=f"needs {package}, which is not installed; {install}")
    return Failure(kind="memory" if isinstance(error, MemoryError) else "exception", reason=_raised(error))


def _missing_package(error: ImportError) -> str:
    """Return the package that is not installed and that a call needs; empty if the error is of another kind."""
    required = re.match(
        r"(\w+)\b.* is required", first_line(error)
    )  # Numba: "scipy 0.16+ is required for linear algebra"
    name = required[1] if required else str(error.name or "").partition(".")[0]
    with suppress(ValueError):  # a module without a specification
        return "" if not name or find_spec(name) is not None else name
    return ""


def _warning(warned: list[warnings.WarningMessage]) -> str:
    """Return a line for the first hazard that the simulator warned of; "" if there is none."""
    hazards = [each.message.hazard for each in warned if isinstance(each.message, HazardWarning)]
    return f"{hazards[0].kind}: {hazards[0].summary}; {hazards[0].tolerated}" if hazards else ""


def _is_unmatched(error: BaseException) -> bool:
    """Return whether a call failed because none of a kernel's explicit signatures takes its arguments."""
    words = (
        "No matching definition",
        "did not contain a loop",
        "not supported for the input types",
        "Cannot cast ufunc",
    )
    return isinstance(error, TypeError) and any(each in str(error) for each in words)


def _raised(error: BaseException) -> str:
    """Return what a call raised, with the last line in the kernel's own file if the traceback has one."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*library_folders(), f"{Path(__file__).parents[1]}{os.sep}", "<"))
    ]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    nested = "UniTuple" in first_line(error) and "non scalar argument" in first_line(error)
    hint = "; Numba's parallel loops cannot use a tuple of tuples: unpack padding before the loop" if nested else ""
    return f"{raised(error)}{where}{hint}"
