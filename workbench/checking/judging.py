"""Judging a kernel on one case: several calls are checked against the a-priori bound and for forbidden side effects."""

from __future__ import annotations

import dataclasses
import os
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS, Implementation
from kernels.compile.twins import TwinKernel, only
from kernels.memory.devices import Device, get_device
from workbench.checking.buffers import FILLERS, lay_out, replace
from workbench.checking.picture import picture
from workbench.checking.results import Fault, Verdict, number
from workbench.checking.watching import prange_order
from workbench.numba_internals.errors import NumbaError
from workbench.oracle.bounds import Oracle, oracle
from workbench.oracle.reference import oracle_reference
from workbench.sampling import FAMILIES, LAYOUTS, Arrays, Case
from workbench.sim.common.errors import TOLERATED, HazardWarning
from workbench.system.errors import first_line, numba_place, numba_reason, raised
from workbench.system.python_code import library_folders
from workbench.target.binding import WrongResult
from workbench.target.command_device import DEVICES, CommandDevice

POISONS = (np.nan, -12345.678)
"""The contents of outputs before the first and the second call."""

EVERY = 3
"""Of every three cases, one is also run with other data in the same memory, and another one with scaled data."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A kernel to check, its device, and the conditions of the check.

    Attributes
    ----------
    implementation : the kernel, in the calling convention
    label : the name of the command line's device that it runs on
    fixed : options and optional inputs that it does not take, which stay at their default
    accumulate : the lower precision that it declares
    fastmath : whether it was compiled under the assumption that there are no NaN and no infinities
    body : the function as written, whose Python body can be run in place of the kernel; None if there is none
    rebuild : function -> the implementation that calls this function in place of the body; None: it becomes the target
    """

    implementation: Implementation
    label: str
    fixed: tuple[str, ...] = ()
    accumulate: str | None = None
    fastmath: bool = False
    body: Any = None
    rebuild: Callable[[Any], Implementation] | None = None

    def over(self, function: Any) -> Subject:
        """Return the same subject with another function instead of its body."""
        if self.rebuild is not None:
            return dataclasses.replace(self, implementation=self.rebuild(function))
        return dataclasses.replace(self, implementation=dataclasses.replace(self.implementation, target=function))

    @property
    def command_device(self) -> CommandDevice:
        """The command line's device that it runs on."""
        return DEVICES[self.label]

    @property
    def device(self) -> Device:
        """The device that its arrays are on."""
        return get_device(self.implementation.device)


class _Failed(Exception):  # noqa: N818 - a verdict on the kernel
    """A call failed; carries the verdict."""

    def __init__(self, fault: Fault | Verdict) -> None:
        super().__init__()
        self.verdict = fault if isinstance(fault, Verdict) else Verdict(fault=fault)


class _Refused(Exception):  # noqa: N818 - no error of the kernel, perhaps
    """There is no code for arguments of these types: none of the explicit signatures matches, or they cannot be typed."""

    def __init__(self, reason: str, *, typed: bool) -> None:
        super().__init__(reason)
        self.typed = typed

    def verdict(self) -> Verdict:
        """Return the verdict if the arrays are contiguous and writable."""
        if self.typed:
            return Verdict(fault=Fault(reason=f"does not compile: {self}"))
        return Verdict(unaccepted=str(self))


def judge(subject: Subject, case: Case) -> Verdict:
    """Run one case and return the verdict.

    The kernel is called twice on the same data, with different initial contents of the outputs; a kernel with a serial twin
    runs once in parallel and once serially. In one case of three it is called again with other data in the same memory, in
    another one with scaled data if the operation is linear.
    """
    try:
        return _judge(subject, case, case.layout)
    except _Refused as refusal:
        if case.layout == LAYOUTS[0]:
            return refusal.verdict()
    try:
        verdict = _judge(subject, case, LAYOUTS[0])
    except _Refused as refusal:
        return refusal.verdict()
    return dataclasses.replace(verdict, refused=case.layout)


def _judge(subject: Subject, case: Case, layout: str) -> Verdict:
    inputs = case.arrays()
    truth = _truth(subject, case, inputs)
    try:
        call = _Call(subject, case, inputs, truth, layout)
        with only("parallel"):
            first = call.run(POISONS[0])
        verdict = _compare(subject, case, truth, first)
        if verdict.fault is not None:
            return verdict
        call.lay_out(inputs, FILLERS[1])
        with only("serial"):
            again = call.run(POISONS[1])
        for name, got in first.items():
            if not _same_values(got, again[name]):
                with only("parallel"):
                    raise _Failed(_explain_difference(name, call, inputs, got))
        if subject.command_device.runs_bodies:
            _try_other_order(subject, case, call)
        if case.seed % EVERY == 0:
            _try_other_data(subject, case, call, first)
        elif case.seed % EVERY == 1:
            _try_scaled(subject, case, call, inputs, first)
    except _Failed as failed:
        return failed.verdict
    return dataclasses.replace(verdict, warning=call.warning)


