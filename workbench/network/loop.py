"""Training and evaluation of a network on a data set."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

import kernels
from workbench.datasets import Dataset
from workbench.network.executor import EVALUATION_BATCH, Executor, StepSettings
from workbench.network.optimizer import Optimizer

Labels = NDArray[np.int64]

FAR = 4.0
"""An epoch has diverged if its loss is larger than this times the loss at chance, or times that of the first step."""

DEVIATIONS = 2.0
"""An accuracy is at chance up to this many standard deviations above it."""


class Diverged(Exception):  # noqa: N818 - a result of the training, not an error of the program
    """The loss is no longer a finite number, or far above chance."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of an epoch after a step: samples done, and mean loss and accuracy (0..1) over them."""

    epoch: int
    samples: int
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Mean loss, accuracy (0..1) and the predicted class of every sample."""

    loss: float
    accuracy: float
    predictions: Labels


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The result of one epoch; ``seconds`` is the training time, without evaluation."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    eval_seconds: float


def train(
    executor: Executor,
    optimizer: Optimizer,
    dataset: Dataset,
    *,
    epochs: int,
    batch_size: int,
    settings: StepSettings,
    on_step: Callable[[Progress], None],
) -> Iterator[Epoch]:
    """Train and yield after every epoch. Samples are reshuffled for every epoch; the last batch may be smaller.

    Parameters
    ----------
    executor : the network, whose parameters are trained in place
    optimizer : turns gradients into updates
    dataset : its training part is used for training, its test part for evaluation
    epochs, batch_size : the number of epochs, and the samples per step
    settings : of the steps; the seed also orders the samples
    on_step : called with the progress of the epoch after every step

    Raises
    ------
    Diverged
        A loss is NaN or infinite; or the loss of an epoch is far above chance, and what the network has
        learned is no better than chance. Of this epoch nothing is yielded.
    """
    chance = log(len(dataset.classes))
    limit = 0.0
    for epoch in range(1, epochs + 1):
        order = order_of(settings.seed, epoch, len(dataset.train_labels))
        start = time.perf_counter()
        loss_sum, correct, done = 0.0, 0, 0
        steps = executor.steps(dataset.train_images, dataset.train_labels, order, batch_size, optimizer, settings)
        for number, step in enumerate(steps, 1):
            if not np.isfinite(step.loss):
                raise Diverged(f"epoch {epoch}, step {number}: the loss is {step.loss}")
            limit = limit or FAR * max(chance, step.loss)
            done += step.samples
            loss_sum += step.loss * step.samples
            correct += step.correct
            on_step(Progress(epoch=epoch, samples=done, loss=loss_sum / done, accuracy=correct / done))
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        test = evaluate(executor, dataset.test_images, dataset.test_labels)
        if not np.isfinite(test.loss):
            raise Diverged(f"epoch {epoch}: the test loss is {test.loss}")
        train_loss = loss_sum / done
        if train_loss > limit and (test.loss > limit or is_at_chance(test.accuracy, dataset.test_labels)):
            raise Diverged(
                f"epoch {epoch}: the train loss is {train_loss:.4g} and the test loss {test.loss:.4g}, far above chance "
                f"({chance:.3g})"
            )
        yield Epoch(
            epoch=epoch,
            train_loss=train_loss,
            train_accuracy=correct / done,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
            seconds=seconds,
            eval_seconds=time.perf_counter() - start,
        )


def order_of(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """Return the order of the samples in an epoch, counted from 1: it depends on nothing that was drawn before."""
    return np.random.default_rng([seed, 1, epoch]).permutation(samples)


def evaluate(executor: Executor, images: NDArray[np.uint8 | np.float32], labels: Labels) -> Evaluation:
    """Run all images (N, C, H, W) through the network and compare the predictions with ``labels`` (N,)."""
    loss_sum = 0.0
    predictions = np.empty_like(labels)
    for first in range(0, len(labels), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        scores = executor.logits(images[part])
        predictions[part] = scores.argmax(axis=1)
        loss_sum += float(kernels.cross_entropy(scores, labels[part], device="cpu")) * len(scores)
    return Evaluation(
        loss=loss_sum / len(labels),
        accuracy=float(np.mean(predictions == labels)),
        predictions=predictions,
    )


def chance_of(labels: Labels) -> float:
    """Return the accuracy 0..1 of naming the most frequent class for every sample."""
    return float(np.bincount(labels).max() / len(labels))


def is_at_chance(accuracy: float, labels: Labels) -> bool:
    """Return whether an accuracy (0..1) on samples with these labels may as well come from guessing."""
    chance = chance_of(labels)
    return accuracy <= chance + DEVIATIONS * sqrt(chance * (1 - chance) / len(labels))
