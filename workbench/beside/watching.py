"""Whether rounding explains what a training with users' kernels computes: every result in every step is compared.

The weights of two trainings differ because their kernels round differently, and every step may enlarge the difference: a
ReLU switches, a maximum moves. No bound of the weights tells how far this may go. But it begins with the results of the
kernels: as long as each of them, for the inputs that it was given, is one that a right kernel may have, so are the weights.
The first result that is not, in a step whose gradients it changes, is where the weights leave what rounding explains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import Op
from kernels.memory.devices import Array
from workbench.beside.observing import ObservedOperations, SeenCall
from workbench.network.executor import PLAIN, OpsExecutor, Step, StepSettings
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Network, Parameters
from workbench.oracle.agreement import SINGLE, agreement
from workbench.oracle.truth import truth_of

Shares = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """A result beyond what rounding explains: of which kernel, its name, and its largest error as a share of the bound."""

    layer: str
    kernel: str
    result: str
    share: float


class WatchedOperations(ObservedOperations):
    """The operations; the results of the user's kernels are compared with those of the built-in ones.

    A result that differs too much is judged by the reference.

    Attributes
    ----------
    compared : whether there was any to compare since ``begin``
    worst : the largest difference since ``begin``, as a share of what rounding explains, of results within it
    beyond : the first result since ``begin`` that is beyond it
    corrects : whether elements beyond their bound are replaced by the right ones
    """

    compared: bool
    worst: float
    beyond: Beyond | None
    corrects = False

    def begin(self) -> None:
        """Begin a step."""
        self.compared, self.worst, self.beyond = False, 0.0, None

    def observes(self, op: Op) -> bool:
        """See ObservedOperations."""
        return op.name in self.substitutes.operations

    def saw(self, call: SeenCall) -> tuple[Array, ...]:
        """See ObservedOperations."""
        if call.kernel is None:
            return call.outputs
        self.compared = True
        self._check_inputs(call)
        other = agreement(call.op, call.inputs, call.options, call.accumulate)
        worst = _worst(tuple(other.shares(place, each) for place, each in enumerate(call.on_host)))
        if worst > 1:
            return self._judged(call)
        self.worst = max(self.worst, worst)
        return call.outputs

    def _check_inputs(self, call: SeenCall) -> None:
        """Notice inputs that the kernel has changed; a right one changes none."""
        for (name, before), array in zip(call.inputs.items(), call.arrays, strict=True):
            if self.device.to_host(array).tobytes() != before.tobytes():
                self._note(call, f"it changes its input {name}", inf)
                if self.corrects:
                    self.device.assign(array, self.device.from_host(before))

    def _judged(self, call: SeenCall) -> tuple[Array, ...]:
        truth = truth_of(call.op, call.inputs, call.options, SINGLE, accumulate=call.accumulate, free=True)
        outputs = list(call.outputs)
        for place, (name, got) in enumerate(zip(call.op.outputs, call.on_host, strict=True)):
            shares = truth.shares(place, got)
            if (share := float(shares.max(initial=0))) > 1:
                self._note(call, name, share)
                if self.corrects:
                    right = np.where(shares > 1, truth.expected[place], got).astype(got.dtype)
                    outputs[place] = self.device.from_host(right)
        return tuple(outputs)

    def _note(self, call: SeenCall, result: str, share: float) -> None:
        if self.beyond is None and call.kernel is not None:
            self.beyond = Beyond(layer=call.layer_name, kernel=call.kernel.name, result=result, share=share)


def _worst(shares: Shares) -> float:
    return max(float(each.max(initial=0)) for each in shares)


class WatchedExecutor(OpsExecutor):
    """Runs a network as ``OpsExecutor`` does, and watches the training steps until the weights leave what rounding explains.

    Parameters
    ----------
    network, parameters, device : as for ``OpsExecutor``
    operations : the watched operations of the steps
    on_compared : called after a step whose results were compared with the step's number, from 1, the largest difference as a
        share of what rounding explains, and the result with which the weights leave that, if they do
    """

    def __init__(
        self,
        network: Network,
        parameters: Parameters,
        device: str,
        operations: WatchedOperations,
        on_compared: Callable[[int, float, Beyond | None], None],
    ) -> None:
        super().__init__(network, parameters, device)
        self._watched = OpsExecutor(network, parameters, device, operations)
        self._watch, self._on_compared = operations, on_compared
        self._has_left = False

    def steps(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        order: NDArray[Any],
        batch: int,
        optimizer: Optimizer,
        settings: StepSettings = PLAIN,
    ) -> Iterator[Step]:
        """See Executor."""
        for first in range(0, len(order), batch):
            if self._has_left:
                yield from super().steps(images, labels, order[first:], batch, optimizer, settings)
                return
            chosen, before, taken = order[first : first + batch], self._state(), optimizer.taken
            self._watch.begin()
            (step,) = self._watched.steps(images, labels, chosen, batch, optimizer, settings)
            with self._watch.clock.stopped():  # before the step is known, which may be the last, or saved
                beyond = self._watch.beyond
                if beyond is not None:
                    self._has_left = self._reaches_weights(images[chosen], labels[chosen], before, taken, settings)
                if self._watch.compared:
                    self._on_compared(taken + 1, self._watch.worst, beyond if self._has_left else None)
            yield step

    def stop(self) -> None:
        """Watch no more: the weights have left what rounding explains before."""
        self._has_left = True

    def _reaches_weights(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        before: tuple[NDArray[np.float32], NDArray[np.float32]],
        taken: int,
        settings: StepSettings,
    ) -> bool:
        """Return whether a step has other gradients with elements beyond their bound than with right ones in their place."""
        after, found = self._state(), []
        for corrects in (False, True):
            gradients = Parameters.zeros(self._network)
            self._watch.corrects = corrects
            self._set_state(before)
            self._watched.step_gradients(images, labels, gradients, settings, taken)
            found.append(gradients.flat.tobytes())
        self._watch.corrects = False
        self._set_state(after)
        return found[0] != found[1]

    def _state(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._parameters.flat.copy(), self._parameters.buffers.flat.copy()

    def _set_state(self, state: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
        self._parameters.flat[...], self._parameters.buffers.flat[...] = state
