"""Executors: ways to run a network. ``EXECUTORS`` names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

from workbench.executors.ops import OpsExecutor
from workbench.network import Network, Parameters


class Executor(Protocol):
    """Runs one network with one set of parameters."""

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute the scores (N, K) of images (N, C, H, W), float32."""

    def gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters
    ) -> tuple[float, NDArray[Any]]:
        """Fill ``gradients`` with those of the mean loss over the batch; give the loss and the scores (N, K)."""


EXECUTORS: dict[str, Callable[[Network, Parameters, str], Executor]] = {"ops": OpsExecutor}
"""By name: (network, parameters, device) -> executor. The parameters may change between calls."""
