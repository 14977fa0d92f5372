"""What there is to see of a network: for one picture layer by layer, and its filters; as data, before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.network.activations import Activations
from workbench.network.checkpoint import TrainedRun
from workbench.pictures.style import in_figures
from workbench.system.errors import InputError, shortened
from workbench.system.numbers import plural

MOST_LISTED = 24
"""The most layers that an error message lists."""

_SAME = {
    "flatten": "the same values in a row",
    "dropout": "outside training it passes all values on",
}
"""Layers that change no value, and what they do."""


@dataclass(frozen=True, kw_only=True)
class LayerView:
    """The values of one layer for one picture.

    Attributes
    ----------
    place : in the spec, counted from 1; 0 is the picture as the network sees it
    name : "input", or the layer as written in the spec
    values : (C, H, W), or (M,) once flat
    same : what the layer does, if its values are those before it; else ""
    """

    place: int
    name: str
    values: NDArray[np.floating]
    same: str = ""

    @property
    def title(self) -> str:
        """Place and name."""
        return f"{self.place} {self.name}" if self.place else self.name

    @property
    def size(self) -> str:
        """The number of values, in words."""
        if self.values.ndim == 1:
            return plural(self.count, "value")
        _, height, width = self.values.shape
        return f"{plural(self.count, 'map' if self.place else 'channel')} of {height}x{width}"

    @property
    def count(self) -> int:
        """The number of maps, or of values once flat."""
        return len(self.values)

    @property
    def range(self) -> str:
        """The least and the largest value, in words."""
        return f"{in_figures(float(self.values.min()))} to {in_figures(float(self.values.max()))}"

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return float(np.abs(self.values).max())


@dataclass(frozen=True, kw_only=True)
class FilterView:
    """The filters of a convolution, (O, C, KH, KW), and the maps (O, H, W) that they make of a picture if there is one."""

    place: int
    name: str
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    maps: NDArray[np.floating] | None = None

    @property
    def title(self) -> str:
        """Place and name."""
        return f"{self.place} {self.name}"

    @property
    def largest(self) -> float:
        """The largest absolute weight."""
        return float(np.abs(self.weights).max())


def layer_views(seen: Activations) -> tuple[LayerView, ...]:
    """Return the picture and all layers of the spec, in order; an implied flatten is left out."""
    found = [LayerView(place=0, name="input", values=seen.values[0])]
    for layer, values in zip(seen.network.layers, seen.values[1:], strict=True):
        if not layer.implied:
            name = " ".join(layer.text.split())
            found.append(LayerView(place=layer.place, name=name, values=values, same=_SAME.get(layer.op, "")))
    return tuple(found)


def view_at(views: Sequence[LayerView], place: int) -> LayerView:
    """Return the layer at a place of the spec, 0 for the picture.

    Raises
    ------
    InputError
        There is no such layer.
    """
    if not 0 <= place < len(views):
        raise InputError(f"--layer {place}: no such layer; there are {_listed([view.title for view in views])}")
    return views[place]


def filter_views(run: TrainedRun, seen: Activations | None = None, place: int | None = None) -> tuple[FilterView, ...]:
    """Return the filters of all convolutions, or of the one at a place of the spec.

    Raises
    ------
    InputError
        The network has no convolution, or none at the place.
    """
    network = run.network
    found = tuple(
        FilterView(
            place=layer.place,
            name=" ".join(layer.text.split()),
            weights=run.parameters.named[f"{layer.number}.weight"],
            biases=run.parameters.named[f"{layer.number}.bias"],
            maps=None if seen is None else seen.values[layer.number + 1],
        )
        for layer in network.layers
        if layer.op == "conv2d"
    )
    if not found:
        raise InputError(f"{run.folder}: --filters: the network has no convolution ({shortened(network.spec)})")
    if place is None:
        return found
    chosen = tuple(view for view in found if view.place == place)
    if not chosen:
        raise InputError(
            f"--layer {place} --filters: no convolution there; there are {_listed([view.title for view in found])}"
        )
    return chosen


def left_out(total: int, drawn: int, what: str) -> str:
    """Return what is not drawn, in words; "" if all is."""
    return f"the first {drawn:,} of {total:,} {what}" if drawn < total else ""


def reduction(values: NDArray[np.floating], side: int) -> int:
    """Return by how much maps (..., H, W) are to be reduced so that no side has more than ``side`` values."""
    return -(-int(max(values.shape[-2:])) // side)


def reduced(values: NDArray[np.floating], by: int) -> NDArray[np.floating]:
    """Return the means of ``by`` x ``by`` values, (..., H, W); at the lower and right end there may be fewer."""
    if by == 1:
        return values
    height, width = values.shape[-2:]
    rows, columns = np.arange(0, height, by), np.arange(0, width, by)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=-2), columns, axis=-1)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    found: NDArray[np.floating] = sums / counts
    return found


def _listed(titles: Sequence[str]) -> str:
    shown = [shortened(" ".join(title.split())) for title in titles[:MOST_LISTED]]
    return ", ".join(shown) + (f", ... ({len(titles):,})" if len(titles) > MOST_LISTED else "")
