"""Judging a kernel on one case: several calls are checked against the a-priori bound and for forbidden side effects.

The judge and the kernel need not be in one process: the judge asks a ``Caller`` for calls and looks at the bytes that they
leave. The expected values are computed only after the first call has returned.
"""

from __future__ import annotations

import dataclasses
import re
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.compile.twins import Twin
from workbench.checking.buffers import FILLERS, LaidOut, lay_out
from workbench.checking.calls import Call, Caller, Failure, Mode
from workbench.checking.picture import picture
from workbench.checking.results import Fault, Verdict, number
from workbench.checking.subject import Subject
from workbench.oracle.bounds import Oracle
from workbench.oracle.poison import POISONS, poison_of, poisoned
from workbench.oracle.spot import spot
from workbench.oracle.truth import truth_of
from workbench.sampling import FAMILIES, Arrays, Case
from workbench.sampling.layouts import CONTIGUOUS, layout_for, layout_of_input
from workbench.system.errors import InputError, first_line
from workbench.system.process import NoAnswer

SMALL_BYTES = 1 << 20
"""Running out of memory on smaller arrays is a fault of the kernel; on larger ones the machine may lack it."""

UNSHAPED = "NotImplementedError: incompatible shape for array"
"""What Numba raises where compiled code reshapes an array that is not C-contiguous: an honest refusal of the layout."""

_CANNOT = re.compile(r"^\w+ cannot be compiled: ")
"""How the simulator begins; the report has said so before."""

EVERY = 3
"""Of every three cases, one is also run with other data in the same memory, another one with scaled data, and the third with
arrays that have no guard zones, which a kernel could look for."""


class _Failed(Exception):  # noqa: N818 - a verdict on the kernel
    """A call failed; carries the verdict."""

    def __init__(self, fault: Fault | Verdict) -> None:
        super().__init__()
        self.verdict = fault if isinstance(fault, Verdict) else Verdict(fault=fault)


class _Lacking(Exception):  # noqa: N818 - a verdict on the machine
    """The machine lacks memory for a call."""


class _Refused(Exception):  # noqa: N818 - no error of the kernel, perhaps
    """There is no code for arguments of these types: none of the explicit signatures matches, or they cannot be typed."""

    def __init__(self, reason: str, *, typed: bool) -> None:
        super().__init__(reason)
        self.typed = typed

    def verdict(self) -> Verdict:
        """Return the verdict if the arrays are contiguous and writable."""
        if self.typed:
            return Verdict(fault=Fault(reason=f"does not compile: {_CANNOT.sub('', str(self))}"))
        return Verdict(unaccepted=str(self))


def judge(subject: Subject, case: Case, caller: Caller, mode: Mode = "run") -> Verdict:
    """Run one case and return the verdict.

    The kernel is called twice on the same data, with different initial contents of the outputs; a kernel with a serial twin
    runs once in parallel and once serially. In one case of three it is called again with other data in the same memory, in
    another one with scaled data if the operation is linear, in the third without guard zones.

    Raises
    ------
    NoAnswer
        The kernel's process was killed, as others can do it.
    InputError
        The kernel needs a package that is not installed.
    """
    try:
        if mode == "watch":
            return _watched(subject, case, caller)
        if mode == "huge":
            return _judge_huge(subject, case, caller)
        return _judged(subject, case, caller, mode)
    except _Lacking as lacking:
        return Verdict(lacks=str(lacking))
    except MemoryError as error:
        return Verdict(lacks=f"not enough memory ({first_line(error)})")
    except NoAnswer as reason:
        if reason.killed:
            raise
        return Verdict(fault=Fault(reason=str(reason), crash=reason.crashed))


def _watched(subject: Subject, case: Case, caller: Caller) -> Verdict:
    """Have the body run with every access watched, and the iterations of ``prange`` in another order.

    Exceptions and wrong numbers are not a fault, because the body may need to be compiled, unless the numbers are right in
    the natural order.
    """
    inputs = case.arrays()
    call = _Calls(subject, case, inputs, CONTIGUOUS, caller, "watch")
    try:
        permuted = call.run(POISONS[0], order=case.seed, bare=True)
        truth = _truth(subject, case, inputs)
        fault = _compare(subject, case, truth, permuted).fault
        if fault is None or _compare(subject, case, truth, call.run(POISONS[0], bare=True)).fault is not None:
            return Verdict()
    except _Failed as failed:
        return failed.verdict
    return Verdict(fault=_of_order(fault))