def _explain_difference(name: str, call: _Call, inputs: Arrays, first: NDArray[Any]) -> Fault:
    """Return why two calls on the same data differ: memory around the inputs, former contents of the outputs, or chance."""

    def as_first(poison: float) -> bool:
        return all(_same_values(call.run(poison)[name], first) for _ in range(2))  # twice, to exclude chance

    if isinstance(call.subject.implementation.function, TwinKernel) and as_first(POISONS[1]):
        return Fault(reason=f"{name} differs between the parallel and the serial compilation of the kernel")
    call.lay_out(inputs, FILLERS[0])
    if as_first(POISONS[1]):
        return Fault(reason=f"{name} depends on what lies around the inputs: it reads outside them")
    if as_first(POISONS[0]):
        return Fault(reason=f"{name} depends on what its memory held before the call")
    return Fault(
        reason=f"{name} differs between two calls on the same data: not deterministic, a race or unordered atomics"
    )


def _truth(subject: Subject, case: Case, inputs: Arrays) -> Oracle:
    op = OPS[case.op]
    dtype = np.dtype(case.dtype)
    reference = oracle_reference(op, dtype, op.flops(case.shapes, case.options))
    return oracle(op, inputs, case.options, dtype, compiled=reference, accumulate=subject.accumulate)


class _Call:
    """The arrays of one case in their buffers, and the calls on them."""

    def __init__(self, subject: Subject, case: Case, inputs: Arrays, truth: Oracle, layout: str) -> None:
        self.subject, self.case, self.op = subject, case, OPS[case.op]
        self.truth = truth
        self._device = subject.device
        if any(array.size <= 1 for array in inputs.values()):
            layout = LAYOUTS[0]  # they cannot be strided, and every new mixture of layouts would need compiling
        self.layout, self.warning = layout, ""
        self.lay_out(inputs, FILLERS[0])

    def lay_out(self, inputs: Arrays, filler: float) -> None:
        """Copy the inputs into new buffers, between guard zones of ``filler``."""
        self._inputs = {name: lay_out(name, array, self.layout, self._device, filler) for name, array in inputs.items()}

    def run(self, poison: float) -> dict[str, NDArray[Any]]:
        """Call the kernel on poisoned outputs and return them by name.

        The zones around outputs hold numbers, because adding to NaN would not change it.
        """
        device, implementation = self._device, self.subject.implementation
        outputs = [
            lay_out(name, np.full(values.shape, poison, self.case.dtype), LAYOUTS[0], device, FILLERS[1])
            for name, values in implementation.of_outputs(
                self.op.outputs, list(zip(self.op.outputs, self.truth.expected, strict=True))
            )
        ]
        views = [
            each.view if implementation.views else device.prepare(each.view, each.view.dtype)
            for each in self._inputs.values()
        ]
        try:
            with warnings.catch_warnings(record=True) as warned, np.errstate(all="ignore"):
                warnings.simplefilter(
                    "always"
                )  # overflow and NaN in uncompiled bodies and small grids are of no interest
                implementation.function(
                    *views, *self.op.option_values(self.case.options), *(output.view for output in outputs)
                )
                device.synchronize()
            self.warning = self.warning or _warning(warned)
        except WrongResult as error:
            raise _Failed(Fault(reason=str(error))) from error
        except Exception as error:
            if isinstance(error, NumbaError) or _is_unmatched(error):
                raise _Refused(numba_reason(error) + numba_place(error), typed=isinstance(error, NumbaError)) from error
            raise _Failed(_fault_raised(error)) from error
        for each in (*self._inputs.values(), *outputs):
            if each.changed_outside(device):
                raise _Failed(Fault(reason=f"writes outside {each.name}"))
        for each in self._inputs.values():
            if each.changed(device):
                raise _Failed(Fault(reason=f"changes its input {each.name}"))
        return {each.name: each.contents(device) for each in outputs}

    def replace(self, inputs: Arrays) -> None:
        """Overwrite the inputs with other values, in the same memory."""
        self._inputs = {name: replace(self._inputs[name], array, self._device) for name, array in inputs.items()}


def _compare(subject: Subject, case: Case, truth: Oracle, outputs: dict[str, NDArray[Any]]) -> Verdict:
    """Judge outputs by their bounds; the fault names the worst element."""
    op, worst, excess, wrong = OPS[case.op], 0.0, 0.0, 0
    fault, fault_share, where = None, 0.0, []
    for position, name in enumerate(op.outputs):
        if name not in outputs or not outputs[name].size:
            continue
        got = outputs[name]
        shares = truth.shares(position, got)
        place = np.unravel_index(int(np.argmax(shares)), shares.shape)
        share = float(shares[place])
        worst = max(worst, share)
        if FAMILIES[case.family].zero_mean and subject.accumulate is None:
            excess = max(excess, truth.excess(position, got))
        if share > 1:
            beyond = shares > 1
            wrong += int(beyond.sum())
            where.append(picture(name, beyond))
            if fault is None or share > fault_share:
                fault_share = share
                fault = _numeric_fault(name, place, got, truth.expected[position], truth.bounds[position], share)
    if fault is not None:
        fault = dataclasses.replace(fault, where="; ".join(filter(None, where)))
    return Verdict(share=worst, excess=excess, fault=fault, wrong=wrong, outputs=outputs if fault else None)


