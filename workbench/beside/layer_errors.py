"""The error of every layer's outputs and gradients in a training step, as a share of the a-priori bound."""

from math import isinf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import Op
from kernels.memory.devices import Array
from workbench.beside.clock import StoppableClock
from workbench.beside.observing import ObservedOperations, SeenCall
from workbench.network.executor import OpsExecutor, StepSettings
from workbench.network.record import LayerErrorRecord, ShareOfBound
from workbench.network.spec import Network, Parameters
from workbench.oracle.agreement import SINGLE
from workbench.oracle.truth import truth_of
from workbench.target.substitute import Substitutes


class JudgedOperations(ObservedOperations):
    """The operations; every result is judged by the reference.

    Attributes
    ----------
    worst : the largest share of the bound, by the name of the layer and whether it is of gradients
    """

    def __init__(self, network: Network, device: str, substitutes: Substitutes) -> None:
        super().__init__(network, device, substitutes, StoppableClock())
        self.worst: dict[tuple[str, bool], float] = {}

    def observes(self, _op: Op) -> bool:
        """See ObservedOperations."""
        return True

    def saw(self, call: SeenCall) -> tuple[Array, ...]:
        """See ObservedOperations."""
        is_users = call.kernel is not None
        truth = truth_of(call.op, call.inputs, call.options, SINGLE, accumulate=call.accumulate, free=is_users)
        shares = [float(truth.shares(place, each).max(initial=0)) for place, each in enumerate(call.on_host)]
        self.worst[call.layer_name, call.is_backward] = max(shares)
        return call.outputs


def layer_errors(
    network: Network,
    parameters: Parameters,
    device: str,
    batch: tuple[NDArray[Any], NDArray[np.int64]],
    settings: StepSettings,
    substitutes: Substitutes,
) -> list[LayerErrorRecord]:
    """Return the errors of all layers, from the first to the loss, for a batch of images and labels.

    An operation is judged for the inputs that it was given: the error of one layer is not in that of the next.
    """
    judged = JudgedOperations(network, device, substitutes)
    executor = OpsExecutor(network, parameters, device, judged)
    executor.gradients(*batch, Parameters.zeros(network), settings)
    return [
        LayerErrorRecord(
            layer=layer, output=recorded(judged.worst[layer, False]), gradient=recorded(judged.worst[layer, True])
        )
        for layer in dict.fromkeys(layer for layer, _ in judged.worst)
    ]


def recorded(share: float) -> ShareOfBound:
    """Return a share of a bound as it is recorded."""
    return "inf" if isinf(share) else share