def _judge_huge(subject: Subject, case: Case, caller: Caller) -> Verdict:
    """Judge one call on arrays of more than 2**31 bytes, at some elements of the outputs."""
    op, implementation = OPS[case.op], subject.implementation
    returned = caller.call_huge(case)
    if returned.failure is not None:
        failure = returned.failure
        if failure.kind == "memory":
            return Verdict(lacks=f"not enough memory ({failure.reason})")
        return Verdict(fault=Fault(reason=failure.reason, details=failure.details))
    sizes = zip(op.output_shapes(case.shapes, case.options), op.dtypes_of_outputs(case.dtype), strict=True)
    outputs = [
        buffer.view(dtype).reshape(shape)
        for buffer, (shape, dtype) in zip(
            returned.buffers, implementation.of_outputs(op.outputs, list(sizes)), strict=True
        )
    ]
    chosen = spot(op, case.arrays(), case.options, case.dtype, case.seed, subject.accumulate, free=subject.free)
    fault = chosen.fault(outputs, implementation.computes)
    return Verdict(fault=Fault(reason=fault) if fault else None)


def _judged(subject: Subject, case: Case, caller: Caller, mode: Mode) -> Verdict:
    try:
        return _judge(subject, case, case.layout, caller, mode)
    except _Refused as refusal:
        if case.layout == CONTIGUOUS:
            return refusal.verdict()
    try:
        verdict = _judge(subject, case, CONTIGUOUS, caller, mode)
    except _Refused as refusal:
        return refusal.verdict()
    return dataclasses.replace(verdict, refused=case.layout)


def _judge(subject: Subject, case: Case, layout: str, caller: Caller, mode: Mode) -> Verdict:
    inputs = case.arrays()
    try:
        call = _Calls(subject, case, inputs, layout, caller, mode)
        first = call.run(POISONS[0], twin="parallel")
        truth = _truth(subject, case, inputs)
        verdict = _compare(subject, case, truth, first)
        if verdict.fault is not None:
            return dataclasses.replace(verdict, fault=_explain_unset(verdict.fault, call, inputs, truth, first))
        if case.seed % EVERY == 2:
            call.stays()
        call.lay_out(inputs, FILLERS[1])
        again = call.run(POISONS[1], twin="serial")
        for name, got in first.items():
            if not _same_values(got, again[name]):
                raise _Failed(_explain_difference(name, call, inputs, got))
        if subject.command_device.runs_bodies:
            _try_other_order(subject, case, call, truth)
        if case.seed % EVERY == 0:
            _try_other_data(subject, case, call, first)
        elif case.seed % EVERY == 1:
            _try_scaled(subject, case, call, inputs, first)
        elif subject.implementation.device == "cpu" and call.layout == CONTIGUOUS:
            _try_bare(subject, case, call, truth)
    except _Failed as failed:
        return failed.verdict
    return dataclasses.replace(verdict, warning=call.warning)


def _explain_unset(fault: Fault, call: _Calls, inputs: Arrays, truth: Oracle, first: dict[str, NDArray[Any]]) -> Fault:
    """Say why there is a NaN or a wrong integer, if another call shows it: with other contents of the output before."""
    if fault.index is None:
        return fault
    name, place = str(fault.index[0]), tuple(map(int, fault.index[1:]))
    got, expected = first[name], truth.expected[call.op.outputs.index(name)]
    is_whole = got.dtype.kind != "f"
    if not is_whole and (fault.got != "nan" or fault.expected == "nan"):
        return fault
    wrong = got != expected if is_whole else np.isnan(got) & np.isfinite(expected)
    try:
        call.lay_out(inputs, FILLERS[1])
        again = call.run(POISONS[1])[name]
    except (_Failed, _Refused):
        return fault
    former, poison = (poison_of(again.dtype, each) for each in POISONS)
    values = again[wrong]
    if is_whole:  # sums of these wrap around, as those of the kernel
        added = bool(np.all(values - poison == expected[wrong])) and bool(
            np.all(got[wrong] - former == expected[wrong])
        )
    else:
        tolerance = 8 * np.finfo(again.dtype).eps * (abs(poison) + np.abs(expected[wrong]))
        added = bool(np.all(np.abs(values - poison - expected[wrong]) <= tolerance))
    kept = bool(np.all(values == poison))
    if added and not kept:
        cause = f"added to what {name} held before the call; set {name} first"
    elif again[place] == poison and not added and (not is_whole or got[place] == former):
        cause = "never written"
    else:
        return fault
    where = fault.reason.partition(" must equal" if is_whole else " is NaN")[0]
    what = f"{got[place]}, what was there before" if is_whole and cause == "never written" else str(got[place])
    return dataclasses.replace(fault, reason=f"{where} is {what if is_whole else 'NaN'}: {cause}")


