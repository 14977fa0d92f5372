"""The results of a check: records that the command line, the tests and the worker process share."""

from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.declare.op import Shape
from workbench.sampling import Case


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An error of one call.

    Attributes
    ----------
    reason : one line
    index : the output's name and the index of the worst element; None if the fault is not in one element
    got, expected, bound : the values of that element; non-finite numbers as text
    where : a line that describes where in the output the errors are
    details : lines with more information
    crash : whether the process ended, and its memory with it
    """

    reason: str
    index: tuple[str | int, ...] | None = None
    got: float | str | None = None
    expected: float | str | None = None
    bound: float | str | None = None
    where: str = ""
    details: str = ""
    crash: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a kernel on one case.

    Attributes
    ----------
    share : the worst error as a share of its bound
    excess : the worst error as a share of the level below which random rounding errors are likely to stay
    fault : the first fault
    refused : the layout of inputs that the kernel does not compile for; it was run on contiguous ones instead
    lacks : what the machine lacks for this case; then nothing was judged
    unaccepted : why none of the kernel's signatures takes contiguous arrays of this dtype; then nothing was judged
    outputs : the kernel's outputs, by name, if there is a fault in the numbers
    wrong : the number of elements beyond their bound
    warning : what the simulator warned of: a line, for what GPUs tolerate though CUDA forbids it
    case : the case that failed, if it is not the one that was run but one derived from it
    """

    share: float = 0.0
    excess: float = 0.0
    fault: Fault | None = None
    refused: str | None = None
    lacks: str = ""
    unaccepted: str = ""
    outputs: dict[str, NDArray[Any]] | None = None
    wrong: int = 0
    warning: str = ""
    case: Case | None = None


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """The smallest failing case that was found.

    Attributes
    ----------
    shapes, options : those of the call
    index : the output's name and the index of the worst element; None if the fault is not in one element
    got, expected, bound : the values of that element; non-finite numbers as text
    replay : the token for ``workbench check --replay``
    family, layout : the family of the values, and the layout of the inputs in memory
    where : where the errors are, in the failing case with the most of them
    details : lines with more information on the fault
    reach : what the cases on which the kernel is wrong have in common, and on how many others it is right
    """

    shapes: dict[str, Shape]
    options: dict[str, Any]
    index: tuple[str | int, ...] | None
    got: float | str | None
    expected: float | str | None
    bound: float | str | None
    replay: str
    family: str
    layout: str
    where: str
    details: str = ""
    reach: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The verdict on one implementation and dtype.

    Attributes
    ----------
    status : "pass", "warn", "fail" or "skipped"
    notes : what the check did not judge, and why: options at their default, layouts not accepted, rules that do not apply
    families : name -> the number of examples and the worst share of the bound
    """

    op: str
    implementation: str
    device: str
    dtype: str
    status: str
    examples: int = 0
    worst_share_of_bound: float | None = None
    reason: str = ""
    counterexample: Counterexample | None = None
    notes: tuple[str, ...] = ()
    families: dict[str, tuple[int, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object, in the documented format."""
        fields = asdict(self)
        share = self.worst_share_of_bound
        fields["worst_share_of_bound"] = None if share is None else number(share)
        fields["families"] = {
            name: {"examples": count, "worst_share_of_bound": number(worst)}
            for name, (count, worst) in self.families.items()
        }
        return fields


def number(value: Any) -> float | str:
    """Return an integer as it is, and a float that JSON can represent; NaN and infinities as text."""
    if isinstance(value, np.integer):
        return int(value)
    value = float(value)
    return value if isfinite(value) else str(value)
