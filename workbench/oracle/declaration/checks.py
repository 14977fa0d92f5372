"""Checks made of judgements on generated cases: a check says what is wrong and on which case it was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from kernels.declare.op import Op
from workbench.sampling import FAMILIES, Case, cases

AFFORDABLE = 150
"""Elements of all inputs of the cases that are run most often: by differences, four times for each element."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong with a declaration.

    Attributes
    ----------
    what : the property that does not hold, in a word
    reason : one line that names values, indices, shapes and options
    token : the case that shows it, None where no single case does
    """

    what: str
    reason: str
    token: str | None = None


class Fault(Exception):  # noqa: N818 - it is a verdict
    """A property does not hold; the text is the reason."""


Check = Callable[[str, Op, Sequence[Case]], Finding | None]
Judge = Callable[[Op, Case], int]


def draw(op: Op, examples: int, seed: int) -> list[Case]:
    """Draw cases, of every family of values in turn; give the smallest first."""
    drawn: list[Case] = []
    families = list(FAMILIES)

    @seeded(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(op, "float64"))
    def collect(case: Case) -> None:
        drawn.append(replace(case, family=families[len(drawn) % len(families)]))

    collect()
    return sorted(drawn, key=elements)


def elements(case: Case) -> int:
    """Count the elements of all inputs."""
    return sum(prod(shape) for shape in case.shapes.values())


def for_each_case(judge: Judge) -> Check:
    """Make a check of a judgement on one case, which raises or says how many values it has compared."""

    def check(what: str, op: Op, drawn: Sequence[Case]) -> Finding | None:
        compared = 0
        for case in drawn:
            try:
                compared += judge(op, case)
            except Exception as error:
                return Finding(what=what, reason=f"{_reason(error)}; {_call(case)}", token=case.token)
        if compared:
            return None
        return Finding(what=what, reason=f"none of {len(drawn)} generated cases has values on which it could be seen")

    return check


def for_all_cases(judge: Callable[[Op, Sequence[Case]], None]) -> Check:
    """Make a check of a judgement that takes all cases together."""

    def check(what: str, op: Op, drawn: Sequence[Case]) -> Finding | None:
        try:
            judge(op, drawn)
        except Exception as error:
            return Finding(what=what, reason=_reason(error))
        return None

    return check


def on_small_cases(check: Check) -> Check:
    """Leave the larger cases to the other checks; where all are large, take the smallest that has values."""

    def check_small(what: str, op: Op, drawn: Sequence[Case]) -> Finding | None:
        small = [case for case in drawn if elements(case) <= AFFORDABLE]
        return check(what, op, small if any(map(elements, small)) else [case for case in drawn if elements(case)][:1])

    return check_small


def only_where(applies: Callable[[Op], bool], check: Check) -> Check:
    """Leave out the operations that a check does not apply to."""
    return lambda what, op, drawn: check(what, op, drawn) if applies(op) else None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Fault) else raised(error)


def raised(error: Exception) -> str:
    """Say in one line what was raised."""
    lines = str(error).strip().splitlines() or [""]
    return f"raises {type(error).__name__}: {lines[0]}"


def _call(case: Case) -> str:
    """Say what was called: shapes and options."""
    shapes = [f"{name} {shape}" for name, shape in case.shapes.items()]
    return ", ".join(shapes + [f"{name}={value}" for name, value in case.options.items()])
