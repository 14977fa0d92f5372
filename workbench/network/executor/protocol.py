"""The interface of executors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from kernels.augment.strengths import Strengths
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters


@dataclass(frozen=True, kw_only=True)
class Step:
    """A training step: its samples, their mean loss, and how many of them were classified correctly."""

    samples: int
    loss: float
    correct: int


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """What a training step depends on besides samples, parameters and optimizer.

    Attributes
    ----------
    seed : of everything random; the global number of a step is the optimizer's ``taken``
    label_smoothing : the option of ``kernels.cross_entropy``
    augmentation : how images are augmented, if they are
    """

    seed: int = 0
    label_smoothing: float = 0.0
    augmentation: Strengths | None = None


PLAIN = StepSettings()


class Executor(Protocol):
    """Runs one network with one set of parameters, which may change between calls.

    Images are (N, C, H, W), float32, or uint8 that represents 0..1; labels (N,). Scores and probabilities are those of
    inference: without dropout, normalized by the running statistics. Training drops at random and normalizes by the batch.
    """

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute the scores (N, K)."""

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute the probabilities (N, K), the softmax of the scores."""

    def gradients(
        self, images: NDArray[Any], labels: NDArray[Any], gradients: Parameters, settings: StepSettings = PLAIN
    ) -> tuple[float, NDArray[Any]]:
        """Fill ``gradients`` with those of the mean loss over the batch; return the loss and the scores (N, K).

        They are those of a training step, the first one of the seed; the running statistics stay as they are.
        """

    def steps(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        order: NDArray[Any],
        batch: int,
        optimizer: Optimizer,
        settings: StepSettings = PLAIN,
    ) -> Iterator[Step]:
        """Take steps, each with ``batch`` samples in the given order; the last may have fewer.

        Parameters, optimizer and running statistics change. Several steps may already have been taken when the first of them
        is yielded. How the samples are divided among calls does not change the results, if all calls but the last have a
        multiple of ``batch``.
        """
