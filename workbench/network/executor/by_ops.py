"""The op-by-op executor: one public operation of ``kernels`` per layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels
from kernels import OPS
from kernels.augment.batch import augment
from kernels.augment.strengths import warp_of
from kernels.compile.philox import AUGMENTATION, DROPOUT, derived_seed
from kernels.memory.devices import Array, get_device
from workbench.datasets import to_unit
from workbench.network.executor.protocol import PLAIN, Step, StepSettings
from workbench.network.optimizer import Optimizer
from workbench.network.spec import INITIAL_BUFFERS, Layer, Network, Parameters


def step_calls(network: Network) -> list[Layer | None]:
    """Return the layer of every operation that a training step calls, in order; None for the loss and its gradient."""
    called = [layer for layer in network.layers if layer.op != "flatten"]
    return [*called, None, None, *reversed(called)]


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
            return self._device.to_host(self._forward(images).activations[-1])

    def activations(self, images: NDArray[Any]) -> list[NDArray[Any]]:
        """Compute the input of every layer and, last, the scores, in inference."""
        with kernels.use_device(self._device.name):
            return [self._device.to_host(each) for each in self._forward(images).activations]

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
            loss, scores = self.step_gradients(images[chosen], labels[chosen], gradients, settings, optimizer.taken)
            optimizer.update(self._parameters.flat, gradients.flat, self._parameters.buffers.flat)
            correct = int(np.count_nonzero(scores.argmax(axis=1) == labels[chosen]))
            yield Step(samples=len(chosen), loss=loss, correct=correct)

    def gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters, settings: StepSettings = PLAIN
    ) -> tuple[float, NDArray[Any]]:
        """See Executor."""
        with kernels.use_device(self._device.name):
            made = self._forward(images, (settings, 0))
            return self._backward(made, labels, gradients, settings)

    def step_gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters, settings: StepSettings, taken: int
    ) -> tuple[float, NDArray[Any]]:
        """Fill ``gradients`` with those of the step after ``taken`` steps, which also counts in the running statistics."""
        with kernels.use_device(self._device.name):
            made = self._forward(images, (settings, taken))
            found = self._backward(made, labels, gradients, settings)
        self._average(made)
        return found

    def _forward(self, images: NDArray[Any], drawn_by: tuple[StepSettings, int] | None = None) -> _Forward:
        """Run all layers: in inference, or in the training step of these settings and a number."""
        pixels = to_unit(images) if images.dtype == np.uint8 else images
        if drawn_by and (strengths := drawn_by[0].augmentation):
            seed = derived_seed(drawn_by[0].seed, drawn_by[1], 0, AUGMENTATION)
            pixels = augment(images, warp_of(strengths, self._network.input_shape), seed).astype(pixels.dtype)
        made = _Forward(
            parameters=self._copy_parameters(), drawn_by=drawn_by, activations=[self._device.from_host(pixels)]
        )
        for layer in self._network.layers:
            made.activations.append(self._run(layer, made.activations[-1], made))
        return made

    def _run(self, layer: Layer, x: Array, made: _Forward) -> Array:
        if layer.op == "flatten":
            return x.reshape((x.shape[0], x.size // max(x.shape[0], 1)))
        if layer.op == "batch_norm":
            return self._normalize(layer, x, made)
        if layer.op == "dropout":
            return self._operations.dropout(x, **made.dropping(layer)) if made.drawn_by else x
        operation = getattr(self._operations, layer.op)
        return operation(x, *made.tensors(layer, "weight", "bias"), **layer.options)

    def _normalize(self, layer: Layer, x: Array, made: _Forward) -> Array:
        tensors = made.tensors(layer, "weight", "bias")
        if made.drawn_by is None:
            running = made.tensors(layer, *INITIAL_BUFFERS)
            return self._operations.batch_norm_inference(_as_images(x), *tensors, *running).reshape(x.shape)
        y, *made.statistics[layer.number] = self._operations.batch_norm(_as_images(x), *tensors)
        return y.reshape(x.shape)

    def _backward(
        self, made: _Forward, labels: NDArray[Any], gradients: Parameters, settings: StepSettings
    ) -> tuple[float, NDArray[Any]]:
        """Fill ``gradients``; return the loss and the scores."""
        device, operations, scores = self._device, self._operations, made.activations[-1]
        d_labels, smoothing = device.from_host(labels), settings.label_smoothing
        loss = float(device.to_host(operations.cross_entropy(scores, d_labels, label_smoothing=smoothing)))
        gradient = operations.cross_entropy_backward(scores, d_labels, label_smoothing=smoothing)
        for layer, x in zip(reversed(self._network.layers), reversed(made.activations[:-1]), strict=True):
            gradient, *own = self._run_backward(layer, gradient, x, made)
            for name, values in zip(("weight", "bias"), own, strict=False):
                gradients.named[f"{layer.number}.{name}"][...] = device.to_host(values)
        return loss, device.to_host(scores)

    def _run_backward(self, layer: Layer, dy: Array, x: Array, made: _Forward) -> Sequence[Array]:
        """Return the gradients of a layer with respect to its input and, if it has them, its weight and bias."""
        if layer.op == "flatten":
            return (dy.reshape(tuple(x.shape)),)
        backward = getattr(self._operations, str(OPS[layer.op].backward))
        if layer.op == "dropout":
            return (backward(dy, **made.dropping(layer)),)
        weight = made.tensors(layer, "weight")
        if layer.op == "batch_norm":
            dx, *own = backward(_as_images(dy), _as_images(x), *weight, *made.statistics[layer.number])
            return (dx.reshape(x.shape), *own)
        found = backward(dy, x, *weight, **layer.options)
        return found if weight else (found,)

    def _average(self, made: _Forward) -> None:
        """Let the statistics of a batch count in the running ones."""
        for layer, x in zip(self._network.layers, made.activations, strict=False):
            if layer.number in made.statistics:
                mean, var = map(self._device.to_host, made.statistics[layer.number])
                self._parameters.buffers.average(layer.number, mean, var, x.size // len(mean))

    def _copy_parameters(self) -> dict[str, Array]:
        return {name: self._device.from_host(values) for name, values in self._parameters.tensors.items()}


@dataclass(kw_only=True)
class _Forward:
    """A forward pass.

    Attributes
    ----------
    parameters : and buffers, by name, on the device
    drawn_by : in training, the settings and the number of the step; None in inference
    activations : the input of every layer and, last, the scores
    statistics : mean and variance of the batch, by the number of a batch normalization; in training
    """

    parameters: dict[str, Array]
    drawn_by: tuple[StepSettings, int] | None
    activations: list[Array]
    statistics: dict[int, list[Array]] = field(default_factory=dict)

    def tensors(self, layer: Layer, *names: str) -> list[Array]:
        """Return the tensors of a layer with these names; none if it has none."""
        found = (self.parameters.get(f"{layer.number}.{name}") for name in names)
        return [each for each in found if each is not None]

    def dropping(self, layer: Layer) -> dict[str, Any]:
        """Return the options of a dropout in training."""
        assert self.drawn_by is not None
        settings, taken = self.drawn_by
        return {**layer.options, "seed": derived_seed(settings.seed, taken, layer.number, DROPOUT)}


def _as_images(x: Array) -> Array:
    """Return samples as images, (N, C, H, W): vectors are images of one pixel."""
    return x if x.ndim == 4 else x.reshape((*x.shape, 1, 1))
