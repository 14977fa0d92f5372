"""The continuation of a training that was ended before its last epoch, from the checkpoint in its folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.network import checkpoint
from workbench.network.run_folder import RunFolder
from workbench.network.settings import TrainRequest, converted, settings_of
from workbench.network.train import Prepared, assemble
from workbench.network.training_state import CHECKPOINT, restore
from workbench.system.errors import InputError

CHANGEABLE = ("epochs", "threads", "checkpoint_every", "tensorboard")
"""The settings that may be given with --resume; they do not change the bits, or say themselves where they would."""


def read_resumed(folder: Path, given: dict[str, Any]) -> TrainRequest:
    """Return the settings of the run in a folder, with those that were ``given`` in their place.

    Raises
    ------
    InputError
        There is no run, or a setting is given that would change it.
    """
    for name in given:
        if name not in CHANGEABLE:
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"--resume {folder}: {option}: a run continues with its own settings, besides --epochs, --threads, "
                f"--checkpoint-every and --tensorboard; leave it out, or begin a new run with --config "
                f"{folder / checkpoint.RECORD}"
            )
    request = converted(settings_of(checkpoint.read_record(folder)["config"]), folder / checkpoint.RECORD)
    epochs = given.get("epochs", request.epochs)
    if epochs != request.epochs and request.schedule != "constant":
        raise InputError(
            f"--resume {folder}: --epochs {epochs}: its learning rates, {request.schedule}, are laid out for "
            f"{request.epochs} epochs; begin a new run with --config {folder / checkpoint.RECORD} --epochs {epochs}"
        )
    return replace(request, **given, out=folder)


def resume(request: TrainRequest) -> Prepared:
    """Prepare the run in the folder ``request.out``, at the position where it was saved last, or at its beginning.

    Raises
    ------
    InputError
        The folder is in use, or has no checkpoint of this run with epochs left.
    """
    folder = request.out
    run_folder = RunFolder.reopen(folder)
    try:
        prepared = assemble(request, lambda _name: run_folder)
        training, before = prepared.training, checkpoint.read_record(folder)
        if before.get("epochs") or (folder / CHECKPOINT).exists():  # or it was killed before its first checkpoint
            restore(folder / CHECKPOINT, training.state, prepared.data)
        position, record = training.state.position, prepared.record
        if training.is_finished:
            more = (
                f"--epochs {training.epochs + 1} continues it" if request.schedule == "constant" else "nothing is left"
            )
            reason = "stopped by --patience" if position.is_stopped else f"after {position.epoch - 1} epochs"
            raise InputError(f"--resume {folder}: the training is finished, {reason}; {more}")
        if len(before["epochs"]) < position.epoch - 1:
            raise InputError(
                f"{folder / checkpoint.RECORD}: has {len(before['epochs'])} epochs, {CHECKPOINT} {position.epoch - 1}; "
                "the two files are not from the same run"
            )
        kept = ("machine", "versions", "executor_reason", "first_step_seconds", "model")
        record.update({name: before[name] for name in kept if name in before})  # type: ignore[typeddict-item,literal-required]
        record["epochs"] = before["epochs"][: position.epoch - 1]
        if prepared.beside is not None and "beside" in before:
            record["beside"] = before["beside"]
            record["beside"]["epochs"] = before["beside"]["epochs"][: prepared.beside.state.position.epoch - 1]
        if position.best is not None:
            checkpoint.load(folder)  # the best model so far must be there
        run_folder.saved = position.epoch - 1
    except BaseException:
        run_folder.release()
        raise
    return prepared
