"""The judge of contestants: in the process of the command, from the outputs that a contestant's process sends.

A case with little work is judged as ``workbench check`` does, a large one at some elements. After the timing, a call on
values that the contestant has not seen is judged.
"""

from dataclasses import dataclass, field
from statistics import median

from kernels import OPS
from workbench.benching.contestant import Dropped, Remote, RemoteEntrant
from workbench.benching.contestant_process import Ready
from workbench.benching.rows import Status
from workbench.cases import BenchCase
from workbench.checking.engine import watch
from workbench.checking.subject import Subject
from workbench.checking.worker import InWorker
from workbench.oracle.spot import FEW_FLOPS, Spot, spot
from workbench.system.process import NoAnswer

FAMILIES = ("integers", "normal")
"""The families of values that are judged before timing. The bound of a long sum of random terms can be larger than a lost
term; sums of integers are exact and reveal it."""

FRESH_CALLS = 3
"""The number of calls on values that the contestant has not seen, each on others."""

REMEMBERS, LEAST_MS = 3.0, 0.05
"""How many times as long, and how many milliseconds longer, calls on other values take if a contestant remembers results."""

PAIRS = 5
"""The number of calls on unseen values, each with one on values just seen, that decide whether results are remembered."""

RIGHT: tuple[Status, str] = ("timed", "")


def _is_longer(fresh_ms: float, usual_ms: float) -> bool:
    return fresh_ms > max(REMEMBERS * usual_ms, usual_ms + LEAST_MS)


@dataclass
class Verifier:
    """Judges the contestants on one case.

    Attributes
    ----------
    case, dtype : the case
    watched : source and kernel -> what watching its accesses found, for all cases
    """

    case: BenchCase
    dtype: str
    watched: dict[tuple[object, ...], str]
    _spots: dict[tuple[str, int, str | None, bool], Spot] = field(default_factory=dict)

    def before(self, remote: Remote, ready: Ready) -> tuple[Status, str]:
        """Judge a contestant before it is timed; return its status and the reason."""
        try:
            subject = remote.subject(ready, self.case)
            if subject is not None:
                status, fault = self._as_check(subject, remote, ready)
                if fault:
                    return status, fault
            _, outputs = remote.run(ready, self.case, self.dtype)
        except NoAnswer as reason:
            return ("crashed", str(reason)) if reason.crashed else ("too slow", remote.slow)
        fault = self._spot("normal", 0, remote, ready).fault(outputs, ready.computes)
        return ("wrong", fault) if fault else RIGHT

    def after(self, entrant: RemoteEntrant, slow_ms: float) -> None:
        """Judge a contestant that was timed on values that it has not seen.

        Parameters
        ----------
        entrant : the contestant
        slow_ms : the time that few of its calls exceeded

        Raises
        ------
        Dropped
            It is wrong, or takes much longer on them, or its clock is not that of the command.
        """
        entrant.check_clock()
        refilled = entrant.ready.number is not None
        seeds = range(1, 1 + FRESH_CALLS) if refilled else (0,)
        try:
            calls = [entrant.remote.run(entrant.ready, self.case, self.dtype, seed=seed) for seed in seeds]
            fresh_ms = min(time_ms for time_ms, _ in calls)
            remembers = refilled and _is_longer(fresh_ms, slow_ms) and self._remembered(entrant)
        except NoAnswer as reason:
            status: Status = "crashed" if reason.crashed else "too slow"
            raise Dropped(entrant.label, status, f"{reason}, after timing") from None
        _, outputs = calls[-1]
        fault = self._spot("normal", seeds[-1], entrant.remote, entrant.ready).fault(outputs, entrant.ready.computes)
        if fault:
            raise Dropped(entrant.label, "wrong", f"{fault}, after timing")
        if remembers:
            unseen_ms, seen_ms = remembers
            raise Dropped(
                entrant.label,
                "wrong",
                f"a call takes at least {unseen_ms:.3g} ms on values it has not seen, {seen_ms:.3g} ms on those that it "
                "has: it remembers results",
            )

    def _remembered(self, entrant: RemoteEntrant) -> tuple[float, float] | None:
        """Return the times of calls on values unseen and seen if results are remembered.

        A busy machine makes every call after a pause take longer than those that were timed in a row. Here both come
        after one.
        """
        unseen, seen = [], []
        for seed in range(1 + FRESH_CALLS, 1 + FRESH_CALLS + PAIRS):
            first, _, again = (
                entrant.remote.run(entrant.ready, self.case, self.dtype, seed=each) for each in (seed, 0, 0)
            )
            unseen.append(first[0])
            seen.append(again[0])
        least, usual = min(unseen), median(seen)
        return (least, usual) if _is_longer(least, usual) else None

    def _as_check(self, subject: Subject, remote: Remote, ready: Ready) -> tuple[Status, str]:
        """Judge a kernel as ``workbench check`` does, if the case has little work, else at some elements on integers."""
        assert ready.number is not None
        runner = InWorker(subject, remote, ready.number)
        if remote.has_body(ready):
            key = (remote.source, ready.number, self.dtype)
            if key not in self.watched:
                fault = watch(subject, runner, dtype=self.dtype)
                self.watched[key] = "" if fault is None else fault.reason
            if self.watched[key]:
                return self._against(remote, self.watched[key])
        if OPS[self.case.op].flops(self.case.shapes, self.case.options) > FEW_FLOPS:
            _, outputs = remote.run(ready, self.case, self.dtype, FAMILIES[0])
            fault_text = self._spot(FAMILIES[0], 0, remote, ready).fault(outputs, ready.computes)
            return ("wrong", f"{fault_text}, on {FAMILIES[0]} values") if fault_text else RIGHT
        for family in FAMILIES:
            verdict = runner.run(self.case.sampled(self.dtype, family))
            if verdict.lacks:
                return "out of memory", verdict.lacks
            if verdict.unaccepted:
                return "failed", f"its signatures do not take {self.dtype} arrays"
            if verdict.fault is not None:
                return self._against(remote, verdict.fault.reason, f", on {family} values")
        return RIGHT

    def _against(self, remote: Remote, reason: str, values: str = "") -> tuple[Status, str]:
        """Return the status of a kernel that has a fault: of one that has ended its process, or did not end, too."""
        if remote.is_running:
            return "wrong", f"{reason}{values}"
        return ("too slow", remote.slow) if reason.startswith("does not end") else ("crashed", reason)

    def _spot(self, family: str, seed: int, remote: Remote, ready: Ready) -> Spot:
        """Return the elements to judge, chosen by the seed, and their exact values."""
        free = remote.source.kind != "builtin"
        key = family, seed, ready.accumulate, free
        if key not in self._spots:
            inputs = self.case.arrays(self.dtype, family, seed)
            self._spots[key] = spot(
                OPS[self.case.op], inputs, self.case.options, self.dtype, seed, ready.accumulate, free=free
            )
        return self._spots[key]
