"""How far the scores of a network may be from the exact ones, by rounding alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.declare.rounding import Analytic, Exact, Sum, gamma
from workbench.network.spec import INITIAL_BUFFERS, Layer, Network, Parameters
from workbench.oracle.network import references

Wide = NDArray[np.float64]

UNIT = 2.0**-24
"""The unit roundoff of float32."""

SMALLEST = 2.0**-149
"""The smallest positive number of float32."""


@dataclass(frozen=True, kw_only=True)
class ExactScores:
    """Scores (N, K) of images in float64, and how far those of a right computation in float32 may be from them."""

    scores: Wide
    bounds: Wide

    def share(self, scores: NDArray[Any]) -> float:
        """Return the largest error of some scores (N, K) as a share of its bound; infinite if a score is no number."""
        errors = np.abs(scores - self.scores)
        with np.errstate(all="ignore"):
            shares = np.where(errors == 0, 0.0, errors / self.bounds)
        return float(np.where(np.isnan(shares), np.inf, shares).max(initial=0))


def exact_scores(
    network: Network, parameters: Parameters, images: NDArray[np.float32], classes: Sequence[int] | None = None
) -> ExactScores:
    """Compute the scores of images (N, C, H, W) in 0..1 in inference by the references, and their bounds.

    Every layer rounds by at most its own bound, and its error reaches a score multiplied by the gradient of the score
    with respect to the layer's output. The bound of a score is the sum of their absolute values, over all layers and
    elements. It holds to first order in the unit roundoff: no ReLU switches, and no maximum moves, within the errors.

    Parameters
    ----------
    network, parameters : in float32
    images : the input
    classes : the scores to compute; None for all
    """
    chosen = range(network.shapes[-1][0]) if classes is None else classes
    walk = _Walk(parameters.in_float64(network), references())
    values, own = [images.astype(np.float64)], []
    for layer in network.layers:
        y, error = walk.forward(layer, values[-1])
        values.append(y)
        own.append(error)
    bounds = np.zeros((len(images), len(chosen)))
    for column, target in enumerate(chosen):
        gradient = np.zeros_like(values[-1])
        gradient[:, target] = 1
        for layer, x, error in zip(reversed(network.layers), reversed(values[:-1]), reversed(own), strict=True):
            bounds[:, column] += (np.abs(gradient) * error).reshape(len(images), -1).sum(axis=1)
            gradient = walk.backward(layer, gradient, x)
    return ExactScores(scores=values[-1][:, chosen], bounds=bounds)


class _Walk:
    """The way through the layers with these parameters."""

    def __init__(self, parameters: Parameters, operations: Any) -> None:
        self._tensors: dict[str, Any] = parameters.tensors
        self._operations = operations

    def forward(self, layer: Layer, x: Wide) -> tuple[Wide, Wide]:
        """Return the output of a layer, and by how much the layer may round it."""
        if layer.op in ("flatten", "dropout"):
            y = x.reshape(len(x), -1) if layer.op == "flatten" else x
            return y, np.zeros_like(y)
        tensors = self._named(layer, "weight", "bias") if layer.has_parameters else []
        if layer.op == "batch_norm":
            return self._normalized(layer, x, *tensors)
        operation, op = getattr(self._operations, layer.op), OPS[layer.op]
        y = operation(x, *tensors, **layer.options)
        if isinstance(op.rounding, Exact):
            return y, np.zeros_like(y)
        assert isinstance(op.rounding, Sum)
        shapes = {"x": x.shape} | {name: each.shape for name, each in zip("wb", tensors, strict=False)}
        (roundings,) = op.rounding.roundings(shapes, layer.normal_options(x.shape[1:]))
        largest = max((float(np.abs(each).max(initial=1)) for each in (x, *tensors)), default=1.0)
        size = operation(np.abs(x), *map(np.abs, tensors), **layer.options)
        return y, gamma(roundings, UNIT) * size + roundings * SMALLEST * largest

    def backward(self, layer: Layer, dy: Wide, x: Wide) -> Wide:
        """Return the gradient with respect to the input of a layer."""
        if layer.op == "flatten":
            return dy.reshape(x.shape)
        if layer.op == "dropout":
            return dy
        if layer.op == "batch_norm":
            (weight,), (mean, var) = self._named(layer, "weight"), self._named(layer, *INITIAL_BUFFERS)
            return self._scaled(dy, weight, np.zeros_like(mean), np.zeros_like(mean), var)
        weights = self._named(layer, "weight") if layer.has_parameters else []
        found = getattr(self._operations, str(OPS[layer.op].backward))(dy, x, *weights, **layer.options)
        dx: Wide = found[0] if weights else found
        return dx

    def _normalized(self, layer: Layer, x: Wide, weight: Wide, bias: Wide) -> tuple[Wide, Wide]:
        op, (mean, var) = OPS["batch_norm_inference"], self._named(layer, *INITIAL_BUFFERS)
        y = self._scaled(x, weight, bias, mean, var)
        inputs = {"x": _as_images(x), "w": weight, "b": bias, "mean": mean, "var": var}
        assert isinstance(op.rounding, Analytic)
        (error,) = op.rounding.of(inputs, (_as_images(y),), UNIT, {each.name: each.default for each in op.options})
        return y, error.reshape(x.shape)

    def _scaled(self, x: Wide, *tensors: Wide) -> Wide:
        y: Wide = self._operations.batch_norm_inference(_as_images(x), *tensors)
        return y.reshape(x.shape)

    def _named(self, layer: Layer, *names: str) -> list[Wide]:
        return [self._tensors[f"{layer.number}.{name}"] for name in names]


def _as_images(x: Wide) -> Wide:
    """Return samples as images, (N, C, H, W): vectors are images of one pixel."""
    return x if x.ndim == 4 else x.reshape(*x.shape, 1, 1)
