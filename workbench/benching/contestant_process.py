"""The process of the contestants of one source; it is paused while others are timed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np

from kernels import OPS
from kernels.compile.threads import leave_waiting_to_others
from kernels.memory.devices import get_device
from workbench.benching.call_cost import Split, first_call, with_copies, with_dispatch
from workbench.benching.entrant import Entrant, of_implementation
from workbench.benching.networks import NetworkCase, network_entrants
from workbench.benching.rows import Status
from workbench.benching.spot import FEW_FLOPS, Spot, spot
from workbench.cases import BenchCase
from workbench.checking import InProcess, Subject, users
from workbench.system.errors import is_out_of_memory, raised
from workbench.system.machine import keep_to_cores, use_threads
from workbench.system.version import VERSION
from workbench.target.command_device import CPU, CommandDevice
from workbench.target.resolve import Target

FAMILIES = ("integers", "normal")
"""The families of values that are judged before timing. The bound of a long sum of random terms can be larger than a lost
term; sums of integers are exact and reveal it."""

TRIAL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Source:
    """The origin of contestants.

    Attributes
    ----------
    kind : "builtin" for the package's implementations, "file" for a user's kernel, "peer" for another library
    name : FILE.py:NAME, or the peer's name; "" for the package
    op : the operation of an undecorated kernel
    device : the device that they run on
    threads : the number of threads that each may use
    """

    kind: str
    name: str = ""
    op: str | None = None
    device: CommandDevice = CPU
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A contestant that is ready to be timed, or the reason why it is not.

    Attributes
    ----------
    name, version : its name, and the version of its package
    computes : the outputs that it computes; None for all
    status, fault : "timed", or else what prevents timing it and why
    absent : why it does not take part, without an error; empty if it does
    split : the parts of its cost
    """

    name: str
    version: str
    computes: tuple[str, ...] | None = None
    status: Status = "timed"
    fault: str = ""
    absent: str = ""
    split: Split = field(default_factory=Split)