def _explain_difference(name: str, call: _Calls, inputs: Arrays, first: NDArray[Any]) -> Fault:
    """Return why two calls on the same data differ: memory around the inputs, former contents of the outputs, or chance."""

    def as_first(poison: float) -> bool:
        repeated = (call.run(poison, twin="parallel")[name] for _ in range(2))  # twice, to exclude chance
        return all(_same_values(each, first) for each in repeated)

    if call.has_twin and as_first(POISONS[1]):
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
    return truth_of(
        OPS[case.op], inputs, case.options, np.dtype(case.dtype), accumulate=subject.accumulate, free=subject.free
    )


class _Calls:
    """The arrays of one case as bytes, and the calls on them."""

    def __init__(self, subject: Subject, case: Case, inputs: Arrays, layout: str, caller: Caller, mode: Mode) -> None:
        self.subject, self.case, self.op = subject, case, OPS[case.op]
        self._caller, self._mode = caller, mode
        self.has_twin = caller.has_twin
        self.layout, self.warning = layout_for(layout, [array.shape for array in inputs.values()]), ""
        self.arrays: Arrays = {}
        self.lay_out(inputs, FILLERS[0])

    def lay_out(self, inputs: Arrays, filler: float) -> None:
        """Lay the inputs out, between guard zones of ``filler``."""
        self.arrays = inputs
        self._inputs = tuple(
            self._laid(name, array, layout_of_input(self.layout, position), filler)
            for position, (name, array) in enumerate(inputs.items())
        )

    def run(
        self,
        poison: float,
        *,
        twin: Twin | None = None,
        order: int | None = None,
        same_memory: bool = False,
        bare: bool = False,
    ) -> dict[str, NDArray[Any]]:
        """Call the kernel on poisoned outputs and return them by name; see ``Call`` for the options.

        The zones around outputs hold numbers, because adding to NaN would not change it. ``bare`` arrays have no zones.
        """
        inputs = self._inputs
        if bare:
            inputs = tuple(self._laid(name, each, CONTIGUOUS, 0, bare=True) for name, each in self.arrays.items())
        shapes = {name: array.shape for name, array in self.arrays.items()}
        outputs = tuple(
            self._laid(name, poisoned(shape, dtype, poison), CONTIGUOUS, FILLERS[1], bare=bare)
            for name, shape, dtype in self.subject.implementation.of_outputs(
                self.op.outputs,
                list(
                    zip(
                        self.op.outputs,
                        self.op.output_shapes(shapes, self.case.options),
                        self.op.dtypes_of_outputs(self.case.dtype),
                        strict=True,
                    )
                ),
            )
        )
        returned = self._caller.call(
            Call(
                inputs=inputs,
                outputs=outputs,
                options=self.op.option_values(self.case.options),
                mode=self._mode,
                twin=twin,
                order=order,
                same_memory=same_memory,
            )
        )
        if returned.failure is not None:
            raise self._refusal(returned.failure, sum(each.image.size for each in (*inputs, *outputs)))
        self.warning = self.warning or returned.warning
        self._after, self._last = returned.buffers, (*inputs, *outputs)
        if self._mode != "watch":
            self._expect_nothing_else_changed(inputs)
        return {
            laid.name: laid.contents(after) for laid, after in zip(outputs, self._after[len(inputs) :], strict=True)
        }

    def _expect_nothing_else_changed(self, inputs: tuple[LaidOut, ...]) -> None:
        for laid, after in zip(self._last, self._after, strict=True):
            if laid.changed_outside(after):
                raise _Failed(Fault(reason=f"writes outside {laid.name}"))
        for laid, after in zip(inputs, self._after, strict=False):
            if laid.changed(after):
                raise _Failed(Fault(reason=f"changes its input {laid.name}"))

    def stays(self) -> None:
        """Fail if the buffers of the last call have changed since it returned."""
        for laid, before, now in zip(self._last, self._after, self._caller.read_again(), strict=True):
            if now.tobytes() != before.tobytes():
                raise _Failed(Fault(reason=f"changes {laid.name} after it has returned: it works on in the background"))

    def replace(self, inputs: Arrays) -> None:
        """Overwrite the inputs with other values, to be called with ``same_memory``."""
        self.arrays = inputs
        self._inputs = tuple(laid.replaced(array) for laid, array in zip(self._inputs, inputs.values(), strict=True))

    def _refusal(self, failure: Failure, size: int) -> Exception:
        """Return the exception for a call without a result, on arrays of ``size`` bytes in all."""
        if failure.kind in ("untyped", "unmatched"):
            return _Refused(failure.reason, typed=failure.kind == "untyped")
        if self.layout != CONTIGUOUS and UNSHAPED in failure.reason:
            return _Refused(failure.reason, typed=False)
        if failure.kind == "package":
            return InputError(f"{self.subject.implementation.name}: {failure.reason}")
        if failure.kind == "memory" and size > SMALL_BYTES:
            return _Lacking(f"not enough memory for arrays of {size:,} bytes ({failure.reason})")
        bounds = self._mode == "bounds" and "IndexError" in failure.reason
        reason = f"with bounds checks it {failure.reason}" if bounds else failure.reason
        return _Failed(Fault(reason=reason, details=failure.details))

    def _laid(self, name: str, array: NDArray[Any], layout: str, filler: float, *, bare: bool = False) -> LaidOut:
        return lay_out(name, array, layout, self.subject.implementation.device, filler, bare=bare)


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


