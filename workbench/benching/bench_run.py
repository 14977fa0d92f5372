"""A benchmark run: times the contestants of every case in turn, with an A/A control, and returns rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from kernels import OPS
from kernels.declare.op import Cost
from workbench.benching.bench_request import BenchRequest
from workbench.benching.contestant import Dropped, Remote, RemoteEntrant
from workbench.benching.contestant_process import Ready, Source
from workbench.benching.networks import NetworkCase
from workbench.benching.rows import BenchRow, timing_fields, work_fields
from workbench.benching.verifying import Verifier
from workbench.cases import BenchCase
from workbench.roofline import Peaks
from workbench.system.process import OnCompile
from workbench.timing.contest import Contest, hold
from workbench.timing.statistics import LEAST_NOISE, UNSTEADY, noise_of, verdict

CONTROL = "A/A control"
"""The baseline again, in another process: any difference between the two is noise."""

COLD_CALLS = 11

TRIAL_SECONDS = 0.05
"""The time in which the fastest variant of another library is found."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """The result of the A/A control of a case: the ratio of two identical contestants."""

    op: str
    case: str
    dtype: str
    implementation: str
    ratio: float
    low: float
    high: float
    noise: float
    verdict: str


Tell = Callable[[str, float], None]
"""Called with a description of the current step and the share of the case that is done."""


@dataclass
class Session:
    """The processes of a run, and their results so far.

    Attributes
    ----------
    budget_s : seconds of timing for each contestant on a case
    confidence : the confidence level of intervals and verdicts
    tell : called with the progress
    remotes : the processes of contestants, the baseline's first
    start : source -> another process for it, for the control
    peaks : the measured limits; None: rows have no shares of them
    seen : the controls of the cases so far
    absent : name and case -> why a contestant did not take part
    controls : the processes of controls
    watched : see ``Verifier``
    """

    budget_s: float
    confidence: float
    tell: Tell
    remotes: Sequence[Remote]
    start: Callable[[Source], Remote]
    peaks: Peaks | None
    seen: list[Control] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    controls: dict[Source, Remote] = field(default_factory=dict)
    watched: dict[tuple[object, ...], str] = field(default_factory=dict)

    def rows(self, case: BenchCase | NetworkCase, dtype: str) -> list[BenchRow]:
        """Verify and time all contestants that run a case."""
        common = _common(case, dtype, self.remotes[0].source.device.name)
        verifier = None if isinstance(case, NetworkCase) else Verifier(case, dtype, self.watched)
        entered: dict[str, tuple[Remote, Ready]] = {}
        for remote in self.remotes:
            self.tell(f"{case.name} {case.op} {dtype}: verifying", 0.0)
            for ready in self._prepared(remote, case, dtype, verifier):
                if self._takes_part(case, ready):
                    entered[_label(remote, ready, entered)] = remote, ready
        faults = {label: (ready.status, ready.fault) for label, (_, ready) in entered.items() if ready.fault}
        contest: Contest | None = None
        cold: dict[str, list[float]] = {}
        while contest is None and not set(entered) <= set(faults):
            right = {
                label: RemoteEntrant(remote=remote, ready=ready, label=label)
                for label, (remote, ready) in entered.items()
                if label not in faults
            }
            for remote in {id(each.remote): each.remote for each in right.values()}.values():
                if not remote.is_running:  # another contestant's crash has ended their process
                    again = {ready.name: ready for ready in remote.prepare(case, dtype) if ready.fault}
                    lost = {label: again.get(each.ready.name) for label, each in right.items() if each.remote is remote}
                    faults |= {label: (ready.status, ready.fault) for label, ready in lost.items() if ready is not None}
            try:
                right = {label: each for label, each in right.items() if label not in faults}
                contest, cold = self._contest(case, dtype, right, verifier)
            except Dropped as dropped:
                faults[dropped.label] = dropped.status, str(dropped)
                if dropped.label == CONTROL:
                    self.absent[f"{CONTROL} on {case.op} {case.name}"] = str(dropped)
        noise = self._note_control(case, dtype, contest)
        rows: list[BenchRow] = []
        for label, (_, ready) in entered.items():
            status, reason = faults.get(label, ("timed", ""))
            fields: dict[str, Any] = {"status": status, "reason": reason, "verified": not reason, **_split(ready)}
            if contest is not None and not reason:
                fields |= timing_fields(contest.timed[label], cold[label], self.confidence)
                fields |= {"stopped": contest.stopped, **self._rates(case, dtype, ready.computes, fields["median_ms"])}
                like = [row for row in rows if row.verified and row.computes == ready.computes]
                if like:
                    fields |= self._compared(label, like[0], contest, noise, fields["ci_share"])
            rows.append(
                BenchRow(implementation=label, version=ready.version, computes=ready.computes, **fields, **common)
            )
        return rows

    def _prepared(
        self, remote: Remote, case: BenchCase | NetworkCase, dtype: str, verifier: Verifier | None
    ) -> list[Ready]:
        """Return the contestants of a source, judged; of another library's variants, only the fastest right one."""
        found = []
        for ready in remote.prepare(case, dtype):
            if verifier is not None and not ready.fault and not ready.absent:
                status, fault = verifier.before(remote, ready)
                found.append(replace(ready, status=status, fault=fault))
            else:
                found.append(ready)
        right = [ready for ready in found if not ready.fault]
        if remote.source.kind != "peer" or isinstance(case, NetworkCase) or len(found) == 1:
            return found
        if len(right) < 2:
            return right or found[:1]
        return [min(right, key=lambda ready: float(np.median(remote.block(ready.name, TRIAL_SECONDS)[0])))]

    def _takes_part(self, case: BenchCase | NetworkCase, ready: Ready) -> bool:
        """Return whether a contestant takes part, and record why if it does not."""
        if ready.absent:
            self.absent[f"{ready.name} on {case.op} {case.name}"] = ready.absent
        return not ready.absent

    def _contest(
        self,
        case: BenchCase | NetworkCase,
        dtype: str,
        right: dict[str, RemoteEntrant],
        verifier: Verifier | None,
    ) -> tuple[Contest, dict[str, list[float]]]:
        """Time the verified contestants, then judge their outputs again."""
        baseline = next(iter(right))
        contestants = dict(right)
        if f"{CONTROL} on {case.op} {case.name}" not in self.absent:
            contestants |= self._control(case, dtype, right[baseline])
        what = f"{case.name} {case.op} {dtype}"
        contest = hold(
            contestants,
            budget_s=self.budget_s,
            baseline=baseline,
            confidence=self.confidence,
            on_round=lambda share: self.tell(what, share),
        )
        cold: dict[str, list[float]] = {label: [] for label in right}
        slowest_s = max(each.quantile(0.5) for each in contest.timed.values()) / 1e3
        for _ in range(max(1, min(COLD_CALLS, int(self.budget_s / slowest_s)))):
            for label, entrant in right.items():
                time = entrant.cold()
                cold[label] += [] if time is None else [time]
        if verifier is not None:
            for label, entrant in right.items():
                verifier.after(entrant, contest.timed[label].quantile(0.8))
        return contest, cold

    def _control(self, case: BenchCase | NetworkCase, dtype: str, first: RemoteEntrant) -> dict[str, RemoteEntrant]:
        """Enter the baseline again, in another process of its source."""
        source = first.remote.source
        if source not in self.controls:
            self.controls[source] = self.start(source)
        remote = self.controls[source]
        for ready in remote.prepare(case, dtype):
            if ready.name == first.ready.name and not ready.fault:
                return {CONTROL: RemoteEntrant(remote=remote, ready=ready, label=CONTROL)}
        return {}

    def _note_control(self, case: BenchCase | NetworkCase, dtype: str, contest: Contest | None) -> float:
        """Record the control's result; return the noise floor as a logarithm, which is at least ``LEAST_NOISE``."""
        if contest is None or CONTROL not in contest.timed:
            return LEAST_NOISE
        baseline = next(iter(contest.timed))
        ratio = contest.ratio(CONTROL, baseline, self.confidence)
        noise = noise_of(ratio)
        self.seen.append(
            Control(
                op=case.op,
                case=case.name,
                dtype=dtype,
                implementation=baseline,
                ratio=ratio.estimate,
                low=ratio.low,
                high=ratio.high,
                noise=noise,
                verdict=verdict(ratio, LEAST_NOISE),
            )
        )
        return noise

    def _rates(
        self, case: BenchCase | NetworkCase, dtype: str, computes: tuple[str, ...] | None, median_ms: float
    ) -> dict[str, Any]:
        """Return the fields that relate the work for these outputs to the time."""
        cost = _cost(case, dtype, computes)
        if cost is None:
            return {}
        fields = work_fields(cost, median_ms)
        if self.peaks is not None:
            least, bound_by = self.peaks.least_ms(cost.flops, cost.bytes, dtype)
            fields |= {"share_of_peak": least / median_ms, "bound_by": bound_by}
        return fields

    def _compared(
        self, label: str, baseline: BenchRow, contest: Contest, noise: float, ci_share: float
    ) -> dict[str, Any]:
        """Return the fields that compare a contestant with a baseline that computes the same outputs."""
        ratio = contest.ratio(label, baseline.implementation, self.confidence)
        steady = max(ci_share, baseline.ci_share or 0.0) <= UNSTEADY
        return {
            "baseline": baseline.implementation,
            "ratio": ratio.estimate,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "verdict": verdict(ratio, noise) if steady else "unsure",
        }


