"""Checking kernels: they run on generated cases and are compared with the reference, within the a-priori bound.

``engine`` searches for a failing case, ``judging`` judges one, ``subjects`` and ``worker`` run it in this process or in
one that may crash or hang.
"""

from workbench.checking.engine import Mode, Runner, check, check_case
from workbench.checking.judging import Subject, judge
from workbench.checking.results import CheckResult, Counterexample, Fault, Verdict
from workbench.checking.subjects import InProcess, built_in, users

__all__ = [
    "CheckResult",
    "Counterexample",
    "Fault",
    "InProcess",
    "Mode",
    "Runner",
    "Subject",
    "Verdict",
    "built_in",
    "check",
    "check_case",
    "judge",
    "users",
]
