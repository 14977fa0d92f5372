"""A training run: from the user's settings to a folder with the trained network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numba
import numpy as np

from workbench.datasets import NAMES, Dataset, load, to_unit
from workbench.datasets.split import stratified_split
from workbench.network import checkpoint, presets
from workbench.network.augmentation import check_size, strengths_of
from workbench.network.companion import Companion
from workbench.network.divergence import Diverged
from workbench.network.duration import duration, steps_of
from workbench.network.event_log import EventLog
from workbench.network.executor import EVALUATION_BATCH, EXECUTORS, StepSettings, check_memory, choose
from workbench.network.loop import Epoch, Progress, Training, train
from workbench.network.optimizer import Optimizer
from workbench.network.record import SCHEMA, BesideRecord, EpochRecord, RunConfig, RunRecord
from workbench.network.run_folder import RunFolder
from workbench.network.schedule import Schedule
from workbench.network.settings import TrainRequest
from workbench.network.spec import Network, Parameters, build
from workbench.network.training_state import CHECKPOINT, TrainingState, fingerprint, packed
from workbench.system import machine
from workbench.system.ending import deferred_signals, ended
from workbench.system.errors import InputError, VerdictAgainst

FILES = (checkpoint.MODEL, checkpoint.RECORD, CHECKPOINT)
"""The files by which a folder is known to have a run."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything that is loaded, checked and assembled before training.

    ``executor_name`` is the executor that runs, ``reason`` the reason for it; ``record`` is the content of run.json.
    ``beside`` is the same training, for the built-in kernels, where there are kernels of a user.
    """

    settings: TrainRequest
    training: Training
    executor_name: str
    reason: str
    record: RunRecord
    run_folder: RunFolder
    data: str
    beside: Training | None = None

    @property
    def folder(self) -> Path:
        """The folder that the run is saved in."""
        return self.run_folder.path

    @property
    def is_saved(self) -> bool:
        """Whether the folder has the state of the training."""
        return (self.folder / CHECKPOINT).exists()

    @property
    def dataset(self) -> Dataset:
        """The data set."""
        return self.training.dataset

    @property
    def parameters(self) -> Parameters:
        """The parameters, which training changes."""
        return self.training.state.parameters


def prepare(settings: TrainRequest) -> Prepared:
    """Load the data, assemble the network for it and create the run's folder.

    Raises
    ------
    InputError, KernelsError
        The data, the layer spec, the device or the folder is invalid.
    """
    return assemble(settings, lambda name: RunFolder.claim(settings.out, name, Path(settings.data).stem, FILES))


def assemble(settings: TrainRequest, open_folder: Callable[[str], RunFolder]) -> Prepared:
    """Prepare a run whose folder is opened last, by the name of its network."""
    settings.check()
    preset = settings.model in presets.PRESETS
    size = settings.image_size or (presets.PRESET_IMAGE_SIZE if preset else None)
    presets.layers_of(settings.model)  # checks it before any data is loaded
    executor_name, reason = choose(
        settings.executor, settings.device, settings.kernels, augmented=bool(settings.augment)
    )
    dataset = load(settings.data, image_size=size, channels=settings.channels, seed=settings.seed)
    trained, validated = _held_out(dataset, settings)
    epochs, batch_size = duration(settings.epochs, settings.batch_size, len(trained))
    steps = epochs * steps_of(len(trained), batch_size)
    settings.check_steps(steps)
    classes = len(dataset.classes)
    spec = presets.layer_spec(settings.model, classes)
    try:
        network = build(spec, (dataset.channels, *dataset.image_size), classes)
    except InputError as error:  # the notes may explain the number of classes
        raise InputError("; ".join([str(error), *dataset.notes])) from error
    if settings.augment:
        check_size(network.input_shape)
    check_memory(executor_name, network, max(batch_size, EVALUATION_BATCH))
    beside = _first_state(settings, network, steps) if settings.kernels else None
    state = replace(_first_state(settings, network, steps), beside=beside)
    training = Training(
        network=network,
        executor=EXECUTORS[executor_name](network, state.parameters, settings.device),
        state=state,
        dataset=dataset,
        trained=trained,
        validated=validated,
        settings=StepSettings(
            seed=settings.seed,
            label_smoothing=settings.label_smoothing,
            augmentation=strengths_of(settings.augment) if settings.augment else None,
        ),
        epochs=epochs,
        batch_size=batch_size,
        checkpoint_every=settings.checkpoint_every,
        patience=settings.patience,
    )
    return Prepared(
        settings=settings,
        training=training,
        executor_name=executor_name,
        reason=reason,
        record=_record(settings, training, executor_name, reason),
        run_folder=open_folder(settings.model if preset else "custom"),
        data=fingerprint(dataset),
        beside=None
        if beside is None
        else replace(
            training,
            executor=EXECUTORS[executor_name](network, beside.parameters, settings.device),
            state=beside,
            patience=None,  # it has as many epochs as the other one
        ),
    )


def _held_out(dataset: Dataset, settings: TrainRequest) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training images to train on, and of those that are held out for validation."""
    if not settings.validation:
        return np.arange(len(dataset.train_labels)), np.arange(0)
    return stratified_split(
        dataset.train_labels,
        dataset.classes,
        f"--validation {settings.validation:g}",
        [settings.seed, 2],
        settings.validation,
        "validated on; add images, or leave out --validation",
    )


