"""A network layer by layer: shapes, parameters, multiply-adds, bytes, and the measured time of a training step."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

import kernels
from kernels import OPS
from kernels.declare.op import Shape
from workbench.network import presets
from workbench.network.executor import OpsExecutor, step_calls
from workbench.network.spec import Layer, Network, Parameters, build, parse
from workbench.system.errors import InputError

ITEM_BYTES = np.dtype(np.float32).itemsize

LEAST_STEPS, SECONDS = 5, 0.5
"""A step is timed at least so many times, and for so long; the medians count."""

CLASSES = 10
"""The classes of a preset that is not trained."""


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """One layer; its output and multiply-adds are those of one sample in inference.

    ``number`` is that of the names of its parameters, counted from 0; ``place`` that in the spec, counted from 1, None for a
    flatten that the spec leaves out.

    ``buffers`` counts the running statistics of a batch normalization. A multiply-add is a product that is added to a sum:
    those of convolutions and dense layers; of a batch normalization one for each value, of other layers none.
    """

    number: int
    place: int | None
    text: str
    output: Shape
    parameters: int
    buffers: int
    multiply_adds: int

    @property
    def activation_bytes(self) -> int:
        """The size of the output of one sample."""
        return prod(self.output) * ITEM_BYTES

    @property
    def parameter_bytes(self) -> int:
        """The size of parameters and buffers."""
        return (self.parameters + self.buffers) * ITEM_BYTES


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """Milliseconds of a training step, operation by operation: of every layer's kernels, forward and back, and of the loss.

    Copies between the layers and the optimizer's update are not in it.
    """

    batch: int
    forward_ms: tuple[float, ...]
    backward_ms: tuple[float, ...]
    loss_ms: float

    @property
    def total_ms(self) -> float:
        """All of it."""
        return sum(self.forward_ms) + sum(self.backward_ms) + self.loss_ms

    def share(self, index: int) -> float:
        """Return the share of a layer, by its place in the network."""
        return (self.forward_ms[index] + self.backward_ms[index]) / self.total_ms


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A network, its layers, and the times of a step if they were measured."""

    network: Network
    layers: tuple[LayerSummary, ...]
    times: StepTimes | None

    def total(self, name: str) -> int:
        """Return the sum of a property of the layers, such as "parameters"."""
        return sum(getattr(layer, name) for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        counts = ("parameters", "multiply_adds", "activation_bytes", "parameter_bytes")
        layers: list[dict[str, Any]] = []
        for index, layer in enumerate(self.layers):
            place = {"number": layer.number, "place": layer.place}
            layers.append({**place, "layer": layer.text, "output_shape": layer.output})
            layers[-1] |= {name: getattr(layer, name) for name in counts}
            if self.times is not None:
                layers[-1] |= {
                    "forward_ms": self.times.forward_ms[index],
                    "backward_ms": self.times.backward_ms[index],
                    "share_of_step": self.times.share(index),
                }
        step = None
        if self.times is not None:
            measured = {"batch_size": self.times.batch, "ms": self.times.total_ms, "loss_ms": self.times.loss_ms}
            step = {"executor": "ops", **measured}
        return {
            "spec": self.network.spec,
            "input_shape": self.network.input_shape,
            "layers": layers,
            "total": {name: self.total(name) for name in counts},
            "step": step,
        }


def network_of(model: str, input_shape: Shape) -> Network:
    """Build a preset, for ten classes, or a layer spec, whose last layer says the number of classes.

    Raises
    ------
    InputError
        The spec is not valid for such an input, or does not end with scores.
    """
    presets.layers_of(model)  # refuses what is neither
    spec, shape = presets.layer_spec(model, CLASSES), input_shape
    for layer in parse(spec):
        shape = layer.output_shape(shape)
    if len(shape) > 1:
        raise InputError(f"{layer.name}: gives {'x'.join(map(str, shape))}; end the spec with 'dense K', K the classes")
    return build(spec, input_shape, shape[0])


def summarize(network: Network) -> tuple[LayerSummary, ...]:
    """Describe every layer."""
    return tuple(
        LayerSummary(
            number=layer.number,
            place=None if layer.implied else layer.place,
            text=layer.text,
            output=after,
            parameters=sum(map(prod, layer.parameter_shapes(before).values())),
            buffers=sum(map(prod, layer.buffer_shapes(before).values())),
            multiply_adds=_multiply_adds(layer, before),
        )
        for layer, before, after in zip(network.layers, network.shapes, network.shapes[1:], strict=False)
    )


def _multiply_adds(layer: Layer, shape: Shape) -> int:
    if layer.op == "batch_norm":
        return prod(shape)
    if layer.outputs is None:
        return 0
    weight, bias = layer.parameter_shapes(shape).values()
    shapes = {"x": (1, *shape), "w": weight, "b": bias}
    return OPS[layer.op].flops(shapes, layer.normal_options(shape)) // 2


def time_step(network: Network, parameters: Parameters, batch: int) -> StepTimes:
    """Measure training steps on random images, with the current number of threads; the parameters stay as they are.

    The caller looks whether the batch fits into memory, with ``check_memory``.
    """
    watch = _Watch()
    executor, gradients = OpsExecutor(network, parameters, "cpu", watch), Parameters.zeros(network)
    rng = np.random.default_rng(0)
    images = rng.random((batch, *network.input_shape), dtype=np.float32)
    labels = rng.integers(0, network.shapes[-1][0], batch)
    runs: list[list[float]] = []
    end = 0.0
    while len(runs) <= LEAST_STEPS or time.perf_counter() < end:
        watch.ms.clear()
        executor.gradients(images, labels, gradients)
        runs.append(list(watch.ms))
        end = end or time.perf_counter() + SECONDS
    ms = [statistics.median(each) for each in zip(*runs[1:], strict=True)]  # the first compiles
    calls, loss_ms = step_calls(network), 0.0
    forward, backward = [0.0] * len(network.layers), [0.0] * len(network.layers)
    for place, (layer, each) in enumerate(zip(calls, ms, strict=True)):
        if layer is None:
            loss_ms += each
        else:
            (forward if 2 * place < len(calls) else backward)[layer.number] = each
    return StepTimes(batch=batch, forward_ms=tuple(forward), backward_ms=tuple(backward), loss_ms=loss_ms)


class _Watch:
    """The operations, timed: ``ms`` are the milliseconds of every call, in the order of the calls."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._timed, getattr(kernels, name))

    def _timed(self, operation: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
        start = time.perf_counter()
        result = operation(*arrays, **options)
        self.ms.append((time.perf_counter() - start) * 1e3)
        return result