def serve(reply: Callable[[Any], None], receive: Callable[[], Any], source: Source) -> None:
    """Answer the questions of ``contestant.Remote``: each names a method of Host."""
    from kernels import KernelsError
    from workbench.system.errors import InputError

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
    """The contestants of one source on the current case."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._device = get_device(source.device.kind)
        self._entrants: dict[str, Entrant] = {}
        self._case: tuple[BenchCase, str] | None = None
        self._spots: dict[tuple[int, str | None], Spot] = {}
        keep_to_cores(source.threads)
        if source.kind == "peer":
            leave_waiting_to_others()
        elif source.device.kind == "cpu":
            use_threads(source.threads)
        self._own = self._load() if source.kind == "file" else ()

    def prepare(self, case: BenchCase, dtype: str) -> list[Ready]:
        """Prepare all contestants of this source that run the case: verify them and measure the cost of a first call.

        Built-in kernels that do not accept the case do not take part.
        """
        self._entrants.clear()
        if case.op not in OPS:
            return [Ready(name=self._source.name or "builtin", version="", absent=f"does not know {case.op}")]
        self._case = case, dtype
        self._spots.clear()
        if self._source.kind == "peer":
            return self._prepare_peer(case, dtype)
        device = self._source.device
        built_in = Target(text=case.op).built_in(device.kind)
        subjects = self._own or [Subject(implementation=each, label=device.name) for each in built_in]
        found = []
        for subject in subjects:
            implementation = subject.implementation
            if implementation.op != case.op:
                continue
            if implementation.accepts(case.shapes, case.options, dtype):
                found.append(self._prepare(subject, case, dtype))
            elif self._own:
                found.append(Ready(name=implementation.name, version=VERSION, absent=_refusal(subject)))
        return found

    def prepare_network(self, case: NetworkCase) -> list[Ready]:
        """Prepare all contestants of this source that train or run a network."""
        self._entrants.clear()
        found = []
        entered, absent = network_entrants(case, self._source.name, self._source.threads)
        for entrant, fault in entered:
            split = Split() if fault else replace(first_call(entrant), cache_load_ms=None)
            self._entrants[entrant.name] = entrant
            found.append(
                Ready(name=entrant.name, version=entrant.version, status=_wrong_if(fault), fault=fault, split=split)
            )
        self._case = None
        return found + [Ready(name=name, version="", absent=reason) for name, reason in absent.items()]

    def block(self, name: str, seconds: float) -> list[float]:
        """Time one contestant for about ``seconds``; see Entrant."""
        return self._entrants[name].block(seconds)

    def cold(self, name: str) -> float | None:
        """Time a call with its arrays in no cache; see Entrant."""
        return self._entrants[name].cold()

    def recheck(self, name: str) -> str:
        """Clear the outputs, call the contestant again and judge other elements than before; return the error or "".

        Networks are judged by their first steps only.
        """
        if self._case is None:
            return ""
        entrant = self._entrants[name]
        entrant.clear()
        entrant.call()
        entrant.device.synchronize()
        return self._fault_of(entrant, seed=1)

    def _load(self) -> tuple[Subject, ...]:
        target, device = Target(text=self._source.name, op=self._source.op), self._source.device
        return tuple(users(kernel, device.name) for kernel in target.kernels(device, (), needed=False))

    def _fault_of(self, entrant: Entrant, seed: int = 0) -> str:
        """Judge the last outputs of a contestant at elements chosen by ``seed``."""
        assert self._case is not None
        case, dtype = self._case
        key = seed, entrant.accumulate
        if key not in self._spots:
            self._spots[key] = spot(case, case.arrays(dtype), dtype, seed=seed, accumulate=entrant.accumulate)
        return self._spots[key].fault(entrant.outputs(), entrant.computes)

    def _prepare(self, subject: Subject, case: BenchCase, dtype: str) -> Ready:
        inputs = case.arrays(dtype)
        entrant = of_implementation(subject, case, inputs, dtype, VERSION)
        ready = Ready(name=entrant.name, version=entrant.version, computes=entrant.computes)
        try:
            split = first_call(entrant)
        except Exception as error:
            status: Status = "out of memory" if is_out_of_memory(error) else "failed"
            return replace(ready, status=status, fault=raised(error))
        fault = self._judged(subject, case, dtype) or self._fault_of(entrant)
        if fault:
            return replace(ready, status="wrong", fault=fault)
        self._entrants[entrant.name] = entrant
        split = with_copies(split, entrant, case, inputs, dtype)
        if self._source.kind == "builtin":
            split = with_dispatch(split, case, inputs, dtype, self._device)
        return replace(ready, split=split)

    def _judged(self, subject: Subject, case: BenchCase, dtype: str) -> str:
        """Judge a small case as ``workbench check`` does, a large one at some elements, on integers."""
        if OPS[case.op].flops(case.shapes, case.options) <= FEW_FLOPS:
            for family in FAMILIES:
                verdict = InProcess(subject).run(case.sampled(dtype, family))
                if verdict.unaccepted:
                    return f"its signatures do not take {dtype} arrays"
                if verdict.fault is not None:
                    return f"{verdict.fault.reason}, on {family} values"
            return ""
        inputs = case.arrays(dtype, FAMILIES[0])
        entrant = of_implementation(subject, case, inputs, dtype, "")
        entrant.call()
        fault = spot(case, inputs, dtype, accumulate=entrant.accumulate).fault(entrant.outputs(), entrant.computes)
        return f"{fault}, on {FAMILIES[0]} values" if fault else ""

    def _prepare_peer(self, case: BenchCase, dtype: str) -> list[Ready]:
        from workbench import peers

        version = peers.version(self._source.name)
        found = []
        for variant in peers.variants(
            self._source.name, case.op, case.arrays(dtype), case.options, self._source.threads, self._source.device.kind
        ):
            entrant = Entrant(
                name=variant.name,
                version=version,
                call=variant.run,
                outputs=variant.outputs,
                operands=variant.operands,
                device=self._device,
            )
            split = replace(first_call(entrant), cache_load_ms=None)
            self._entrants[entrant.name] = entrant
            fault = self._fault_of(entrant)
            found.append(Ready(name=entrant.name, version=version, status=_wrong_if(fault), fault=fault, split=split))
        if not found:
            return [Ready(name=self._source.name, version=version, absent="has no way to compute it")]
        return self._best(found)

    def _best(self, found: list[Ready]) -> list[Ready]:
        """Keep the fastest of a peer's variants that are right; if none is, the first."""
        right = [each for each in found if not each.fault]
        if not right:
            return found[:1]
        times = {each.name: float(np.median(self.block(each.name, TRIAL_SECONDS))) for each in right}
        best = min(right, key=lambda each: times[each.name])
        assert isfinite(times[best.name])
        return [best]


def _wrong_if(fault: str) -> Status:
    return "wrong" if fault else "timed"


def _refusal(subject: Subject) -> str:
    """Return why a user's kernel does not take part in a case that it does not accept."""
    if subject.fixed:
        return f"it takes no {', '.join(subject.fixed)}, and the case has other values than the default"
    return "it does not accept these shapes and options"
