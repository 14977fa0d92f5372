"""What a network makes of one image: the values of every layer, and how they move the score of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernels
from kernels import OPS
from workbench.network.executor import OpsExecutor
from workbench.network.spec import Layer, Network, Parameters

Values = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Activations:
    """The values of a network for one image, in inference.

    Attributes
    ----------
    values : the image as the network sees it, then the output of every layer; (C, H, W) each, and (M,) once flat
    probabilities : of the classes, (K,): the softmax of the last values, which are the scores
    """

    network: Network
    parameters: Parameters
    values: tuple[Values, ...]
    probabilities: Values

    @property
    def scores(self) -> Values:
        """One for each class, (K,)."""
        return self.values[-1]

    def gradients(self, target: int) -> tuple[Values, ...]:
        """Return the gradients of the score of a class with respect to all ``values``, in their shapes.

        They are computed by the backward kernels, and are those of inference: a dropout does nothing, and the statistics
        of a batch normalization are constants.
        """
        gradient = np.zeros_like(self.scores)[np.newaxis]
        gradient[0, target] = 1
        found: list[Values] = [gradient]
        with kernels.use_device("cpu"):
            for layer, x in zip(reversed(self.network.layers), reversed(self.values[:-1]), strict=True):
                found.append(_backward(layer, found[-1], x[np.newaxis], self.parameters))
        return tuple(each[0] for each in reversed(found))


def activations(network: Network, parameters: Parameters, image: Values) -> Activations:
    """Run a network on one image, layer by layer.

    Parameters
    ----------
    network : the network
    parameters : float32 or float64, with the buffers of the network
    image : (C, H, W), of the parameters' dtype, or uint8 that represents 0..1
    """
    values = OpsExecutor(network, parameters, "cpu").activations(image[np.newaxis])
    return Activations(
        network=network,
        parameters=parameters,
        values=tuple(each[0] for each in values),
        probabilities=kernels.softmax(values[-1], device="cpu")[0],
    )


def _backward(layer: Layer, dy: Values, x: Values, parameters: Parameters) -> Values:
    """Return the gradient with respect to the input ``x`` of a layer."""
    if layer.op == "flatten":
        return dy.reshape(x.shape)
    if layer.op == "dropout":
        return dy
    if layer.op == "batch_norm":  # linear: the gradient is scaled as the values are, and nothing is added
        w, var = _tensors(layer, parameters, "weight", "running_var")
        images, zeros = dy.reshape(*dy.shape, *(1,) * (4 - dy.ndim)), np.zeros_like(w)
        return kernels.batch_norm_inference(images, w, zeros, zeros, var).reshape(x.shape)
    weight = _tensors(layer, parameters, "weight")
    found: Any = getattr(kernels, str(OPS[layer.op].backward))(dy, x, *weight, **layer.options)
    dx: Values = found[0] if weight else found
    return dx


def _tensors(layer: Layer, parameters: Parameters, *names: str) -> list[Values]:
    """Return the tensors of a layer with these names; none if it has none."""
    return [parameters.tensors[f"{layer.number}.{name}"] for name in names if layer.has_parameters]
