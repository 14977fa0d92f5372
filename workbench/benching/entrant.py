"""Entrants of a contest in this process: an implementation, or a peer's variant of the same case."""

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from kernels import OPS
from kernels.memory.devices import CPU, Device
from workbench.cases import BenchCase
from workbench.checking import Subject
from workbench.oracle.poison import POISONS, poisoned
from workbench.sampling import Arrays

SHORT_MS = {"cpu": 0.02, "cuda": 1.0}
"""Device -> the duration below which several calls are timed together, so that reading the clock does not count and the host
runs ahead of a GPU."""


class Block(NamedTuple):
    """The milliseconds of each call of a block that counts, and of all its calls together."""

    times_ms: list[float]
    total_ms: float


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One way to run a case, ready to be called.

    Attributes
    ----------
    name, version : its name, and the version of its package
    device : the device that it runs on
    call : runs the case once
    outputs : returns the outputs of the last call, on the host, in the order of the operation's outputs
    operands : the arrays that it reads and writes, to be evicted from the caches; empty if they are not known
    refill : puts other values into the inputs, in the same memory; None if it cannot
    computes : the outputs that it computes; None for all
    accumulate : the lower precision that it declares
    """

    name: str
    version: str
    call: Callable[[], object]
    outputs: Callable[[], Sequence[NDArray[Any]]]
    operands: Sequence[Any]
    device: Device = CPU
    refill: Callable[[Arrays], None] | None = None
    computes: tuple[str, ...] | None = None
    accumulate: str | None = None

    def block(self, seconds: float) -> Block:
        """Call it for about ``seconds``, at least once; the first call does not count unless it takes most of that."""
        with _no_collection():
            first = self.device.time(self.call)
            if first >= seconds * 1e3:
                again = [first] if first >= 5e3 * seconds else [self.device.time(self.call)]
                return Block(times_ms=again, total_ms=first + (again[0] if again[0] != first else 0.0))
            second = self.device.time(self.call)
            calls = max(1, round(SHORT_MS[self.device.name] / max(second, 1e-4)))
            work = self.call if calls == 1 else _repeated(self.call, calls)
            times: list[float] = []
            end = time.perf_counter() + seconds
            while not times or time.perf_counter() < end:
                times.append(self.device.time(work) / calls)
        return Block(times_ms=times, total_ms=first + second + sum(times) * calls)

    def cold(self) -> float | None:
        """Time a call with its arrays in no cache, but code and threads warm; None if its arrays are not known."""
        if not self.operands:
            return None
        with _no_collection():
            self.call()
            self.device.synchronize()
            self.device.flush(self.operands)
            return self.device.time(self.call)


def of_implementation(subject: Subject, case: BenchCase, inputs: Arrays, dtype: str, version: str) -> Entrant:
    """Enter an implementation with its arrays on its device; outputs are NaN until it fills them."""
    op, implementation, device = OPS[case.op], subject.implementation, subject.device
    given = [device.from_host(array) for array in inputs.values()]
    sizes = zip(op.output_shapes(case.shapes, case.options), op.dtypes_of_outputs(dtype), strict=True)
    outputs = [
        device.from_host(poisoned(*each, POISONS[0])) for each in implementation.of_outputs(op.outputs, list(sizes))
    ]
    options, function = op.option_values(case.options), implementation.function

    def call() -> None:
        function(*given, *options, *outputs)

    def refill(values: Arrays) -> None:
        for array, new in zip(given, values.values(), strict=True):
            device.assign(array, device.from_host(new))

    return Entrant(
        name=implementation.name,
        version=version,
        call=call,
        outputs=lambda: [device.to_host(output) for output in outputs],
        operands=[*given, *outputs],
        device=device,
        refill=refill,
        computes=implementation.computes,
        accumulate=subject.accumulate,
    )


def _repeated(call: Callable[[], object], calls: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(calls):
            call()

    return work


@contextmanager
def _no_collection() -> Any:
    """Disable Python's garbage collector inside the block."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
