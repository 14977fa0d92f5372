"""The process of the contestants of one source; it is paused while others are timed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS, Implementation
from kernels.compile.threads import leave_waiting_to_others
from kernels.memory.devices import get_device
from workbench.benching.call_cost import Split, first_call, with_copies, with_dispatch
from workbench.benching.entrant import Entrant, of_implementation
from workbench.benching.networks import NetworkCase, network_entrants
from workbench.benching.rows import Status
from workbench.cases import BenchCase
from workbench.checking import Subject, users
from workbench.checking.calling import failure_of
from workbench.checking.calls import Call
from workbench.checking.worker import Callers
from workbench.system.errors import is_out_of_memory
from workbench.system.machine import keep_to_cores, use_threads
from workbench.system.version import VERSION
from workbench.target.command_device import CPU, CommandDevice
from workbench.target.resolve import Target
from workbench.target.trial import load_for_command


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
    number : its number among the kernels of its source that ``checking.worker.Callers`` calls; None if it has none
    computes : the outputs that it computes; None for all
    accumulate : the lower precision that it declares
    status, fault : "timed", or else what prevents timing it and why
    absent : why it does not take part, without an error; empty if it does
    split : the parts of its cost
    """

    name: str
    version: str
    number: int | None = None
    computes: tuple[str, ...] | None = None
    accumulate: str | None = None
    status: Status = "timed"
    fault: str = ""
    absent: str = ""
    split: Split = field(default_factory=Split)


def serve(reply: Callable[..., None], receive: Callable[[], Any], source: Source) -> None:
    """Answer the questions of ``contestant.Remote``: a method of Host and its arguments, or a call for ``Callers``."""
    limit_threads(source)
    subjects: dict[str | None, list[Subject]]
    if source.kind == "file":
        target = Target(text=source.name, op=source.op)
        loaded = load_for_command(reply, partial(target.load, source.device.kind), source.name)
        if loaded is None:
            return
        kernels = target.fitting(loaded.kernels, source.device, (), needed=False)
        subjects = {None: [users(kernel, source.device.name) for kernel in kernels]}
    else:
        subjects = {
            op: [Subject(implementation=each, label=source.device.name) for each in built_in_kernels(op, source.device)]
            for op in OPS
        }
        reply("")
    host = Host(source, subjects)
    while True:
        question, *arguments = receive()
        reply(*(host.calls(question, *arguments) if isinstance(question, int) else host.answer(question, arguments)))


def limit_threads(source: Source) -> None:
    """Set the number of threads of this process."""
    keep_to_cores(source.threads)
    if source.kind == "peer":
        leave_waiting_to_others()
    elif source.device.kind == "cpu":
        use_threads(source.threads)


