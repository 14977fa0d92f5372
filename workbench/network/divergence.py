"""Divergence: whether a training has failed, and what went first."""

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from workbench.network.spec import Network, Parameters

Labels = NDArray[np.int64]

FAR = 4.0
"""An epoch has diverged if its loss is larger than this times the loss at chance, or times that of the first step."""

DEVIATIONS = 2.0
"""An accuracy is at chance up to this many standard deviations above it."""


class Diverged(Exception):  # noqa: N818 - a result of the training, not an error of the program
    """The loss is no longer a finite number, or far above chance."""


def limit_of(loss: float, classes: int) -> float:
    """Return the largest train loss of an epoch that has not diverged, by the loss of the first step."""
    return FAR * max(log(classes), loss)


def chance_of(labels: Labels) -> float:
    """Return the accuracy 0..1 of naming the most frequent class for every sample."""
    return float(np.bincount(labels).max() / len(labels))


def is_at_chance(accuracy: float, labels: Labels) -> bool:
    """Return whether an accuracy (0..1) on samples with these labels may as well come from guessing."""
    chance = chance_of(labels)
    return accuracy <= chance + DEVIATIONS * sqrt(chance * (1 - chance) / len(labels))


def first_broken(network: Network, values: Parameters) -> str:
    """Return the layer, of those with values that are not finite, that comes last, "" if there is none.

    Gradients are computed from the last layer to the first, so this one went first.
    """
    for layer in reversed(network.layers):
        for name in ("weight", "bias"):
            part = values.named.get(f"{layer.number}.{name}")
            if part is not None and not np.isfinite(part).all():
                return f"{name} of {layer.name}"
    return ""


def most_grown(network: Network, before: Parameters, after: Parameters) -> str:
    """Return the layer whose weights have grown most, in the root of their mean square, and by which factor."""
    growth = {
        layer.name: _size(after.named[f"{layer.number}.weight"])
        / (_size(before.named[f"{layer.number}.weight"]) or 1.0)
        for layer in network.layers
        if f"{layer.number}.weight" in after.named
    }
    name = max(growth, key=lambda each: growth[each])
    return f"the weights of {name} have grown most, to {growth[name]:.3g} times what they were"


def _size(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0
