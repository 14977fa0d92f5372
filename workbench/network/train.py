"""A training run: from the user's settings to a folder with the trained network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numba
import numpy as np

from workbench.datasets import Dataset, load, to_unit
from workbench.network import checkpoint, presets
from workbench.network.duration import duration, steps_of
from workbench.network.executor import EVALUATION_BATCH, EXECUTORS, Executor, StepSettings, check_memory, choose
from workbench.network.loop import Diverged, Epoch, Progress, train
from workbench.network.optimizer import Optimizer
from workbench.network.record import SCHEMA, EpochRecord, RunConfig, RunRecord
from workbench.network.run_folder import RunFolder
from workbench.network.schedule import Schedule
from workbench.network.settings import TrainRequest
from workbench.network.spec import Network, Parameters, build
from workbench.system import machine
from workbench.system.errors import InputError, VerdictAgainst


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything that is loaded, checked and assembled before training.

    ``executor_name`` is the executor that runs, ``reason`` the reason for it.
    """

    settings: TrainRequest
    epochs: int
    batch_size: int
    dataset: Dataset
    network: Network
    parameters: Parameters
    optimizer: Optimizer
    executor: Executor
    executor_name: str
    reason: str
    run_folder: RunFolder

    @property
    def folder(self) -> Path:
        """The folder that the run is saved in."""
        return self.run_folder.path


def prepare(settings: TrainRequest) -> Prepared:
    """Load the data, assemble the network for it and create the run's folder.

    Raises
    ------
    InputError, KernelsError
        The data, the layer spec, the device or the folder is invalid.
    """
    executor_name, reason = choose(settings.executor, settings.device, settings.kernels)
    preset = settings.model in presets.PRESETS
    size = settings.image_size or (presets.PRESET_IMAGE_SIZE if preset else None)
    if not preset:
        presets.check_spec(settings.model)
    dataset = load(settings.data, image_size=size, channels=settings.channels, seed=settings.seed)
    epochs, batch_size = duration(settings.epochs, settings.batch_size, len(dataset.train_labels))
    steps = steps_of(len(dataset.train_labels), batch_size)
    settings.check_steps(epochs * steps)
    classes = len(dataset.classes)
    spec = presets.layer_spec(settings.model, classes)
    try:
        network = build(spec, (dataset.channels, *dataset.image_size), classes)
    except InputError as error:  # the notes may explain the number of classes
        raise InputError("; ".join([str(error), *dataset.notes])) from error
    check_memory(executor_name, network, max(batch_size, EVALUATION_BATCH))
    parameters = Parameters.initial(network, np.random.default_rng(settings.seed))
    executor = EXECUTORS[executor_name](network, parameters, settings.device)
    name = settings.model if preset else "custom"
    return Prepared(
        settings=settings,
        epochs=epochs,
        batch_size=batch_size,
        dataset=dataset,
        network=network,
        parameters=parameters,
        optimizer=_optimizer(settings, parameters, epochs * steps),
        executor=executor,
        executor_name=executor_name,
        reason=reason,
        run_folder=RunFolder.claim(settings.out, name, Path(settings.data).stem, (checkpoint.MODEL, checkpoint.RECORD)),
    )


def _optimizer(settings: TrainRequest, parameters: Parameters, steps: int) -> Optimizer:
    rates = Schedule(kind=settings.schedule, lr=settings.learning_rate, steps=steps, warmup=settings.warmup)
    return Optimizer(
        parameters.flat.size,
        rates,
        settings.optimizer,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )


def run(prepared: Prepared, on_step: Callable[[Progress], None]) -> Iterator[Epoch]:
    """Train and yield after every epoch, when its state is saved in the run's folder.

    After an epoch that diverged, the folder keeps the one before.

    Everything is compiled before the first epoch, with a batch, so that the time of an epoch is training only.
    """
    settings, parameters, dataset = prepared.settings, prepared.parameters, prepared.dataset
    batch = slice(prepared.batch_size)  # of full size: small work runs in a separately compiled serial version
    gradients = Parameters.zeros(prepared.network)
    prepared.executor.gradients(dataset.train_images[batch], dataset.train_labels[batch], gradients)
    prepared.executor.logits(dataset.test_images[:1])
    record = _record(prepared)

    def step(progress: Progress) -> None:
        if record["first_step_seconds"] is None:
            record["first_step_seconds"] = round(machine.seconds_since_start(), 3)
        on_step(progress)

    for epoch in train(
        prepared.executor,
        prepared.optimizer,
        dataset,
        epochs=prepared.epochs,
        batch_size=prepared.batch_size,
        settings=StepSettings(seed=settings.seed, label_smoothing=settings.label_smoothing),
        on_step=step,
    ):
        if not np.isfinite(parameters.flat).all():
            raise Diverged(f"epoch {epoch.epoch}: the parameters are no finite numbers")
        record["epochs"].append(cast(EpochRecord, asdict(epoch)))
        checkpoint.save(prepared.run_folder, parameters, record)
        yield epoch


@contextmanager
def training(request: TrainRequest) -> Iterator[Prepared]:
    """Prepare a run for the block, to be run there; a folder that it made and left empty is removed.

    Raises
    ------
    InputError, KernelsError
        As ``prepare`` does.
    VerdictAgainst
        The training diverged.
    """
    prepared = prepare(request)
    try:
        yield prepared
    except Diverged as error:
        check = f", or workbench check {request.kernels[0]}" if request.kernels else ""
        raise VerdictAgainst(
            f"training diverged: {error}; {prepared.run_folder.kept}; try a smaller --lr than "
            f"{request.learning_rate:g}{check}"
        ) from error
    finally:
        prepared.run_folder.release()


def _looks_like_mnist(dataset: Dataset) -> bool:
    """Return whether the images are digits like those of MNIST: ten classes 0 to 9, light ink on a dark border."""
    border = to_unit(dataset.train_images[:256, :, [0, -1], :])
    return dataset.classes == tuple("0123456789") and float(np.median(border)) < 0.1


def _absolute(target: str) -> str:
    """Return FILE.py[:NAME] with the absolute path of the file."""
    head, suffix, name = target.rpartition(".py")
    return f"{Path(head + suffix).resolve()}{name}" if suffix else target


def _record(prepared: Prepared) -> RunRecord:
    settings, dataset = prepared.settings, prepared.dataset
    config: RunConfig = {
        "model": settings.model,
        "spec": prepared.network.spec,
        "data": settings.data if settings.data == "mnist" else str(Path(settings.data).resolve()),
        "epochs": prepared.epochs,
        "batch_size": prepared.batch_size,
        "optimizer": settings.optimizer,
        "lr": settings.learning_rate,
        "momentum": settings.momentum,
        "nesterov": settings.nesterov,
        "weight_decay": settings.weight_decay,
        "schedule": settings.schedule,
        "warmup": settings.warmup,
        "label_smoothing": settings.label_smoothing,
        "seed": settings.seed,
        "image_size": dataset.image_size,
        "channels": 1 if dataset.channels == 1 else 3,
        "classes": list(dataset.classes),
        "preparation": "mnist" if _looks_like_mnist(dataset) else "resize",
        "device": settings.device,
        "executor": prepared.executor_name,
        "threads": numba.get_num_threads(),
        "kernels": [_absolute(target) for target in settings.kernels],
    }
    return {
        "schema": SCHEMA,
        "config": config,
        "parameters": int(prepared.parameters.flat.size),
        "machine": machine.summary(),
        "versions": machine.versions(),
        "executor": prepared.executor_name,
        "executor_reason": prepared.reason,
        "first_step_seconds": None,
        "epochs": [],
    }
