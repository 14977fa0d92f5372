"""The results of a check: records that the command line, the tests and the worker process share."""

from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from numpy.typing import NDArray

from kernels.declare.op import Shape
from workbench.sampling import Case


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An error of one call.

    Attributes
    ----------
    reason : one line
    index : of the worst element, behind the output's name; None where the fault is not in one element
    got, expected, bound : of that element; non-finite numbers as text
    where : a line on where in the output the errors lie
    details : lines that say more
    crash : whether the process ended, and with it the memory that earlier calls left
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
    excess : the worst error as a share of the level that random rounding errors are likely to stay under
    fault : the first thing that is wrong
    refused : the layout of the inputs that the kernel does not compile for; it was run on contiguous ones instead
    unaccepted : why none of the kernel's signatures takes contiguous arrays of this dtype; then nothing was judged
    outputs : what the kernel gave, by name, where there is a fault in the numbers
    wrong : how many elements are beyond their bound
    case : the case at fault, where it is not the one that was run but one that followed from it
    """

    share: float = 0.0
    excess: float = 0.0
    fault: Fault | None = None
    refused: str | None = None
    unaccepted: str = ""
    outputs: dict[str, NDArray[Any]] | None = None
    wrong: int = 0
    case: Case | None = None


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """The smallest failing case that was found.

    Attributes
    ----------
    shapes, options : of the call
    index : of the worst element, behind the output's name; None where the fault is not in one element
    got, expected, bound : of that element; non-finite numbers as text
    replay : the token for ``workbench check --replay``
    family, layout : of the values, and of the inputs in memory
    where : where the errors lie, in the failing case with the most of them
    details : lines that say more of the fault
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


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The verdict on one implementation and dtype.

    Attributes
    ----------
    status : "pass", "warn", "fail" or "skipped"
    notes : what the check did not judge, and the reason: options at their default, layouts not accepted, rules given up
    families : by name, the number of examples and the worst share of the bound
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
        """Return the result as the contract's JSON object."""
        fields = asdict(self)
        share = self.worst_share_of_bound
        fields["worst_share_of_bound"] = None if share is None else number(share)
        fields["families"] = {
            name: {"examples": count, "worst_share_of_bound": number(worst)}
            for name, (count, worst) in self.families.items()
        }
        return fields


def number(value: Any) -> float | str:
    """Return a float that JSON can carry; NaN and infinities as text."""
    value = float(value)
    return value if isfinite(value) else str(value)
