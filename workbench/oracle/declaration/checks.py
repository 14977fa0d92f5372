"""Checks made from judgements on generated cases; a check reports what is wrong and for which case."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from hypothesis import given
from hypothesis import seed as seeded

from kernels.declare.op import Op
from workbench.sampling import FAMILIES, Case, cases
from workbench.sampling.drawing_settings import drawing
from workbench.system.errors import raised

AFFORDABLE = 150
"""Maximum elements in all inputs of the cases that are run most often: for differences, four times per element."""


@dataclass(frozen=True, kw_only=True)
class DeclarationFinding:
    """A fault in a declaration.

    Attributes
    ----------
    what : a short name of the property that does not hold
    reason : one line with values, indices, shapes and options
    token : the case that shows it; None if it is not a single case
    """

    what: str
    reason: str
    token: str | None = None


class DeclarationFault(Exception):  # noqa: N818 - it is a verdict
    """A property does not hold; the message is the reason."""


Check = Callable[[str, Op, Sequence[Case]], DeclarationFinding | None]
Judge = Callable[[Op, Case], int]


def draw(op: Op, examples: int, seed: int) -> list[Case]:
    """Draw cases with every family of values in turn; return them smallest first."""
    drawn: list[Case] = []
    families = list(FAMILIES)

    @seeded(seed)
    @drawing(examples)
    @given(cases(op, "float64"))
    def collect(case: Case) -> None:
        drawn.append(replace(case, family=families[len(drawn) % len(families)]))

    collect()
    return sorted(drawn, key=elements)


def elements(case: Case) -> int:
    """Return the number of elements of all inputs."""
    return sum(prod(shape) for shape in case.shapes.values())


def for_each_case(judge: Judge) -> Check:
    """Make a check from a judgement on one case, which raises or returns the number of values compared."""

    def check(what: str, op: Op, drawn: Sequence[Case]) -> DeclarationFinding | None:
        compared = 0
        for case in drawn:
            try:
                compared += judge(op, case)
            except Exception as error:
                return DeclarationFinding(what=what, reason=f"{_reason(error)}; {_call(case)}", token=case.token)
        if compared:
            return None
        return DeclarationFinding(
            what=what, reason=f"none of {len(drawn)} generated cases has values that could show it"
        )

    return check


def for_all_cases(judge: Callable[[Op, Sequence[Case]], None]) -> Check:
    """Make a check from a judgement on all cases together."""

    def check(what: str, op: Op, drawn: Sequence[Case]) -> DeclarationFinding | None:
        try:
            judge(op, drawn)
        except Exception as error:
            return DeclarationFinding(what=what, reason=_reason(error))
        return None

    return check


def on_small_cases(check: Check) -> Check:
    """Restrict a check to small cases; if there are none, use the smallest that has values."""

    def check_small(what: str, op: Op, drawn: Sequence[Case]) -> DeclarationFinding | None:
        small = [case for case in drawn if elements(case) <= AFFORDABLE]
        return check(what, op, small if any(map(elements, small)) else [case for case in drawn if elements(case)][:1])

    return check_small


def only_where(applies: Callable[[Op], bool], check: Check) -> Check:
    """Restrict a check to the operations that it applies to."""
    return lambda what, op, drawn: check(what, op, drawn) if applies(op) else None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, DeclarationFault) else raised(error)


def _call(case: Case) -> str:
    """Return the shapes and options of a call as text."""
    shapes = [f"{name} {shape}" for name, shape in case.shapes.items()]
    return ", ".join(shapes + [f"{name}={value}" for name, value in case.options.items()])
