"""What the page is told: the layers of a network, and what it makes of one picture.

Arrays go to the page as bytes, little endian, row by row; in JSON they are base64.
"""

from __future__ import annotations

import time
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kernels import OPS
from kernels.declare.shapes import normal_options
from workbench.network.activations import activations
from workbench.network.checkpoint import TrainedRun
from workbench.network.predict import best_two
from workbench.network.spec import Layer
from workbench.system.errors import InputError

MOST_NUMBERS = 2**22
"""The most parameters and values of a network on the page: all values are drawn for every stroke."""

STRONGEST = 8
"""The inputs of a dense unit that are shown, those with the largest products."""


class Tensor(Struct, frozen=True):
    """A float32 array."""

    shape: tuple[int, ...]
    data: bytes


class LayerFacts(Struct, frozen=True):
    """A layer: its operation with the options in their normal form, the shape of its output, and its tensors.

    The weights of a dense layer are not among the tensors: the page is told the strongest of their products.
    """

    text: str
    op: str
    options: dict[str, Any]
    shape: tuple[int, ...]
    tensors: dict[str, Tensor]


class NetworkFacts(Struct, frozen=True):
    """A trained network; ``accuracy`` is that of the test images after the last epoch, None before the first."""

    name: str
    classes: tuple[str, ...]
    parameters: int
    accuracy: float | None
    preparation: str
    shape: tuple[int, ...]
    layers: tuple[LayerFacts, ...]


class Connections(Struct, frozen=True):
    """For each unit of a dense layer, its STRONGEST inputs (int32), their weights and products, the sum of the others."""

    count: int
    inputs: bytes
    weights: bytes
    products: bytes
    others: bytes


class Sight(Struct, frozen=True):
    """What a network makes of a picture.

    Attributes
    ----------
    values : the picture as the network sees it, then the output of every layer
    probabilities : of the classes
    best, unsure : the most probable class, and whether ``workbench predict`` would call it unsure
    connections : by the number of the dense layer
    milliseconds : the time that all this took
    """

    values: tuple[bytes, ...]
    probabilities: bytes
    best: int
    unsure: bool
    connections: dict[int, Connections]
    milliseconds: float


def require_small(run: TrainedRun) -> None:
    """Raise InputError if the network is too large for the page."""
    network = run.network
    numbers = sum(map(prod, network.parameter_shapes.values())) + sum(map(prod, network.shapes))
    if numbers > MOST_NUMBERS:
        raise InputError(
            f"{run.folder}: {numbers:,} parameters and values are too many to draw for every stroke, at most "
            f"{MOST_NUMBERS:,}; use a smaller network, or 'workbench predict'"
        )


def facts(run: TrainedRun) -> NetworkFacts:
    """Return what the page is told of a network once."""
    epochs = run.record["epochs"]
    return NetworkFacts(
        name=run.folder.resolve().name,
        classes=run.classes,
        parameters=run.record["parameters"],
        accuracy=epochs[-1]["test_accuracy"] if epochs else None,
        preparation=run.config["preparation"],
        shape=run.network.input_shape,
        layers=tuple(
            LayerFacts(layer.text, layer.op, _options(layer, before), after, _tensors(run, layer))
            for layer, before, after in zip(
                run.network.layers, run.network.shapes, run.network.shapes[1:], strict=False
            )
        ),
    )


def _options(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    if layer.op in ("flatten", "dropout"):  # which do nothing to the values
        return {}
    shapes: dict[str, Any] = {"x": (1, *shape)}
    if layer.op == "conv2d":
        shapes["w"] = layer.parameter_shapes(shape)["weight"]
    return normal_options(OPS[layer.op], layer.options, shapes)


def _tensors(run: TrainedRun, layer: Layer) -> dict[str, Tensor]:
    own = f"{layer.number}."
    return {
        name.removeprefix(own): Tensor(values.shape, _packed(values))
        for name, values in run.parameters.tensors.items()
        if name.startswith(own) and not (layer.op == "dense" and name.endswith("weight"))
    }


def see(run: TrainedRun, image: NDArray[np.uint8]) -> Sight:
    """Run a network on a picture (C, H, W), prepared as the network takes it."""
    start = time.perf_counter()
    found = activations(run.network, run.parameters, image)
    best, _, unsure = best_two(found.probabilities)
    connections = {
        layer.number: _connections(run.parameters.tensors[f"{layer.number}.weight"], found.values[layer.number])
        for layer in run.network.layers
        if layer.op == "dense"
    }
    return Sight(
        values=tuple(map(_packed, found.values)),
        probabilities=_packed(found.probabilities),
        best=best,
        unsure=unsure,
        connections=connections,
        milliseconds=1000 * (time.perf_counter() - start),
    )


def _connections(weight: NDArray[np.float32], x: NDArray[np.float32]) -> Connections:
    products = weight * x
    count = min(STRONGEST, x.size)
    largest = np.argpartition(np.abs(products), -count, axis=1)[:, -count:]
    order = np.argsort(-np.abs(np.take_along_axis(products, largest, axis=1)), axis=1, kind="stable")
    inputs = np.take_along_axis(largest, order, axis=1)
    strongest = np.take_along_axis(products, inputs, axis=1)
    return Connections(
        count=count,
        inputs=inputs.astype("<i4").tobytes(),
        weights=_packed(np.take_along_axis(weight, inputs, axis=1)),
        products=_packed(strongest),
        others=_packed(products.sum(axis=1, dtype=np.float64) - strongest.sum(axis=1, dtype=np.float64)),
    )


def _packed(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values, dtype="<f4").tobytes()
