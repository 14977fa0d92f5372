"""The contestants, timed in a separate process: the package's public functions on plain arrays, or PyTorch's operators.

``serve`` answers ``contests.Side``. Every contestant is judged before it is timed; a wrong one is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import kernels
from kernels import OPS
from kernels.compile.threads import leave_waiting_to_others
from workbench.benching.entrant import Entrant
from workbench.benching.networks import NetworkCase, network_entrants
from workbench.cases import BenchCase
from workbench.oracle.spot import spot
from workbench.roofline import measure_peaks
from workbench.system.machine import keep_to_cores, use_threads
from workbench.system.version import VERSION

FAMILIES = ("integers", "normal")
"""The value families that a case is judged on; the last family is timed."""

Outputs = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Entered:
    """A contestant, or its fault.

    Attributes
    ----------
    computes : the outputs that it computes, all of the operation's if it cannot compute the requested ones alone
    fault : empty if there is none
    """

    name: str
    version: str
    computes: Outputs = ()
    fault: str = ""


def serve(reply: Callable[[Any], None], receive: Callable[[], Any], peer: str, threads: int) -> None:
    """Answer requests, each a method of Contestants and its arguments; the package's side has no ``peer``."""
    contestants = Contestants(peer, threads)
    while True:
        method, arguments = receive()
        reply(getattr(contestants, method)(*arguments))


class Contestants:
    """One side of a contest, on the current case."""

    def __init__(self, peer: str, threads: int) -> None:
        self._peer, self._threads = peer, threads
        self._entrants: dict[str, Entrant] = {}
        keep_to_cores(self._threads)
        if self._peer:
            leave_waiting_to_others()
            from workbench.peers import networks

            networks.WAYS = networks.WAYS[:2]  # eager only; torch.compile takes half a minute per case
        else:
            use_threads(self._threads)

    def enter(self, case: BenchCase, outputs: Outputs) -> list[Entered]:
        """Enter every way to compute these outputs of a case in float32."""
        self._entrants.clear()
        faults: dict[str, str] = {}
        for family in FAMILIES:
            inputs = case.arrays("float32", family)
            truth = spot(OPS[case.op], inputs, case.options, "float32")
            for entrant in self._ways(case, inputs, outputs):
                entrant.call()
                fault = truth.fault(entrant.outputs(), entrant.computes)
                if fault:
                    faults.setdefault(entrant.name, f"{fault}, on {family} values")
                self._entrants[entrant.name] = entrant
        return [
            Entered(name=each.name, version=each.version, computes=each.computes or (), fault=faults.get(each.name, ""))
            for each in self._entrants.values()
        ]

    def enter_network(self, case: NetworkCase) -> list[Entered]:
        """Enter every way to train or run LeNet-5."""
        self._entrants.clear()
        found, _ = network_entrants(case, self._peer, self._threads)
        self._entrants |= {entrant.name: entrant for entrant, _ in found}
        return [Entered(name=each.name, version=each.version, fault=fault) for each, fault in found]

    def block(self, name: str, seconds: float) -> list[float]:
        """Time a contestant for about ``seconds``; see Entrant."""
        return self._entrants[name].block(seconds).times_ms

    def peak(self) -> float:
        """Measure the GFLOP/s of multiply-adds in float32."""
        return measure_peaks().gflops["float32"]

    def _ways(self, case: BenchCase, inputs: Any, outputs: Outputs) -> Iterator[Entrant]:
        if not self._peer:
            yield _ours(case, inputs, outputs)
        elif outputs == OPS[case.op].outputs:
            yield from _torch(case, inputs, self._threads)
        else:
            yield from _torch_part(case, inputs, outputs, self._threads)


def _ours(case: BenchCase, inputs: Any, outputs: Outputs) -> Entrant:
    """Enter the public function; for some outputs only, the implementations of these, joined as dispatch does."""
    op = OPS[case.op]
    function: Callable[..., Any] = partial(getattr(kernels, op.name), **case.options)
    computes = op.outputs
    if outputs != op.outputs:
        accepting = [
            each
            for each in kernels.implementations(op.name)
            if each.device == "cpu" and each.accepts(case.shapes, case.options, "float32")
        ]
        chosen = [next(each for each in accepting if name in (each.computes or op.outputs)) for name in outputs]
        if all(each.computes for each in chosen):
            computes = tuple(name for each in dict.fromkeys(chosen) for name in each.computes or ())
            function = partial(_run_parts, dict.fromkeys(chosen), case)
    result: list[Any] = []

    def call() -> None:
        result[:] = [function(*inputs.values())]

    def computed() -> list[Any]:
        return list(result[0]) if isinstance(result[0], tuple) else result

    name = "workbench" if set(computes) == set(outputs) else f"workbench, with {', '.join(computes)}"
    return Entrant(name=name, version=VERSION, call=call, outputs=computed, operands=(), computes=computes)


def _run_parts(parts: Any, case: BenchCase, *inputs: Any) -> tuple[Any, ...]:
    op = OPS[case.op]
    shapes = dict(zip(op.outputs, op.output_shapes(case.shapes, case.options), strict=True))
    results: list[Any] = []
    for part in parts:
        own = [np.empty(shapes[name], np.float32) for name in part.computes]
        part.function(*inputs, *op.option_values(case.options), *own)
        results += own
    return tuple(results)


def _torch(case: BenchCase, inputs: Any, threads: int) -> Iterator[Entrant]:
    """Enter PyTorch's operator in both memory formats, with inputs converted in advance."""
    from workbench import peers

    for way in peers.variants("torch", case.op, inputs, case.options, threads):
        yield Entrant(
            name=way.name,
            version=peers.version("torch"),
            call=way.run,
            outputs=way.outputs,
            operands=(),
            computes=OPS[case.op].outputs,
        )


def _torch_part(case: BenchCase, inputs: Any, outputs: Outputs, threads: int) -> Iterator[Entrant]:
    """Enter PyTorch's gradient of a convolution, computing only the requested outputs."""
    import torch

    from workbench import peers

    torch.set_num_threads(threads)
    mask = [name in outputs for name in OPS[case.op].outputs]
    (top, bottom), (left, right) = case.options["padding"]
    if (top, left) != (bottom, right):
        raise ValueError(f"{case.name}: PyTorch's padding is the same on both sides")
    for name, memory_format in (("torch", torch.contiguous_format), ("torch channels_last", torch.channels_last)):
        result: list[Any] = []
        with torch.inference_mode():
            dy, x, w = (torch.from_numpy(array).contiguous(memory_format=memory_format) for array in inputs.values())

        def call(dy: Any = dy, x: Any = x, w: Any = w, result: list[Any] = result) -> None:
            options = case.options
            result[:] = torch.ops.aten.convolution_backward(
                *(dy, x, w, [len(w)], options["stride"], (top, left), options["dilation"]),
                *(False, (0, 0), options["groups"], mask),
            )

        def computed(result: list[Any] = result) -> list[Any]:
            return [tensor.contiguous().numpy() for tensor in result if tensor is not None]

        version = peers.version("torch")
        yield Entrant(name=name, version=version, call=call, outputs=computed, operands=(), computes=outputs)
