"""The process that a contestant runs in: nothing else runs there, and while others are timed it is paused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np

from kernels import OPS, Implementation, implementations
from kernels.devices import get_device
from workbench import __version__
from workbench.benching.entrant import Entrant, of_implementation
from workbench.benching.networks import NetworkCase, network_entrants
from workbench.benching.split import Split, first_call, with_copies, with_dispatch
from workbench.benching.spot import FEW_FLOPS, spot
from workbench.cases import BenchCase
from workbench.checking import Subject, judge
from workbench.machine import use_threads

FAMILIES = ("integers", "normal")
"""What is judged before timing. The bound of a long sum grows faster than a sum of random terms and lets a lost term
pass; sums of integers are exact, and do not."""

TRIAL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where contestants come from.

    Attributes
    ----------
    kind : "builtin" for the package's implementations, "file" for a user's kernel, "peer" for another library
    name : FILE.py:NAME, or the peer's name; "" for the package
    op : what an undecorated kernel computes
    device : "cpu" or "cuda"
    threads : how many it may use
    """

    kind: str
    name: str = ""
    op: str | None = None
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A contestant that can be timed, or the reason why not.

    Attributes
    ----------
    name, version : what it is
    fault : why it is not timed: what is wrong with it; empty when nothing is
    absent : why it does not take part, which is nothing against it; empty when it does
    split : the parts of its cost
    """

    name: str
    version: str
    fault: str = ""
    absent: str = ""
    split: Split = field(default_factory=Split)


def serve(reply: Callable[[Any], None], receive: Callable[[], Any], source: Source) -> None:
    """Answer the questions of ``remote.Remote``: each names a method of Host."""
    from kernels import KernelsError
    from workbench.errors import InputError

    try:
        host = Host(source)
    except (InputError, KernelsError) as error:
        reply(str(error))
        return
    reply("")
    while True:
        method, arguments = receive()
        reply(getattr(host, method)(*arguments))


class Host:
    """Holds the contestants of one source on the case at hand."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._device = get_device(source.device)
        self._entrants: dict[str, Entrant] = {}
        self._check: Callable[[Sequence[Any]], str] = lambda _outputs: ""
        if source.kind != "peer" and source.device == "cpu":
            use_threads(source.threads)
        self._own = self._load() if source.kind == "file" else ()

    def prepare(self, case: BenchCase, dtype: str) -> list[Ready]:
        """Enter everything of this source that runs the case: verify it and find out what it costs to start."""
        self._entrants.clear()
        inputs = case.arrays(dtype)
        self._check = spot(case, inputs, dtype).fault
        if self._source.kind == "peer":
            return self._prepare_peer(case, dtype)
        found = self._own or implementations(case.op)
        fitting = [
            each
            for each in found
            if each.op == case.op
            and each.device == self._source.device
            and each.accepts(case.shapes, case.options, dtype)
        ]
        return [self._prepare(each, case, dtype) for each in fitting]

    def prepare_network(self, case: NetworkCase) -> list[Ready]:
        """Enter everything of this source that trains or runs a network."""
        self._entrants.clear()
        found = []
        entered, absent = network_entrants(case, self._source.name, self._source.threads)
        for entrant, fault in entered:
            split = Split() if fault else first_call(entrant)
            self._entrants[entrant.name] = entrant
            found.append(Ready(name=entrant.name, version=entrant.version, fault=fault, split=split))
        self._check = lambda _outputs: ""
        return found + [Ready(name=name, version="", absent=reason) for name, reason in absent.items()]

    def block(self, name: str, seconds: float) -> list[float]:
        """Time one for about so long; see Entrant."""
        return self._entrants[name].block(seconds)

    def cold(self, name: str, count: int) -> list[float]:
        """Time one with its arrays in no cache; see Entrant."""
        return self._entrants[name].cold(count)

    def recheck(self, name: str) -> str:
        """Say what is wrong with the outputs of the last call that was timed; empty when nothing is."""
        return self._check(self._entrants[name].outputs())

    def _load(self) -> tuple[Implementation, ...]:
        from workbench.binding import implementation
        from workbench.loading import load_file

        loaded = load_file(self._source.name, op=self._source.op, device=self._source.device)
        return tuple(implementation(kernel) for kernel in loaded.kernels)

    def _prepare(self, implementation: Implementation, case: BenchCase, dtype: str) -> Ready:
        inputs = case.arrays(dtype)
        entrant = of_implementation(implementation, case, inputs, dtype, self._device, __version__)
        ready = Ready(name=entrant.name, version=entrant.version)
        try:
            split = first_call(entrant)
        except Exception as error:
            return replace(ready, fault=_raised(error))
        fault = self._fault(implementation, case, dtype) or self._check(entrant.outputs())
        if fault:
            return replace(ready, fault=fault)
        self._entrants[entrant.name] = entrant
        split = with_copies(split, entrant, case, inputs, dtype)
        if self._source.kind == "builtin":
            split = with_dispatch(split, case, inputs, dtype, self._device)
        return replace(ready, split=split)

    def _fault(self, implementation: Implementation, case: BenchCase, dtype: str) -> str:
        """Judge a small case as ``workbench check`` does, a large one at some of its elements."""
        op = OPS[case.op]
        for family in FAMILIES:
            if op.flops(case.shapes, case.options) <= FEW_FLOPS:
                subject = Subject(implementation=implementation, label=self._source.device)
                verdict = judge(subject, case.sampled(dtype, family))
                if verdict.unaccepted:
                    return f"its signatures do not take {dtype} arrays"
                reason = "" if verdict.fault is None else verdict.fault.reason
            elif family == "normal":
                continue  # those are the values that are timed, and judged at their place
            else:
                inputs = case.arrays(dtype, family)
                entrant = of_implementation(implementation, case, inputs, dtype, self._device, "")
                entrant.call()
                reason = spot(case, inputs, dtype).fault(entrant.outputs())
            if reason:
                return f"{reason}, on {family} values"
        return ""

    def _prepare_peer(self, case: BenchCase, dtype: str) -> list[Ready]:
        from workbench import peers

        version = peers.version(self._source.name)
        found = []
        for variant in peers.variants(
            self._source.name, case.op, case.arrays(dtype), case.options, self._source.threads, self._source.device
        ):
            entrant = Entrant(
                name=variant.name,
                version=version,
                call=variant.run,
                outputs=variant.outputs,
                operands=variant.operands,
                device=self._device,
            )
            split = first_call(entrant)
            self._entrants[entrant.name] = entrant
            fault = self._check(entrant.outputs())
            found.append(Ready(name=entrant.name, version=version, fault=fault, split=split))
        if not found:
            return [Ready(name=self._source.name, version=version, absent="has no way to compute it")]
        return self._best(found)

    def _best(self, found: list[Ready]) -> list[Ready]:
        """Keep the fastest of a peer's ways that are right; where none is, the first."""
        right = [each for each in found if not each.fault]
        if not right:
            return found[:1]
        times = {each.name: float(np.median(self.block(each.name, TRIAL_SECONDS))) for each in right}
        best = min(right, key=lambda each: times[each.name])
        assert isfinite(times[best.name])
        return [best]


def _raised(error: Exception) -> str:
    return f"raises {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
