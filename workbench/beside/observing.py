"""The operations of ``kernels``, observed: what every call of a training step was given, and what it returned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels
from kernels import OPS, Op
from kernels.declare.shapes import normal_options
from kernels.memory.devices import Array, get_device
from workbench.beside.clock import StoppableClock
from workbench.network.executor import step_calls
from workbench.network.spec import Layer, Network
from workbench.sampling import Arrays
from workbench.target.binding import UserKernel
from workbench.target.substitute import Substitutes


@dataclass(frozen=True, kw_only=True)
class SeenCall:
    """A call that has returned.

    Attributes
    ----------
    op, layer : the operation and the layer that called it; None for the loss
    is_backward : whether it is in the way back through the layers; the loss is the last of the way there
    kernel : the user's kernel that ran; None if a built-in one did
    arrays : the inputs after the call, on the device
    inputs : the inputs before the call, on the host, by name
    options : in normal form
    outputs : on the device
    on_host : the outputs on the host
    """

    op: Op
    layer: Layer | None
    is_backward: bool
    kernel: UserKernel | None
    arrays: tuple[Array, ...]
    inputs: Arrays
    options: dict[str, Any]
    outputs: tuple[Array, ...]
    on_host: tuple[NDArray[Any], ...]

    @property
    def layer_name(self) -> str:
        """The layer in words."""
        return "loss" if self.layer is None else self.layer.name

    @property
    def accumulate(self) -> str | None:
        """The lower precision that the kernel declares."""
        return None if self.kernel is None else self.kernel.accumulate


class ObservedOperations(ABC):
    """An object with the operations as attributes, for ``OpsExecutor``.

    Parameters
    ----------
    network : the network that calls them
    device : where its arrays are
    substitutes : the kernels of the user
    clock : stands still while a call is observed
    """

    def __init__(self, network: Network, device: str, substitutes: Substitutes, clock: StoppableClock) -> None:
        self.substitutes, self.clock = substitutes, clock
        self.device = get_device(device)
        self._layers = step_calls(network)
        self._place = 0

    @abstractmethod
    def observes(self, op: Op) -> bool:
        """Return whether calls of an operation may be of interest."""

    @abstractmethod
    def saw(self, call: SeenCall) -> tuple[Array, ...]:
        """Look at a call, and return the outputs that it is to have."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, OPS[name])

    def _call(self, op: Op, *arrays: Array, **options: Any) -> Any:
        place, self._place = self._place, (self._place + 1) % len(self._layers)
        operation = getattr(kernels, op.name)
        if not self.observes(op):
            return operation(*arrays, **options)
        names = [item.name for item in op.inputs]
        with self.clock.stopped():
            hosted = (np.array(self.device.to_host(array), order="C") for array in arrays)
            inputs = dict(zip(names, hosted, strict=True))
        self.substitutes.ran = None
        result = operation(*arrays, **options)
        with self.clock.stopped():
            outputs = result if isinstance(result, tuple) else (result,)
            seen = self.saw(
                SeenCall(
                    op=op,
                    layer=self._layers[place],
                    is_backward=2 * place >= len(self._layers),
                    kernel=self.substitutes.ran,
                    arrays=arrays,
                    inputs=inputs,
                    options=normal_options(op, options, {name: array.shape for name, array in inputs.items()}),
                    outputs=outputs,
                    on_host=tuple(map(self.device.to_host, outputs)),
                )
            )
        return seen if isinstance(result, tuple) else seen[0]
