"""What an executor is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of training: its samples, their mean loss, and how many have their label's score as the largest."""

    samples: int
    loss: float
    correct: int


class Executor(Protocol):
    """Runs one network with one set of parameters, which may change between calls.

    Images are (N, C, H, W), float32, or uint8 that stands for 0..1; labels (N,).
    """

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute the scores (N, K)."""

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute the probabilities (N, K), the softmax of the scores."""

    def gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters
    ) -> tuple[float, NDArray[Any]]:
        """Fill ``gradients`` with those of the mean loss over the batch; give the loss and the scores (N, K)."""

    def steps(
        self, images: NDArray[Any], labels: NDArray[Any], order: NDArray[Any], batch: int, optimizer: Optimizer
    ) -> Iterator[Step]:
        """Change the parameters step by step, ``batch`` samples at a time in the given order; the last may be fewer.

        Some steps may have been taken when the first of them is given.
        """