@contextmanager
def session(
    sources: Sequence[Source], request: BenchRequest, peaks: Peaks | None, tell: Tell, on_compile: OnCompile
) -> Iterator[Session]:
    """Yield a run with a process for every source and for controls; they end with the block."""
    with ExitStack() as stack:

        def start(source: Source) -> Remote:
            remote = Remote(source, request.budget_s, on_compile)
            stack.callback(remote.close)
            return remote

        yield Session(
            budget_s=request.budget_s,
            confidence=request.confidence,
            tell=tell,
            remotes=[start(source) for source in sources],
            start=start,
            peaks=peaks,
        )


def _label(remote: Remote, ready: Ready, taken: Mapping[str, object]) -> str:
    """Return a contestant's name, with its file if another one has the same name."""
    return ready.name if ready.name not in taken else remote.source.name


def _common(case: BenchCase | NetworkCase, dtype: str, device: str) -> dict[str, Any]:
    shapes: dict[str, Any] = {"images": (case.batch, 1, 28, 28)} if isinstance(case, NetworkCase) else case.shapes
    return {
        "op": case.op,
        "case": case.name,
        "device": device,
        "dtype": dtype,
        "shapes": shapes,
        "options": {} if isinstance(case, NetworkCase) else case.options,
    }


def _cost(case: BenchCase | NetworkCase, dtype: str, computes: tuple[str, ...] | None) -> Cost | None:
    if isinstance(case, NetworkCase):
        return Cost(flops=case.flops, bytes=0)
    op = OPS[case.op]
    return op.cost_of(computes or op.outputs, case.shapes, case.options, np.dtype(dtype).itemsize)


def _split(ready: Ready) -> dict[str, Any]:
    return asdict(ready.split) | {"compile_ms": round(ready.split.compile_ms, 1)}
