"""A run's folder: model.safetensors and run.json, written atomically, and read with an error for every fault."""

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from workbench.network.executor import EXECUTORS
from workbench.network.spec import Network, Parameters, build
from workbench.system.errors import InputError, first_line
from workbench.system.files import atomic_path

MODEL, RECORD = "model.safetensors", "run.json"
SCHEMA = 1
_NEEDED = {
    "model": str,
    "spec": str,
    "data": str,
    "image_size": list,
    "channels": int,
    "classes": list,
    "seed": int,
    "preparation": str,
}


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A trained network and how it was made."""

    folder: Path
    record: dict[str, Any]
    network: Network
    parameters: Parameters

    @property
    def config(self) -> dict[str, Any]:
        """The settings of ``workbench train``, and properties of the data."""
        config: dict[str, Any] = self.record["config"]
        return config

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores."""
        return tuple(self.config["classes"])


def new_folder(out: Path | None, model: str, data: str) -> tuple[Path, bool]:
    """Create the folder of a new run, ``out`` or the first free runs/<model>-<data>-<n>; return it and whether it is new.

    Raises
    ------
    InputError
        It cannot be created, or already contains a run.
    """
    if out is None:
        out = next(path for n in count(1) if not (path := Path("runs") / f"{model}-{data}-{n}").exists())
    for name in (MODEL, RECORD):
        if (out / name).exists():
            raise InputError(f"--out {out}: already contains a run ({name}); use another folder")
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be created ({error.strerror}); use another folder") from error
    return out, made


def discard_if_empty(folder: Path) -> None:
    """Remove the folder of an unsuccessful run if it is empty."""
    with suppress(OSError):
        folder.rmdir()  # fails if the folder is not empty


def save(folder: Path, parameters: Parameters, record: dict[str, Any]) -> None:
    """Write the parameters and the record, each atomically; existing files are replaced."""
    with atomic_path(folder / MODEL) as path:
        save_file(parameters.named, path, metadata={"spec": record["config"]["spec"]})
    with atomic_path(folder / RECORD) as path:
        path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def load(folder: Path) -> TrainedRun:
    """Read a run's folder.

    Raises
    ------
    InputError
        The folder or a file in it is missing or damaged, or the files do not match.
    """
    record = _read_record(folder)
    config = record["config"]
    height, width = config["image_size"]
    network = build(config["spec"], (config["channels"], height, width), len(config["classes"]))
    parameters = Parameters.zeros(network)
    path = folder / MODEL
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a run's folder has {MODEL} and {RECORD}, as written by 'workbench train'"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: damaged or not a safetensors file ({first_line(error)}); train again") from error
    found = {name: (values.shape, values.dtype.name) for name, values in tensors.items()}
    wanted = {name: (values.shape, "float32") for name, values in parameters.named.items()}
    if found != wanted:
        name = min(set(found.items()) ^ set(wanted.items()))[0]
        raise InputError(
            f"{path}: {name} is {found.get(name, 'missing')}, but {RECORD} needs {wanted.get(name, 'nothing')}; "
            "the two files are not from the same run"
        )
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise InputError(f"{path}: {name} contains values that are not finite; train again")
        parameters.named[name][...] = values
    return TrainedRun(folder=folder, record=record, network=network, parameters=parameters)


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; must be one written by 'workbench train'")
    if not path.is_file():
        raise InputError(f"{path}: no such file; the folder must be one written by 'workbench train'")
    try:
        record = json.loads(path.read_text())
        config = record["config"]
        valid = record["schema"] == SCHEMA and all(isinstance(config[name], kind) for name, kind in _NEEDED.items())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); train again") from error
    sizes = [*config["image_size"], config["channels"]] if valid else []
    names = config["classes"] if valid else []
    if (
        len(sizes) != 3
        or not all(isinstance(size, int) and size > 0 for size in sizes)
        or not all(isinstance(name, str) for name in names)
    ):
        raise InputError(f"{path}: not a record of schema {SCHEMA}; train again with this version")
    if record.get("executor") not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise InputError(f"{path}: executor is {record.get('executor')!r}; this version has {known}")
    return dict(record)
