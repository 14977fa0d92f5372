"""The state of a training from which it continues to the same bits, and its file, checkpoint.safetensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from workbench.datasets import Dataset
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters
from workbench.system.errors import InputError, first_line
from workbench.system.files import read_regular

CHECKPOINT = "checkpoint.safetensors"

FORMAT: Literal[1] = 1

Natural = Annotated[int, Meta(ge=0)]

_KEY = "training"
"""The name of the only entry of the metadata: a digest of arrays and text, then the text. Entries have no order."""

_DIGEST = 32

_MOST_OTHERS = 2**20
"""The most bytes of the file besides its tensors."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best epoch so far, by its accuracy on the validation images, then by the loss."""

    epoch: Natural
    accuracy: float
    loss: float


@dataclass(kw_only=True)
class Position:
    """How far a training has come.

    Attributes
    ----------
    epoch : the epoch that it is in, from 1; beyond the last one at the end
    step : steps taken in it
    samples, loss_sum, correct : sums over the samples of these steps
    seconds : time spent on them
    limit : the largest train loss of an epoch that has not diverged; 0 before the first step
    best : the best epoch so far, where there is a validation
    is_stopped : whether it ended before its last epoch, for lack of progress
    """

    epoch: Annotated[int, Meta(ge=1)] = 1
    step: Natural = 0
    samples: Natural = 0
    loss_sum: float = 0.0
    correct: Natural = 0
    seconds: float = 0.0
    limit: float = 0.0
    best: Best | None = None
    is_stopped: bool = False

    def next_epoch(self) -> None:
        """Go to the beginning of the next epoch."""
        self.epoch += 1
        self.step = self.samples = self.correct = 0
        self.loss_sum = self.seconds = 0.0


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """All that changes from step to step; ``beside`` is the state of a training that runs beside this one, if any."""

    parameters: Parameters
    optimizer: Optimizer
    position: Position = field(default_factory=Position)
    beside: TrainingState | None = None

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of the state by name; they are not copies."""
        return {
            "parameters": self.parameters.flat,
            "buffers": self.parameters.buffers.flat,
            "optimizer": self.optimizer.state,
            "buffer_averages": self.optimizer.buffer_averages,
        }

    def saved_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of a checkpoint: its own, and those of the training beside it, named "beside.<name>"."""
        beside = {} if self.beside is None else self.beside.arrays()
        return {**self.arrays(), **{f"beside.{name}": array for name, array in beside.items()}}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give parameters and buffers their averages inside the block, if the optimizer has averages."""
        averages = self.optimizer.averages
        if averages is None:
            yield
            return
        pairs = ((self.parameters.flat, averages), (self.parameters.buffers.flat, self.optimizer.buffer_averages))
        kept = [values.copy() for values, _ in pairs]
        for values, average in pairs:
            values[...] = average
        try:
            yield
        finally:
            for (values, _), before in zip(pairs, kept, strict=True):
                values[...] = before


@dataclass(frozen=True, kw_only=True)
class _Progress:
    """How far a training has come, and the steps of its optimizer."""

    steps: Natural
    position: Position


@dataclass(frozen=True, kw_only=True)
class _Header(_Progress):
    """The content of a checkpoint besides its arrays."""

    format: Literal[1]
    data: str
    beside: _Progress | None = None


def packed(state: TrainingState, data: str) -> bytes:
    """Return the file's content; ``data`` is the fingerprint of the data set."""
    arrays = state.saved_arrays()
    header = _Header(
        format=FORMAT,
        steps=state.optimizer.taken,
        position=state.position,
        data=data,
        beside=None if state.beside is None else _progress(state.beside),
    )
    text = msgspec.json.encode(header)
    content: bytes = save(arrays, metadata={_KEY: _digest(arrays, text) + text.decode()})
    return content


def _progress(state: TrainingState) -> _Progress:
    return _Progress(steps=state.optimizer.taken, position=state.position)


def restore(path: Path, state: TrainingState, data: str) -> None:
    """Continue from a file: write its content into ``state``, which has the shapes that it must have.

    Raises
    ------
    InputError
        The file is missing, damaged, from another program or version, or from another network, optimizer or data set.
    """
    wanted = state.saved_arrays()
    header, arrays = _read(path, sum(array.nbytes for array in wanted.values()))
    for name, array in wanted.items():
        found = arrays.get(name)
        if found is None or found.shape != array.shape:
            shape = "nothing" if found is None else "x".join(map(str, found.shape))
            raise InputError(
                f"{path}: {name}: {shape}, but run.json needs {'x'.join(map(str, array.shape))}; "
                "the two files are not from the same run"
            )
    if header.data != data:
        raise InputError(f"{path}: the data set is no longer the one that this training began with; train again")
    for name, array in wanted.items():
        array[...] = arrays[name]
    _continue(state, header)
    if state.beside is not None and header.beside is not None:
        _continue(state.beside, header.beside)


def _continue(state: TrainingState, progress: _Progress) -> None:
    state.optimizer.rule["steps"] = progress.steps
    for name, value in vars(progress.position).items():
        setattr(state.position, name, value)


def fingerprint(dataset: Dataset) -> str:
    """Return a digest of a data set's shapes and labels, and of some of its images: enough to notice that it was changed."""
    digest = hashlib.blake2b(digest_size=16)
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        digest.update(repr((images.shape, images.dtype.str, dataset.classes)).encode())
        digest.update(labels.tobytes())
        digest.update(images[:: max(len(images) // 256, 1)].tobytes())
    return digest.hexdigest()


def _digest(arrays: dict[str, NDArray[np.float32]], header: bytes) -> str:
    digest = hashlib.blake2b(header, digest_size=_DIGEST // 2)
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _read(path: Path, size: int) -> tuple[_Header, dict[str, NDArray[np.float32]]]:
    try:
        content = read_regular(path, size + _MOST_OTHERS)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; there is nothing to continue from; train again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        tensors: dict[str, Any] = dict(deserialize(content))  # type: ignore[no-untyped-call]
        described: Any = msgspec.json.decode(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: damaged or not a safetensors file ({first_line(error)}); train again") from error
    text = (described.get("__metadata__") or {}).get(_KEY)
    if text is None:
        raise InputError(f"{path}: not a checkpoint of 'workbench train'; train again")
    arrays = {
        name: np.frombuffer(tensor["data"], "<f4").reshape(tensor["shape"])
        for name, tensor in tensors.items()
        if tensor["dtype"] == "F32"
    }
    if text[:_DIGEST] != _digest(arrays, text[_DIGEST:].encode()):
        raise InputError(f"{path}: damaged: its content does not match its digest; train again")
    try:
        if msgspec.json.decode(text[_DIGEST:])["format"] != FORMAT:
            raise InputError(f"{path}: of another version of this program; train again with this one")
        return msgspec.json.decode(text[_DIGEST:], type=_Header), arrays
    except (KeyError, TypeError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: damaged ({first_line(error)}); train again") from error
