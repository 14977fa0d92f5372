"""The comparison of a training with users' kernels and the built-in training beside it, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from kernels.call.registry import built_in_only
from workbench.beside.clock import StoppableClock
from workbench.beside.layer_errors import layer_errors, recorded
from workbench.beside.watching import Beyond, WatchedExecutor, WatchedOperations
from workbench.network.divergence import Diverged
from workbench.network.loop import Epoch, Progress, Training, order_of, train
from workbench.network.record import BesideRecord, ErrorsRecord, LayerErrorRecord, LeftRecord
from workbench.network.train import Prepared, compile_step, epoch_record, is_ended
from workbench.target.substitute import Substitutes


class Comparison:
    """The companion of a training with users' kernels, see ``workbench.network.companion``.

    The built-in training is an epoch ahead, so that both are complete with the last epoch.

    Parameters
    ----------
    prepared : a run with users' kernels
    substitutes : these

    Attributes
    ----------
    prepared : the run, watched; to be run with this companion
    """

    def __init__(self, prepared: Prepared, substitutes: Substitutes) -> None:
        assert prepared.beside is not None
        own, device, clock = prepared.training, prepared.settings.device, StoppableClock()
        operations = WatchedOperations(own.network, device, substitutes, clock)
        executor = WatchedExecutor(own.network, own.state.parameters, device, operations, self._compared)
        self.prepared = replace(prepared, training=replace(own, executor=executor, clock=clock))
        self._device, self._substitutes, self._beside = device, substitutes, prepared.beside
        self._epochs: Iterator[Epoch] | None = None
        if self._record["left"] is not None:
            executor.stop()

    @property
    def _own(self) -> Training:
        return self.prepared.training

    @property
    def _record(self) -> BesideRecord:
        return self.prepared.record["beside"]

    def before_epoch(self, on_step: Callable[[Progress], None], save: Callable[[], None]) -> None:
        """Run the built-in training to the end of the epoch that is next; before the first step, judge all layers."""
        if self._own.state.optimizer.taken == self._beside.state.optimizer.taken == 0:
            self._record["first"] = self._errors(1)
        if self._record["diverged"] is None:
            with built_in_only():
                self._follow(lambda step: on_step(replace(step, what="built-in kernels, epoch")), save)

    def after_epoch(self) -> None:
        """Compare the weights; after the last epoch, judge all layers."""
        if self._record["diverged"] is None:
            own, other = (each.state.parameters.flat.astype(np.float64) for each in (self._own, self._beside))
            size = float(np.linalg.norm(other))
            self._record["weights_difference"] = float(np.linalg.norm(own - other)) / (size or 1.0)
        if self._own.is_finished:
            self._record["last"] = self._errors(self._own.state.position.epoch - 1)

    def _follow(self, on_step: Callable[[Progress], None], save: Callable[[], None]) -> None:
        beside = self._beside
        if self._epochs is None:
            compile_step(beside)
            self._epochs = train(beside, on_step=on_step, save=save, is_ended=is_ended)
        while not beside.is_finished and beside.state.position.epoch <= self._own.state.position.epoch:
            try:
                epoch = next(self._epochs, None)
            except Diverged as error:
                self._record["diverged"] = str(error)
                return
            if epoch is None:  # a signal
                return
            self._record["epochs"].append(epoch_record(epoch))

    def _compared(self, step: int, worst: float, beyond: Beyond | None) -> None:
        record = self._record
        record["compared_steps"] = max(record["compared_steps"], step)
        record["worst_share"] = max(record["worst_share"], worst)
        if beyond is not None:
            record["left"] = LeftRecord(
                step=step,
                layer=beyond.layer,
                kernel=beyond.kernel,
                result=beyond.result,
                share_of_bound=recorded(beyond.share),
            )

    def _errors(self, epoch: int) -> ErrorsRecord:
        """Judge all layers of both networks, before training on the first batch of an epoch, later on the last."""
        own = self._own
        taken = own.state.optimizer.taken
        order = own.trained[order_of(own.settings.seed, epoch, len(own.trained))]
        start = (own.steps - 1) * own.batch_size if taken else 0
        chosen = order[start : start + own.batch_size]

        def errors(training: Training) -> list[LayerErrorRecord]:
            batch = own.dataset.train_images[chosen], own.dataset.train_labels[chosen]
            parameters = training.state.parameters
            return layer_errors(own.network, parameters, self._device, batch, own.settings, self._substitutes)

        yours = errors(own)
        with built_in_only():
            built_in = None if self._record["diverged"] is not None else errors(self._beside)
        return ErrorsRecord(step=max(taken, 1), yours=yours, built_in=built_in)
