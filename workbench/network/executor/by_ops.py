"""The op-by-op executor: one public operation of ``kernels`` per layer."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels
from kernels import OPS
from kernels.memory.devices import Array, get_device
from workbench.datasets import to_unit
from workbench.network.executor.protocol import PLAIN, Step, StepSettings
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Layer, Network, Parameters


class OpsExecutor:
    """Runs a network layer by layer through the dispatch layer.

    On "cuda" the batch and the parameters are copied to the device once per call, all activations stay there, and
    the gradients are copied back.

    Parameters
    ----------
    network : the network to run
    parameters : read at every call
    device : "cpu" or "cuda"
    operations : an object with the operations as attributes; one other than ``kernels`` must work on the host
    """

    def __init__(self, network: Network, parameters: Parameters, device: str, operations: Any = kernels) -> None:
        self._operations = operations
        self._network = network
        self._parameters = parameters
        self._device = get_device(device)

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """See Executor."""
        with kernels.use_device(self._device.name):
            return self._device.to_host(self._forward(images, self._copy_parameters())[-1])

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """See Executor."""
        with kernels.use_device("cpu"):
            found: NDArray[Any] = self._operations.softmax(self.logits(images))
        return found

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
        gradients = Parameters.zeros(self._network)
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            loss, scores = self.gradients(images[chosen], labels[chosen], gradients, settings)
            optimizer.update(self._parameters.flat, gradients.flat)
            correct = int(np.count_nonzero(scores.argmax(axis=1) == labels[chosen]))
            yield Step(samples=len(chosen), loss=loss, correct=correct)

    def gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters, settings: StepSettings = PLAIN
    ) -> tuple[float, NDArray[Any]]:
        """See Executor."""
        with kernels.use_device(self._device.name):
            return self._gradients(images, labels, gradients, settings)

    def _gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters, settings: StepSettings
    ) -> tuple[float, NDArray[Any]]:
        device, parameters = self._device, self._copy_parameters()
        activations = self._forward(images, parameters)
        d_labels = device.from_host(labels)
        smoothing = settings.label_smoothing
        loss = float(
            device.to_host(self._operations.cross_entropy(activations[-1], d_labels, label_smoothing=smoothing))
        )
        gradient = self._operations.cross_entropy_backward(activations[-1], d_labels, label_smoothing=smoothing)
        for layer, x in zip(reversed(self._network.layers), reversed(activations[:-1]), strict=True):
            if layer.op == "flatten":
                gradient = gradient.reshape(tuple(x.shape))
                continue
            backward = getattr(self._operations, str(OPS[layer.op].backward))
            if layer.outputs is None:
                gradient = backward(gradient, x, **layer.options)
                continue
            weight = parameters[f"{layer.number}.weight"]
            gradient, *own = backward(gradient, x, weight, **layer.options)
            for name, values in zip(("weight", "bias"), own, strict=True):
                gradients.named[f"{layer.number}.{name}"][...] = device.to_host(values)
        return loss, device.to_host(activations[-1])

    def _copy_parameters(self) -> dict[str, Array]:
        return {name: self._device.from_host(values) for name, values in self._parameters.named.items()}

    def _forward(self, images: NDArray[Any], parameters: dict[str, Array]) -> list[Array]:
        """Return the input of every layer and, last, the scores."""
        activations = [self._device.from_host(to_unit(images) if images.dtype == np.uint8 else images)]
        for layer in self._network.layers:
            activations.append(self._run(layer, activations[-1], parameters))
        return activations

    def _run(self, layer: Layer, x: Array, parameters: dict[str, Array]) -> Array:
        if layer.op == "flatten":
            return x.reshape((x.shape[0], x.size // max(x.shape[0], 1)))
        operation = getattr(self._operations, layer.op)
        if layer.outputs is None:
            return operation(x, **layer.options)
        return operation(x, parameters[f"{layer.number}.weight"], parameters[f"{layer.number}.bias"], **layer.options)