def _try_other_data(subject: Subject, case: Case, call: _Calls, before: dict[str, NDArray[Any]]) -> None:
    """Call again with other values in the same memory: a kernel that caches by address returns the earlier result."""
    other = dataclasses.replace(case, seed=case.seed ^ 0x5EED)
    inputs = other.arrays()
    call.replace(inputs)
    outputs = call.run(POISONS[0], same_memory=True)
    truth = _truth(subject, other, inputs)
    verdict = _compare(subject, other, truth, outputs)
    if verdict.fault is None:
        return
    call.lay_out(inputs, FILLERS[0])
    alone = _compare(subject, other, truth, call.run(POISONS[0]))
    if alone.fault is not None:
        raise _Failed(dataclasses.replace(alone, case=other))  # wrong in new memory too
    stale = all(_same_values(got, before[name]) for name, got in outputs.items())
    what = "it gives the result of the call before: a stale cache" if stale else verdict.fault.reason
    raise _Failed(Fault(reason=f"called again with other data in the same memory, {what}"))


def _try_other_order(subject: Subject, case: Case, call: _Calls, truth: Oracle) -> None:
    """Call the uncompiled body once more, with the iterations of its prange loops in another order."""
    outputs = call.run(POISONS[0], order=case.seed)
    if (fault := _compare(subject, case, truth, outputs).fault) is not None:
        raise _Failed(_of_order(fault))


def _of_order(fault: Fault) -> Fault:
    return Fault(reason=f"with the iterations of prange in another order, {fault.reason}: a race")


def _try_bare(subject: Subject, case: Case, call: _Calls, truth: Oracle) -> None:
    """Call with arrays that have memory of their own: a kernel must not depend on the zones around those of a check."""
    outputs = call.run(POISONS[0], bare=True)
    if (fault := _compare(subject, case, truth, outputs).fault) is not None:
        raise _Failed(Fault(reason=f"{fault.reason}, on arrays without the guard zones of a check"))


def _try_scaled(subject: Subject, case: Case, call: _Calls, inputs: Arrays, before: dict[str, NDArray[Any]]) -> None:
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


def _same_values(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Return whether all bits agree, except those of NaNs."""
    signs = np.signbit(first) == np.signbit(second)
    return np.array_equal(first, second, equal_nan=True) and bool(np.all(signs | np.isnan(first)))