def _first_state(settings: TrainRequest, network: Network, steps: int) -> TrainingState:
    parameters = Parameters.initial(network, np.random.default_rng(settings.seed))
    optimizer = Optimizer(
        parameters.flat.size,
        Schedule(kind=settings.schedule, lr=settings.learning_rate, steps=steps, warmup=settings.warmup),
        settings.optimizer,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        ema=settings.ema,
        buffers=parameters.buffers.flat.size,
    )
    if optimizer.averages is not None:
        optimizer.averages[...] = parameters.flat
        optimizer.buffer_averages[...] = parameters.buffers.flat
    return TrainingState(parameters=parameters, optimizer=optimizer)


def run(prepared: Prepared, on_step: Callable[[Progress], None], companion: Companion | None = None) -> Iterator[Epoch]:
    """Train and yield after every epoch, when its state is saved in the run's folder.

    After an epoch that diverged, the folder keeps the one before. A signal is raised when the state is saved.

    Everything is compiled before the first epoch, with a batch, so that the time of an epoch is training only.

    Parameters
    ----------
    prepared : the run
    on_step : called with the progress of the epoch after every step
    companion : called before and after every epoch
    """
    training, record = prepared.training, prepared.record
    compile_step(training)

    def step(progress: Progress) -> None:
        if record["first_step_seconds"] is None:
            record["first_step_seconds"] = round(machine.seconds_since_start(), 3)
        on_step(progress)

    def save() -> None:
        _save(prepared, {})

    events = closing(EventLog(prepared.run_folder)) if prepared.settings.tensorboard else nullcontext()
    with deferred_signals("the step is finished and the state saved"), events as log:
        epochs = train(training, on_step=step, save=save, is_ended=is_ended)
        while not training.is_finished:
            if companion is not None:
                companion.before_epoch(on_step, save)
            epoch = next(epochs, None)
            if epoch is None:
                break
            record["epochs"].append(epoch_record(epoch))
            if companion is not None:
                companion.after_epoch()
            if log is not None:
                # before the state is saved: what is repeated makes it void, what is missing stays missing
                log.write(record["epochs"])
            _save_epoch(prepared, epoch.epoch)
            yield epoch


def is_ended() -> bool:
    """Return whether a signal ends the training."""
    return ended() is not None


def epoch_record(epoch: Epoch) -> EpochRecord:
    """Return an epoch as it is recorded."""
    return cast(EpochRecord, {name: value for name, value in asdict(epoch).items() if value is not None})


def compile_step(training: Training) -> None:
    """Compile all that a training runs, with a batch; nothing changes."""
    batch = training.trained[
        : training.batch_size
    ]  # of full size: small work runs in a separately compiled serial version
    dataset, buffers = training.dataset, training.state.parameters.buffers.flat
    before = buffers.copy()
    gradients = Parameters.zeros(training.network)
    training.executor.gradients(dataset.train_images[batch], dataset.train_labels[batch], gradients, training.settings)
    training.executor.logits(dataset.test_images[:1])
    buffers[...] = before


def _save(prepared: Prepared, models: dict[str, bytes | None]) -> None:
    training = prepared.training
    position = training.state.position
    epoch = position.epoch - (position.step == 0)
    what = f"epoch {epoch}" if position.step == 0 else f"step {position.step} of epoch {epoch}"
    checkpoint.save(prepared.run_folder, prepared.record, packed(training.state, prepared.data), models, what)


def _save_epoch(prepared: Prepared, epoch: int) -> None:
    """Save the state, and the model: the best by validation where there is one, and then the last too if it is another."""
    training, record = prepared.training, prepared.record
    position = training.state.position
    is_last = position.best is None or position.best.epoch == epoch
    with training.state.averaged():
        model = checkpoint.model_file(training.state.parameters, training.network.spec)
    record["model"] = {
        "epoch": epoch if position.best is None else position.best.epoch,
        "chosen_by": "last epoch" if position.best is None else "validation accuracy",
        "averaged": training.state.optimizer.averages is not None,
    }
    record["stopped"] = "patience" if position.is_stopped else None
    _save(prepared, {checkpoint.MODEL: model, checkpoint.LAST: None} if is_last else {checkpoint.LAST: model})


@contextmanager
def training(request: TrainRequest, make: Callable[[TrainRequest], Prepared] = prepare) -> Iterator[Prepared]:
    """Prepare a run for the block, to be run there; a folder that it made and left empty is removed.

    Raises
    ------
    InputError, KernelsError
        As ``make`` does.
    VerdictAgainst
        The training diverged.
    """
    prepared = make(request)
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


def _record(settings: TrainRequest, training: Training, executor: str, reason: str) -> RunRecord:
    dataset = training.dataset
    chosen = {name: value for name, value in asdict(settings).items() if name != "out"}
    resolved = {
        "spec": training.network.spec,
        "data": settings.data if settings.data in NAMES else str(Path(settings.data).resolve()),
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "lr": settings.learning_rate,
        "image_size": dataset.image_size,
        "channels": 1 if dataset.channels == 1 else 3,
        "classes": list(dataset.classes),
        "preparation": "mnist" if _looks_like_mnist(dataset) else "resize",
        "executor": executor,
        "threads": numba.get_num_threads(),
        "kernels": [_absolute(target) for target in settings.kernels],
    }
    record: RunRecord = {
        "schema": SCHEMA,
        "config": cast(RunConfig, {**chosen, **resolved}),
        "parameters": int(training.state.parameters.flat.size),
        "machine": machine.summary(),
        "versions": machine.versions(),
        "executor": executor,
        "executor_reason": reason,
        "first_step_seconds": None,
        "model": None,
        "stopped": None,
        "epochs": [],
    }
    if settings.kernels:
        record["beside"] = BesideRecord(
            left=None,
            compared_steps=0,
            worst_share=0.0,
            weights_difference=None,
            first=None,
            last=None,
            epochs=[],
            diverged=None,
        )
    return record