class Host:
    """The contestants of one source on the current case.

    Nothing is judged here: this process runs foreign code.

    Parameters
    ----------
    source : the source
    subjects : operation -> its kernels; None -> those of a user's file
    """

    def __init__(self, source: Source, subjects: Mapping[str | None, Sequence[Subject]]) -> None:
        self._source, self._subjects = source, subjects
        self._device = get_device(source.device.kind)
        self._entrants: dict[str, Entrant] = {}
        self._callers: dict[str | None, Callers] = {}
        self._case: tuple[BenchCase, str] | None = None

    def answer(self, method: str, arguments: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
        """Call a method; return what it returns as data and buffers."""
        answer = getattr(self, method)(*arguments)
        return answer if isinstance(answer, tuple) else (answer, ())

    def calls(self, number: int, call: Call | None) -> tuple[Any, Sequence[Any]]:
        """Make a call of the judge's; see ``Callers``."""
        key = self._key()
        if key not in self._callers:
            self._callers[key] = Callers(self._subjects[key])
        return self._callers[key].answer(number, call)

    def prepare(self, case: BenchCase, dtype: str) -> list[dict[str, Any]]:
        """Prepare all contestants of this source that run the case, and measure the cost of a first call.

        Built-in kernels that do not accept the case do not take part.
        """
        self._entrants.clear()
        self._case = case, dtype
        if case.op not in OPS:
            ready = [Ready(name=self._source.name or "builtin", version="", absent=f"does not know {case.op}")]
        elif self._source.kind == "peer":
            ready = self._prepare_peer(case, dtype)
        else:
            ready = self._prepare_kernels(case, dtype)
        return [asdict(each) for each in ready]

    def prepare_network(self, case: NetworkCase) -> list[dict[str, Any]]:
        """Prepare all contestants of this source that train or run a network; their first steps are judged here."""
        self._entrants.clear()
        self._case = None
        found = []
        entered, absent = network_entrants(case, self._source.name, self._source.threads, self._source.device.kind)
        for entrant, fault in entered:
            split = Split() if fault else replace(first_call(entrant), cache_load_ms=None)
            self._entrants[entrant.name] = entrant
            status: Status = "wrong" if fault else "timed"
            found.append(Ready(name=entrant.name, version=entrant.version, status=status, fault=fault, split=split))
        found += [Ready(name=name, version="", absent=reason) for name, reason in absent.items()]
        return [asdict(each) for each in found]

    def block(self, name: str, seconds: float) -> list[Any]:
        """Time one contestant for about ``seconds``; see Entrant."""
        return list(self._entrants[name].block(seconds))

    def cold(self, name: str) -> float | None:
        """Time a call with its arrays in no cache; see Entrant."""
        return self._entrants[name].cold()

    def run(self, name: str, family: str, seed: int) -> tuple[float, list[NDArray[np.uint8]]]:
        """Call a contestant on other values in the same memory, if it can be; return its time and the outputs.

        The outputs hold what the calls before left in them.
        """
        assert self._case is not None
        case, dtype = self._case
        entrant = self._entrants[name]
        if entrant.refill is not None:
            entrant.refill(case.arrays(dtype, family, seed))
        time_ms = entrant.device.time(entrant.call)
        op = OPS[case.op]
        own = dict(zip(op.outputs, op.dtypes_of_outputs(dtype), strict=True))
        outputs = (
            np.ascontiguousarray(output, dtype=own[each])
            for each, output in zip(entrant.computes or op.outputs, entrant.outputs(), strict=True)
        )
        return time_ms, [output.reshape(-1).view(np.uint8) for output in outputs]

    def _key(self) -> str | None:
        assert self._case is not None
        return None if self._source.kind == "file" else self._case[0].op

    def _prepare_kernels(self, case: BenchCase, dtype: str) -> list[Ready]:
        found = []
        for number, subject in enumerate(self._subjects[self._key()]):
            implementation = subject.implementation
            if implementation.op != case.op:
                continue
            if implementation.accepts(case.shapes, case.options, dtype):
                found.append(self._prepare(subject, number, case, dtype))
            elif self._source.kind == "file":
                found.append(Ready(name=implementation.name, version=VERSION, absent=_refusal(subject)))
        return found

    def _prepare(self, subject: Subject, number: int, case: BenchCase, dtype: str) -> Ready:
        inputs = case.arrays(dtype)
        entrant = of_implementation(subject, case, inputs, dtype, VERSION)
        ready = Ready(
            name=entrant.name,
            version=entrant.version,
            number=number,
            computes=entrant.computes,
            accumulate=subject.accumulate,
        )
        try:
            split = first_call(entrant)
        except Exception as error:
            status: Status = "out of memory" if is_out_of_memory(error) else "failed"
            return replace(ready, status=status, fault=failure_of(error).reason)
        self._entrants[entrant.name] = entrant
        split = with_copies(split, entrant, case, inputs, dtype)
        if self._source.kind == "builtin":
            split = with_dispatch(split, case, inputs, dtype, self._device)
        return replace(ready, split=split)

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
            found.append(Ready(name=entrant.name, version=version, split=split))
        return found or [Ready(name=self._source.name, version=version, absent="has no way to compute it")]


def built_in_kernels(op: str, device: CommandDevice) -> list[Implementation]:
    """Return the built-in kernels of an operation for a device."""
    return Target(text=op).built_in(device.kind)


def _refusal(subject: Subject) -> str:
    """Return why a user's kernel does not take part in a case that it does not accept."""
    if subject.fixed:
        return f"it takes no {', '.join(subject.fixed)}, and the case has other values than the default"
    return "it does not accept these shapes and options"
