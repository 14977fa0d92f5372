"""A failure is repeated in a new process before it is reported: the calls before it may have caused it."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from workbench.checking.calls import Mode
from workbench.checking.results import Fault, Verdict
from workbench.sampling import Case

SECONDS = 20.0
"""The time for finding out which calls before it a failure needs."""


def confirmed(
    run: Callable[[Case, Mode], Verdict],
    restart: Callable[[], None],
    failure: tuple[Case, Fault],
    mode: Mode,
    before: Sequence[Case],
) -> tuple[Case, Fault]:
    """Return a failure as it shows in a new process; if it does not, say that it needs earlier calls, and how many.

    Parameters
    ----------
    run : runs the kernel on a case
    restart : ends the kernel's process; the next run starts a new one
    failure : the failing case and its fault
    mode : how the kernel ran
    before : the cases that ran before
    """
    case, fault = failure
    restart()
    verdict = run(case, mode)
    if verdict.fault is not None:
        return verdict.case or case, verdict.fault
    end, count = time.monotonic() + SECONDS, 1
    while time.monotonic() < end:
        restart()
        for each in before[-count:]:
            run(each, mode)
        if (after := run(case, mode).fault) is not None:
            others = f"{min(count, len(before))} other case{'s' if count > 1 else ''}"
            reason = (
                f"{after.reason}; only after earlier calls, on {others}, not in a new process: the kernel keeps state"
            )
            return case, dataclasses.replace(after, reason=reason)
        if count >= len(before):
            break
        count *= 4
    reason = f"{fault.reason}; only after earlier calls, not in a new process: the kernel keeps state, or it was chance"
    return case, dataclasses.replace(fault, reason=reason)
