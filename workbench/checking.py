"""Is an implementation right? Generated cases, judged against the reference within the a-priori bound."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky
from numpy.typing import NDArray

from kernels import OPS, Implementation
from kernels.devices import Device
from kernels.op import Shape
from workbench.sampling import Case, cases
from workbench.tolerance import oracle

GUARD = (32, 4096)
"""Elements of NaN before and behind every array, as many as it has, but at least and at most these: what is read there
shows, what is written there is seen, even a whole plane away."""

POISONS = (np.nan, -12345.678)
"""What outputs hold before the first and the second call."""


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """The smallest failing case that was found.

    Attributes
    ----------
    shapes, options : of the call
    index : of the worst element, behind the output's name; None where the fault is not in one element
    got, expected, bound : of that element; non-finite numbers as text
    replay : the token for ``workbench check --replay``
    """

    shapes: dict[str, Shape]
    options: dict[str, Any]
    index: tuple[str | int, ...] | None
    got: float | str | None
    expected: float | str | None
    bound: float | str | None
    replay: str


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The verdict on one implementation and dtype: status "pass", "warn", "fail" or "skipped"."""

    op: str
    implementation: str
    device: str
    dtype: str
    status: str
    examples: int = 0
    worst_share_of_bound: float | None = None
    reason: str = ""
    counterexample: Counterexample | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the result as the contract's JSON object."""
        fields = asdict(self)
        share = self.worst_share_of_bound
        fields["worst_share_of_bound"] = None if share is None else number(share)
        return fields


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with one call."""

    reason: str
    index: tuple[str | int, ...] | None = None
    got: float | str | None = None
    expected: float | str | None = None
    bound: float | str | None = None


class _Falsified(Exception):  # noqa: N818 - what hypothesis calls it
    """A case failed; raised inside the property so that hypothesis shrinks it."""


def number(value: Any) -> float | str:
    """Give a float that JSON can carry; NaN and infinities as text."""
    value = float(value)
    return value if isfinite(value) else str(value)


def check(
    implementation: Implementation,
    device: Device,
    *,
    label: str,
    dtype: str,
    examples: int,
    seed_value: int = 0,
    on_example: Callable[[int], None] = lambda _count: None,
) -> CheckResult:
    """Check an implementation on generated cases.

    Parameters
    ----------
    implementation : what is checked
    device : where it runs
    label : the device's name in the report: cpu, cuda, sim or python
    dtype : "float32" or "float64"
    examples : how many cases
    seed_value : the same seed draws the same cases
    on_example : told the number of examples after each
    """
    op = OPS[implementation.op]
    count, worst = 0, 0.0
    failure: tuple[Case, Fault] | None = None

    @seed(seed_value)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(cases(op, dtype))
    def holds(case: Case) -> None:
        nonlocal count, worst, failure
        if not implementation.accepts(case.shapes, case.options, dtype):
            return
        share, fault = judge(implementation, device, case)
        if failure is None:
            count += 1
            worst = max(worst, share)
            on_example(count)
        if fault is not None:
            failure = (case, fault)  # hypothesis runs the smallest last
            raise _Falsified

    try:
        holds()
    except (_Falsified, Flaky):
        assert failure is not None
    return _result(implementation, label, dtype, count, worst, failure)


def check_case(implementation: Implementation, device: Device, *, label: str, case: Case) -> CheckResult:
    """Check an implementation on one case."""
    share, fault = judge(implementation, device, case)
    return _result(implementation, label, case.dtype, 1, share, None if fault is None else (case, fault))


def judge(implementation: Implementation, device: Device, case: Case) -> tuple[float, Fault | None]:
    """Run one case twice; give the worst share of the bound and the first fault."""
    op = OPS[case.op]
    inputs = case.arrays()
    truth = oracle(op, inputs, case.options, np.dtype(case.dtype))
    results = []
    for poison in POISONS:
        outputs = [np.full(values.shape, poison, case.dtype) for values in truth.expected]
        fault = _call(implementation, device, case, inputs, outputs)
        if fault is not None:
            return 0.0, fault
        results.append(outputs)
    first, second = results
    worst, worst_fault = 0.0, None
    for position, (name, got) in enumerate(zip(op.outputs, first, strict=True)):
        shares = truth.shares(position, got)
        if shares.size == 0:
            continue
        place = np.unravel_index(int(np.argmax(shares)), shares.shape)
        share = float(shares[place])
        if share > worst:
            worst = share
        if share > 1 and (worst_fault is None or share == worst):
            worst_fault = _numeric_fault(name, place, got, truth.expected[position], truth.bounds[position], share)
    if worst_fault is None:
        for name, got, again in zip(op.outputs, first, second, strict=True):
            if not _same_values(got, again):
                reason = (
                    f"{name} differs between two calls: not deterministic, or dependent on what its memory held before"
                )
                return worst, Fault(reason=reason)
    return worst, worst_fault


def _numeric_fault(
    name: str, place: tuple[Any, ...], got: NDArray[Any], expected: NDArray[Any], bound: NDArray[Any], share: float
) -> Fault:
    index: tuple[str | int, ...] = (name, *(int(axis) for axis in place))
    where = f"{name}[{', '.join(map(str, index[1:]))}]"
    if isfinite(share):
        reason = f"{where} is {share:.3g} times its error bound away from the reference"
    elif got[place] != got[place] and expected[place] == expected[place]:
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


def _call(
    implementation: Implementation,
    device: Device,
    case: Case,
    inputs: dict[str, NDArray[Any]],
    outputs: list[NDArray[Any]],
) -> Fault | None:
    """Call the implementation between guard zones; fill ``outputs``; report what it did besides."""
    op = OPS[case.op]
    arrays = [*inputs.values(), *outputs]
    names = [*inputs, *op.outputs]
    before = [_guarded(array) for array in arrays]
    buffers = [device.from_host(buffer.copy()) for buffer in before]
    views = [
        buffer[_guard(array) : _guard(array) + array.size].reshape(array.shape)
        for buffer, array in zip(buffers, arrays, strict=True)
    ]
    given_inputs, given_outputs = views[: len(inputs)], views[len(inputs) :]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # overflow and NaN in uncompiled bodies; small grids on a GPU
            implementation.function(*given_inputs, *op.option_values(case.options), *given_outputs)
            device.synchronize()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return Fault(reason=f"raises {type(error).__name__}: {lines[0]}")
    for position, (name, old, buffer) in enumerate(zip(names, before, buffers, strict=True)):
        new = device.to_host(buffer)
        guard = _guard(arrays[position])
        if not _same_bits(old[:guard], new[:guard]) or not _same_bits(old[-guard:], new[-guard:]):
            return Fault(reason=f"writes outside {name}")
        data = new[guard:-guard]
        if position < len(inputs):
            if not _same_bits(old[guard:-guard], data):
                return Fault(reason=f"changes its input {name}")
        else:
            outputs[position - len(inputs)][...] = data.reshape(arrays[position].shape)
    return None


def _guard(array: NDArray[Any]) -> int:
    least, most = GUARD
    return max(least, min(array.size, most))


def _guarded(array: NDArray[Any]) -> NDArray[Any]:
    """Give the array flat, between guard zones of NaN (for integers: of the smallest one)."""
    filler = np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).min
    guard = _guard(array)
    buffer = np.full(array.size + 2 * guard, filler, array.dtype)
    buffer[guard:-guard] = array.reshape(-1)
    return buffer


def _same_values(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Say whether all bits agree, those of NaNs apart."""
    signs = np.signbit(first) == np.signbit(second)
    return np.array_equal(first, second, equal_nan=True) and bool(np.all(signs | np.isnan(first)))


def _same_bits(first: NDArray[Any], second: NDArray[Any]) -> bool:
    return first.tobytes() == second.tobytes()


def _result(
    implementation: Implementation,
    label: str,
    dtype: str,
    count: int,
    worst: float,
    failure: tuple[Case, Fault] | None,
) -> CheckResult:
    status, reason, counterexample = "pass", "", None
    if count == 0:
        status, reason = "skipped", "it accepts none of the generated cases"
    if failure is not None:
        case, fault = failure
        status, reason = "fail", fault.reason
        counterexample = Counterexample(
            shapes=case.shapes,
            options=case.options,
            index=fault.index,
            got=fault.got,
            expected=fault.expected,
            bound=fault.bound,
            replay=case.token,
        )
    return CheckResult(
        op=implementation.op,
        implementation=implementation.name,
        device=label,
        dtype=dtype,
        status=status,
        examples=count,
        worst_share_of_bound=worst if failure is None or failure[1].index is not None else None,
        reason=reason,
        counterexample=counterexample,
    )
