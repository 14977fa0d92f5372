"""Training and evaluation of a network on a data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import kernels
from workbench.datasets import Dataset
from workbench.network.divergence import Diverged, first_broken, is_at_chance, limit_of, most_grown
from workbench.network.duration import steps_of
from workbench.network.executor import EVALUATION_BATCH, Executor, StepSettings
from workbench.network.spec import Network, Parameters
from workbench.network.training_state import Best, TrainingState

Labels = NDArray[np.int64]

PACE_SECONDS = 0.1
"""How long a run of steps may take, after which signals are heeded and checkpoints saved; it has at least one step."""

MOST_STEPS = 256


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of an epoch after a step: samples done, and mean loss and accuracy (0..1) over them.

    ``what`` is how the epoch is called where it is shown.
    """

    epoch: int
    samples: int
    loss: float
    accuracy: float
    what: str = "epoch"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Mean loss, accuracy (0..1) and the predicted class of every sample."""

    loss: float
    accuracy: float
    predictions: Labels


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The result of one epoch.

    ``seconds`` is the training time, without evaluation; ``learning_rate`` that of the last step. There are values of the
    validation if samples are held out for it.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    eval_seconds: float
    learning_rate: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training: what it changes, on what, and how.

    Attributes
    ----------
    network, executor : the network; the executor has the parameters of ``state``
    state : what changes from step to step
    dataset : its training part is trained on, its test part evaluated after every epoch
    trained, validated : the indices of the training images that are trained on and that are held out, maybe none
    settings : of the steps; the seed also orders the samples
    epochs, batch_size : the number of epochs, and the samples per step; the last step of an epoch may have fewer
    checkpoint_every : the number of steps between checkpoints within an epoch; None for none
    patience : the number of epochs without a better one after which the training ends; None for no limit
    clock : the seconds that count as training time, from any start
    """

    network: Network
    executor: Executor
    state: TrainingState
    dataset: Dataset
    trained: NDArray[np.int64]
    validated: NDArray[np.int64]
    settings: StepSettings
    epochs: int
    batch_size: int
    checkpoint_every: int | None = None
    patience: int | None = None
    clock: Callable[[], float] = time.perf_counter

    @property
    def is_finished(self) -> bool:
        """Whether no epoch is left."""
        position = self.state.position
        return position.is_stopped or position.epoch > self.epochs

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return steps_of(len(self.trained), self.batch_size)


def train(
    training: Training,
    *,
    on_step: Callable[[Progress], None],
    save: Callable[[], None],
    is_ended: Callable[[], bool] = lambda: False,
) -> Iterator[Epoch]:
    """Train from the position of the state on, and yield after every epoch, when the position is the next epoch's beginning.

    Parameters
    ----------
    training : the training
    on_step : called with the progress of the epoch after every step
    save : called to save the state within an epoch
    is_ended : whether a signal ends the training; it is asked often, and the state is saved before the end

    Raises
    ------
    Diverged
        A loss, a gradient or a weight is NaN or infinite; or the loss of an epoch is far above chance, and what the network
        has learned is no better than chance. Of this epoch nothing is yielded.
    """
    position, pace = training.state.position, _Pace()
    while not training.is_finished and not is_ended():
        order = training.trained[order_of(training.settings.seed, position.epoch, len(training.trained))]
        while position.step < training.steps:
            before = position.seconds
            _run_steps(training, order, min(pace.steps, _steps_to_checkpoint(training)), on_step)
            pace.took(position.seconds - before)
            if is_ended():
                save()
                return
            every = training.checkpoint_every
            if every and training.state.optimizer.taken % every == 0 and position.step < training.steps:
                save()
        try:
            epoch = _evaluated(training, is_ended)
        except _Ended:
            save()
            return
        position.next_epoch()
        yield epoch


