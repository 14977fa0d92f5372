"""Checking kernels: they run on generated cases and are compared with the reference, within the a-priori bound.

``engine`` searches for a failing case, ``judging`` judges one. The judge asks for calls of the kernel and looks at what they
leave in memory; ``calling`` makes them in this process, ``worker`` has them made in one that may crash, hang or cheat.
"""

from workbench.checking.calls import Mode
from workbench.checking.engine import Pass, Runner, check, check_case
from workbench.checking.judging import judge
from workbench.checking.results import CheckResult, Counterexample, Fault, Verdict
from workbench.checking.subject import Subject
from workbench.checking.subjects import InProcess, built_in, users

__all__ = [
    "CheckResult",
    "Counterexample",
    "Fault",
    "InProcess",
    "Mode",
    "Pass",
    "Runner",
    "Subject",
    "Verdict",
    "built_in",
    "check",
    "check_case",
    "judge",
    "users",
]
