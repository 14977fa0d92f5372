"""A network of the layer spec run by PyTorch: the same layers, parameters, loss and optimizer.

There are three ways: eager, eager with images and filters in channels_last, and compiled by ``torch.compile``. Images and
probabilities are NumPy arrays in the workbench's layout, so that converting images to channels_last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kernels.declare.op import Shape
from workbench.network.spec import Layer, Network, Parameters
from workbench.system.errors import first_line

WAYS = ("torch eager", "torch channels_last", "torch compile")
"""The names of the ways to run a network."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Gradient descent with momentum, as the kind sgd of ``workbench.network.optimizer``."""

    lr: float = 0.05
    momentum: float = 0.9


class TorchNetwork:
    """One network with its own parameters.

    Parameters
    ----------
    network : the network to run
    parameters : are copied
    way : one of WAYS
    training : how ``train_step`` uses the gradients
    device : "cpu" or "cuda"; images and probabilities are on the host

    Attributes
    ----------
    name : the way
    module : the layers, a ``torch.nn.Sequential``
    """

    def __init__(self, network: Network, parameters: Parameters, way: str, training: Training, device: str) -> None:
        self.name, self.module = way, nn.Sequential(*map(_layer, network.layers, network.shapes)).to(device)
        self._training, self._device = training, device
        self._format = torch.channels_last if way == "torch channels_last" else torch.contiguous_format
        self.module.to(memory_format=self._format)
        self._forward: Callable[[torch.Tensor], torch.Tensor] = self.module
        if way == "torch compile":
            self._forward = torch.compile(self.module)
        self.reset(parameters)

    def reset(self, parameters: Parameters) -> None:
        """Copy the parameters and clear the momentum."""
        with torch.no_grad():
            for name, target in _by_layer(self.module).items():
                target.copy_(torch.from_numpy(parameters.named[name]))
        self._optimizer = torch.optim.SGD(
            self.module.parameters(), lr=self._training.lr, momentum=self._training.momentum
        )

    def train_step(self, images: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
        """Update the parameters by one step on images (N,C,H,W) and labels (N,); return the mean loss before the step."""
        self._optimizer.zero_grad()
        own_labels = torch.from_numpy(labels).to(self._device)
        loss = nn.functional.cross_entropy(self._forward(self._tensor(images)), own_labels)
        loss.backward()
        self._optimizer.step()
        value: float = loss.item()
        return value

    def infer(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the probabilities (N,K) of images (N,C,H,W)."""
        with torch.inference_mode():
            probabilities: NDArray[np.float32] = torch.softmax(self._forward(self._tensor(images)), 1).cpu().numpy()
        return probabilities

    def _tensor(self, images: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(images).to(self._device).contiguous(memory_format=self._format)


def torch_networks(
    network: Network,
    parameters: Parameters,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    threads: int,
    training: Training | None = None,
    device: str = "cpu",
) -> tuple[tuple[TorchNetwork, ...], dict[str, str]]:
    """Make the network in every way that PyTorch can run it here; sets its number of threads for the whole process.

    Each one has inferred and trained once, since ``torch.compile`` compiles at first calls (half a minute), and was reset.

    Parameters
    ----------
    network, parameters, training, device : as for ``TorchNetwork``
    images, labels : a batch of the size that will be timed
    threads : the number of threads that PyTorch may use

    Returns
    -------
    the networks, and by name the reason why a way is missing, for example a missing C++ compiler
    """
    torch.set_num_threads(threads)
    made, reasons = [], {}
    for way in WAYS:
        try:
            candidate = TorchNetwork(network, parameters, way, training or Training(), device)
            candidate.infer(images)
            candidate.train_step(images, labels)
        except Exception as error:
            if way != "torch compile":
                raise
            first = first_line(error, "no message")
            reasons[way] = f"torch.compile fails: {type(error).__name__}: {first}"
            continue
        candidate.reset(parameters)
        made.append(candidate)
    return tuple(made), reasons


def _by_layer(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters by the workbench's names, "<layer number>.weight", also if padding is part of a layer."""
    return {f"{name.split('.')[0]}.{name.split('.')[-1]}": each for name, each in module.named_parameters()}


def _layer(layer: Layer, shape: Shape) -> nn.Module:
    """Make a layer for samples of ``shape``."""
    parameters = layer.parameter_shapes(shape)
    if layer.op == "flatten":
        return nn.Flatten()
    if layer.op == "relu":
        return nn.ReLU()
    if layer.op == "dense":
        outputs, features = parameters["weight"]
        return nn.Linear(features, outputs)
    options = layer.normal_options(shape)
    (top, bottom), (left, right) = options["padding"]
    native = top == bottom and left == right and _takes_padding(layer, options)
    made = _windowed(layer, shape, options, padding=(top, left) if native else (0, 0))
    if native:
        return made
    border = nn.ConstantPad2d((left, right, top, bottom), -inf if layer.op == "max_pool2d" else 0.0)
    return nn.Sequential(border, made)


def _takes_padding(layer: Layer, options: Mapping[str, Any]) -> bool:
    """Return whether PyTorch's own layer accepts this symmetric padding; its pools accept at most half a window."""
    if layer.op == "conv2d":
        return True
    return all(2 * side[0] <= size for side, size in zip(options["padding"], options["kernel_size"], strict=True))


def _windowed(layer: Layer, shape: Shape, options: Mapping[str, Any], padding: tuple[int, int]) -> nn.Module:
    """Make a convolution or a pool; pools of the layer spec have neither dilation nor ceil_mode."""
    if layer.op == "conv2d":
        outputs, _, *kernel = layer.parameter_shapes(shape)["weight"]
        return nn.Conv2d(
            shape[0],
            outputs,
            (kernel[0], kernel[1]),
            stride=options["stride"],
            padding=padding,
            dilation=options["dilation"],
            groups=options["groups"],
        )
    window = options["kernel_size"], options["stride"], padding
    if layer.op == "max_pool2d":
        return nn.MaxPool2d(*window)
    return nn.AvgPool2d(*window, divisor_override=1 if layer.op == "sum_pool2d" else None)
