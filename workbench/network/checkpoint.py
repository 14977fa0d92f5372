"""The files of a run: written atomically, and read with an error for every fault."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from shlex import quote

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as packed

from workbench.network.executor import EXECUTORS
from workbench.network.record import RunConfig, RunRecord
from workbench.network.run_folder import RunFolder
from workbench.network.spec import VARIANCE, Floats, Network, Parameters, build
from workbench.network.training_state import CHECKPOINT
from workbench.system.documents import read_document
from workbench.system.errors import InputError, first_line
from workbench.system.files import atomic_path, is_folder, read_regular

MODEL, LAST, RECORD, METRICS = "model.safetensors", "last.safetensors", "run.json", "metrics.csv"

COLUMNS = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)
"""The columns of metrics.csv, of those that the epochs have."""

_FLOAT32 = "F32"

_MOST_OTHERS = 2**28
"""The most bytes of a file besides the parameters of its network: the header, and tensors of another network."""


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A trained network and how it was made."""

    folder: Path
    record: RunRecord
    network: Network
    parameters: Parameters

    @property
    def config(self) -> RunConfig:
        """The settings of ``workbench train``, and properties of the data."""
        return self.record["config"]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores."""
        return tuple(self.config["classes"])


def save(
    folder: RunFolder, record: RunRecord, checkpoint: bytes, models: Mapping[str, bytes | None], what: str
) -> None:
    """Write the files of a run; they replace the existing ones when all are complete, the checkpoint last.

    Parameters
    ----------
    folder : the run's folder
    record : the content of run.json, from which metrics.csv follows
    checkpoint : the content of checkpoint.safetensors
    models : the content of files with parameters, by name; None for one that is to be removed
    what : is saved, for the error

    Raises
    ------
    InputError
        The folder was removed, or the files cannot be written.
    """
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    contents = {**models, RECORD: text.encode(), METRICS: _table(record).encode(), CHECKPOINT: checkpoint}
    folder.check()
    try:
        with ExitStack() as stack:  # which ends the blocks from the last to the first
            for name, content in reversed(contents.items()):
                path = folder.path / name
                if content is None:
                    stack.enter_context(_removed(path))
                else:
                    stack.enter_context(atomic_path(path, durable=True)).write_bytes(content)
    except InputError as error:
        folder.check()
        raise InputError(f"{what} is not saved, {folder.kept}: {error}") from error
    folder.saved = len(record.get("epochs", ()))


@contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Remove a file when the block ends without an error."""
    yield
    path.unlink(missing_ok=True)


def model_file(parameters: Parameters, spec: str) -> bytes:
    """Return the content of a file with the parameters and buffers, as PyTorch names them."""
    content: bytes = packed(parameters.tensors, metadata={"spec": spec})
    return content


def _table(record: RunRecord) -> str:
    """Return the epochs as a table; it has no times, so that it is the same for the same training."""
    epochs = record.get("epochs", [])
    columns = [name for name in COLUMNS if any(name in epoch for epoch in epochs)]
    rows = [[repr(epoch[name]) for name in columns] for epoch in epochs]  # type: ignore[literal-required]
    return "".join(",".join(row) + "\n" for row in (columns, *rows))


def load(folder: Path) -> TrainedRun:
    """Read a run's folder.

    Raises
    ------
    InputError
        The folder or a file in it is missing or damaged, or the files do not match.
    """
    record = read_record(folder)
    config = record["config"]
    try:
        network = build(config["spec"], (config["channels"], *config["image_size"]), len(config["classes"]))
    except InputError as error:
        raise InputError(f"{folder / RECORD}: damaged: at $.config.spec: {error}") from error
    tensors = _read_tensors(folder / MODEL, network)
    parameters = Parameters.zeros(network)
    for name, values in parameters.tensors.items():
        values[...] = tensors[name]
    return TrainedRun(folder=folder, record=record, network=network, parameters=parameters)


def _read_tensors(path: Path, network: Network) -> dict[str, Floats]:
    """Return the parameters and buffers of a network from a safetensors file, after names, shapes, dtypes were compared."""
    if not path.exists():
        raise InputError(
            f"{path}: no such file; a run's folder has {MODEL} and {RECORD}, as written by 'workbench train'"
        )
    shapes = {**network.parameter_shapes, **network.buffer_shapes}
    try:
        needed = 4 * sum(map(prod, shapes.values()))
        tensors = dict(deserialize(read_regular(path, needed + _MOST_OTHERS)))  # type: ignore[no-untyped-call]
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: damaged or not a safetensors file ({first_line(error)}); train again") from error
    found = {name: (tuple(tensor["shape"]), tensor["dtype"]) for name, tensor in tensors.items()}
    wanted = {name: (shape, _FLOAT32) for name, shape in shapes.items()}
    if found != wanted:
        name = min(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise InputError(
            f"{path}: {name} is {_told(found.get(name))}, but {RECORD} needs {_told(wanted.get(name))}; "
            "the two files are not from the same run"
        )
    arrays = {}
    for name, (shape, _) in wanted.items():
        arrays[name] = np.frombuffer(tensors[name]["data"], "<f4").reshape(shape)
        if not np.isfinite(arrays[name]).all():
            raise InputError(f"{path}: {name} contains values that are not finite; train again")
        if name.endswith(VARIANCE) and (arrays[name] < 0).any():
            raise InputError(f"{path}: damaged: {name} contains negative variances; train again")
    return arrays


def _told(tensor: tuple[tuple[int, ...], str] | None) -> str:
    return "nothing" if tensor is None else f"{'x'.join(map(str, tensor[0])) or 'a number'} of {tensor[1]}"


def read_record(folder: Path) -> RunRecord:
    """Read run.json, and check what the schema does not say."""
    path = folder / RECORD
    if not is_folder(folder):
        raise InputError(f"{folder}: no such folder; must be one written by 'workbench train'")
    if not path.exists():
        raise InputError(f"{path}: no such file; the folder must be one written by 'workbench train'")
    record = read_document(path, RunRecord, "train again with this version")
    if record["executor"] not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise InputError(f"{path}: damaged: at $.executor: {record['executor']!r} is unknown; this version has {known}")
    classes = record["config"]["classes"]
    if len(set(classes)) < len(classes):
        raise InputError(f"{path}: damaged: at $.config.classes: a name stands twice; train again")
    return record


def read_history(folder: Path) -> RunRecord:
    """Read run.json of a run with at least one finished epoch; the training may still go on, or have been ended.

    Raises
    ------
    InputError
        The folder or the file is missing or damaged, or no epoch is finished.
    """
    record = read_record(folder)
    if not record.get("epochs"):
        raise InputError(
            f"{folder / RECORD}: no epoch is finished; wait for the first one, or continue the training with: "
            f"workbench train --resume {quote(str(folder))}"
        )
    return record