def _numeric_fault(
    name: str, place: tuple[Any, ...], got: NDArray[Any], expected: NDArray[Any], bound: NDArray[Any], share: float
) -> Fault:
    index: tuple[str | int, ...] = (name, *(int(axis) for axis in place))
    where = f"{name}[{', '.join(map(str, index[1:]))}]"
    if isfinite(share):
        reason = f"{where} is {share:.3g} times its error bound away from the reference"
    elif np.isnan(got[place]) and not np.isnan(expected[place]):
        reason = f"{where} is NaN: never written, read from outside the arrays, or computed so"
    else:
        reason = f"{where} must equal the reference"
    return Fault(
        reason=reason,
        index=index,
        got=number(got[place]),
        expected=number(expected[place]),
        bound=number(bound[place]),
    )


def _try_other_data(subject: Subject, case: Case, call: _Call, before: dict[str, NDArray[Any]]) -> None:
    """Call again with other values in the same memory: a kernel that caches by address returns the earlier result."""
    other = dataclasses.replace(case, seed=case.seed ^ 0x5EED)
    inputs = other.arrays()
    call.replace(inputs)
    call.truth = _truth(subject, other, inputs)
    outputs = call.run(POISONS[0])
    verdict = _compare(subject, other, call.truth, outputs)
    if verdict.fault is None:
        return
    alone = _compare(subject, other, call.truth, _Call(subject, other, inputs, call.truth, call.layout).run(POISONS[0]))
    if alone.fault is not None:
        raise _Failed(dataclasses.replace(alone, case=other))  # wrong in new memory too
    stale = all(_same_values(got, before[name]) for name, got in outputs.items())
    what = "it gives the result of the call before: a stale cache" if stale else verdict.fault.reason
    raise _Failed(Fault(reason=f"called again with other data in the same memory, {what}"))


def _try_other_order(subject: Subject, case: Case, call: _Call) -> None:
    """Call the uncompiled body once more, with the iterations of its prange loops in another order."""
    with prange_order(case.seed):
        outputs = call.run(POISONS[0])
    if (fault := _compare(subject, case, call.truth, outputs).fault) is not None:
        raise _Failed(Fault(reason=f"with the iterations of prange in another order, {fault.reason}: a race"))


def _try_scaled(subject: Subject, case: Case, call: _Call, inputs: Arrays, before: dict[str, NDArray[Any]]) -> None:
    """Call with the input in which the operation is linear, and the bias, doubled: this scales every rounding exactly."""
    op = OPS[case.op]
    if not op.linear_in or subject.accumulate is not None or case.family not in ("normal", "integers", "cancelling"):
        return
    linear = op.linear_in[0]
    scaled = {linear, *(item.name for item in op.inputs if item.optional)}
    call.replace({name: 2 * array if name in scaled else array for name, array in inputs.items()})
    after = call.run(POISONS[0])
    for name, got in after.items():
        if not _same_values(got, 2 * before[name]):
            raise _Failed(
                Fault(reason=f"{name} is not linear in {linear}: twice the input does not give twice the output")
            )


def _warning(warned: list[warnings.WarningMessage]) -> str:
    """Return a line for the first hazard that the simulator warned of; "" if there is none."""
    hazards = [each.message.hazard for each in warned if isinstance(each.message, HazardWarning)]
    return f"{hazards[0].kind}: {hazards[0].summary}; {TOLERATED}" if hazards else ""


def _is_unmatched(error: Exception) -> bool:
    """Return whether a call failed because none of a kernel's explicit signatures takes its arguments."""
    words = (
        "No matching definition",
        "did not contain a loop",
        "not supported for the input types",
        "Cannot cast ufunc",
    )
    return isinstance(error, TypeError) and any(each in str(error) for each in words)


def _fault_raised(error: Exception) -> Fault:
    """Return the fault of an exception that a call raised; a hazard of the simulator is reported in full."""
    hazards = getattr(error, "hazards", ())
    if not hazards:
        return Fault(reason=_raised(error))
    first = hazards[0]
    return Fault(reason=f"{first.kind}: {first.summary}", details=str(error).partition("\n")[2])


def _raised(error: Exception) -> str:
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


def _same_values(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Return whether all bits agree, except those of NaNs."""
    signs = np.signbit(first) == np.signbit(second)
    return np.array_equal(first, second, equal_nan=True) and bool(np.all(signs | np.isnan(first)))