def order_of(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """Return the order of the samples in an epoch, counted from 1: it depends on nothing that was drawn before."""
    return np.random.default_rng([seed, 1, epoch]).permutation(samples)


class _Pace:
    """Chooses the number of steps of a run, by the time of the one before; it has no influence on the results."""

    def __init__(self) -> None:
        self.steps = 1

    def took(self, seconds: float) -> None:
        if seconds < PACE_SECONDS / 2:
            self.steps = min(2 * self.steps, MOST_STEPS)
        elif seconds > PACE_SECONDS:
            self.steps = max(self.steps // 2, 1)


def _steps_to_checkpoint(training: Training) -> int:
    """Return the number of steps to the end of the epoch or to the next checkpoint."""
    left = training.steps - training.state.position.step
    every = training.checkpoint_every
    return left if every is None else min(left, every - training.state.optimizer.taken % every)


def _run_steps(training: Training, order: NDArray[np.int64], steps: int, on_step: Callable[[Progress], None]) -> None:
    """Take some steps of an epoch; all of their results are checked."""
    state, position, dataset, batch = training.state, training.state.position, training.dataset, training.batch_size
    part = order[position.step * batch : (position.step + steps) * batch]
    before = {name: array.copy() for name, array in state.arrays().items()}
    taken, first = state.optimizer.taken, position.step
    start, spent = training.clock(), position.seconds
    run = training.executor.steps(
        dataset.train_images, dataset.train_labels, part, batch, state.optimizer, training.settings
    )
    for step in run:
        position.seconds = spent + training.clock() - start
        position.step += 1
        if not np.isfinite(step.loss):
            fault = f"epoch {position.epoch}, step {position.step}: the loss is {step.loss}"
            raise Diverged(f"{fault}; {_cause(training, part, before, taken, first)}")
        position.limit = position.limit or limit_of(step.loss, len(dataset.classes))
        position.samples += step.samples
        position.loss_sum += step.loss * step.samples
        position.correct += step.correct
        on_step(
            Progress(
                epoch=position.epoch,
                samples=position.samples,
                loss=position.loss_sum / position.samples,
                accuracy=position.correct / position.samples,
            )
        )
    if not np.isfinite(state.parameters.flat).all():
        fault = f"epoch {position.epoch}, step {position.step}: the parameters are no finite numbers"
        raise Diverged(f"{fault}; {_cause(training, part, before, taken, first)}")


def _cause(
    training: Training, part: NDArray[np.int64], before: dict[str, NDArray[np.float32]], taken: int, first: int
) -> str:
    """Take the steps again one by one, and return which gradient or weight went first, when, and the learning rate."""
    state, dataset, batch = training.state, training.dataset, training.batch_size
    for name, array in state.arrays().items():
        array[...] = before[name]
    state.optimizer.rule["steps"] = taken
    gradients = Parameters.zeros(training.network)
    for number, start in enumerate(range(0, len(part), batch), first + 1):
        chosen = part[start : start + batch]
        when = f"in step {number}, at a learning rate of {state.optimizer.rate_after(state.optimizer.taken):g}"
        buffers = state.parameters.buffers.flat.copy()
        training.executor.gradients(
            dataset.train_images[chosen], dataset.train_labels[chosen], gradients, training.settings
        )
        state.parameters.buffers.flat[...] = buffers
        if broken := first_broken(training.network, gradients):
            return f"the gradient of the {broken} went first, {when}"
        list(
            training.executor.steps(
                dataset.train_images, dataset.train_labels, chosen, batch, state.optimizer, training.settings
            )
        )
        if broken := first_broken(training.network, state.parameters):
            return f"the {broken} went first, {when}"
    return f"no gradient or weight went before, {when}"


class _Ended(Exception):  # noqa: N818 - no error
    """A signal ends the evaluation."""


def _evaluated(training: Training, is_ended: Callable[[], bool]) -> Epoch:
    """Evaluate the network after an epoch."""
    state, position, dataset = training.state, training.state.position, training.dataset

    def heed_signals() -> None:
        if is_ended():
            raise _Ended

    start = time.perf_counter()
    with state.averaged():
        test = evaluate(training.executor, dataset.test_images, dataset.test_labels, on_batch=heed_signals)
        validation = None
        if len(training.validated):
            images, labels = dataset.train_images, dataset.train_labels
            validation = evaluate(training.executor, images, labels, training.validated, on_batch=heed_signals)
    train_loss = position.loss_sum / position.samples
    _refuse_divergence(training, train_loss, test)
    if validation is not None:
        best = position.best
        if best is None or (-validation.accuracy, validation.loss) < (-best.accuracy, best.loss):
            position.best = Best(epoch=position.epoch, accuracy=validation.accuracy, loss=validation.loss)
        elif training.patience is not None and position.epoch - best.epoch >= training.patience:
            position.is_stopped = True
    return Epoch(
        epoch=position.epoch,
        train_loss=train_loss,
        train_accuracy=position.correct / position.samples,
        test_loss=test.loss,
        test_accuracy=test.accuracy,
        seconds=position.seconds,
        eval_seconds=time.perf_counter() - start,
        learning_rate=state.optimizer.rate_after(state.optimizer.taken - 1),
        validation_loss=validation.loss if validation else None,
        validation_accuracy=validation.accuracy if validation else None,
    )


def _refuse_divergence(training: Training, train_loss: float, test: Evaluation) -> None:
    state, dataset, epoch = training.state, training.dataset, training.state.position.epoch
    if not np.isfinite(test.loss):
        raise Diverged(f"epoch {epoch}: the test loss is {test.loss}")
    limit = state.position.limit
    if train_loss > limit and (test.loss > limit or is_at_chance(test.accuracy, dataset.test_labels)):
        initial = Parameters.initial(training.network, np.random.default_rng(training.settings.seed))
        raise Diverged(
            f"epoch {epoch}: the train loss is {train_loss:.4g} and the test loss {test.loss:.4g}, far above chance "
            f"({np.log(len(dataset.classes)):.3g}), after {state.optimizer.taken:,} steps; "
            f"{most_grown(training.network, initial, state.parameters)}"
        )


def evaluate(
    executor: Executor,
    images: NDArray[np.uint8 | np.float32],
    labels: Labels,
    chosen: NDArray[np.int64] | None = None,
    on_batch: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Run images (N, C, H, W) through the network and compare the predictions with ``labels`` (N,).

    Parameters
    ----------
    executor : the network
    images, labels : the data
    chosen : indices of the images to run; None for all
    on_batch : called before every batch
    """
    labels = labels if chosen is None else labels[chosen]
    loss_sum = 0.0
    predictions = np.empty_like(labels)
    for first in range(0, len(labels), EVALUATION_BATCH):
        on_batch()
        part = slice(first, first + EVALUATION_BATCH)
        scores = executor.logits(images[part] if chosen is None else images[chosen[part]])
        predictions[part] = scores.argmax(axis=1)
        loss_sum += float(kernels.cross_entropy(scores, labels[part], device="cpu")) * len(scores)
    return Evaluation(
        loss=loss_sum / len(labels),
        accuracy=float(np.mean(predictions == labels)),
        predictions=predictions,
    )
