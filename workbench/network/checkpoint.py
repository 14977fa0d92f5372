"""A run's folder: model.safetensors and run.json, written atomically, and read back with every fault named."""

from __future__ import annotations

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
from workbench.system.errors import InputError
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
class Run:
    """A trained network and how it came about."""

    folder: Path
    record: dict[str, Any]
    network: Network
    parameters: Parameters

    @property
    def config(self) -> dict[str, Any]:
        """What ``workbench train`` was asked for, and what the data gave."""
        config: dict[str, Any] = self.record["config"]
        return config

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores."""
        return tuple(self.config["classes"])


def new_folder(out: Path | None, model: str, data: str) -> tuple[Path, bool]:
    """Make the folder of a new run: ``out``, or the first free runs/<model>-<data>-<n>; say whether it is new.

    Raises
    ------
    InputError
        It cannot be made, or holds a run already.
    """
    if out is None:
        out = next(path for n in count(1) if not (path := Path("runs") / f"{model}-{data}-{n}").exists())
    for name in (MODEL, RECORD):
        if (out / name).exists():
            raise InputError(f"--out {out}: holds a run already ({name}); name another folder")
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be made ({error.strerror}); name another folder") from error
    return out, made


def discard_if_empty(folder: Path) -> None:
    """Remove the folder of a run that came to nothing."""
    with suppress(OSError):
        folder.rmdir()  # refuses a folder that holds anything


def save(folder: Path, parameters: Parameters, record: dict[str, Any]) -> None:
    """Write the parameters and the record, each in one step; what was there before is replaced."""
    with atomic_path(folder / MODEL) as path:
        save_file(parameters.named, path, metadata={"spec": record["config"]["spec"]})
    with atomic_path(folder / RECORD) as path:
        path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def load(folder: Path) -> Run:
    """Read a run's folder.

    Raises
    ------
    InputError
        The folder or a file in it is missing, damaged, or does not fit the other.
    """
    record = _read_record(folder)
    config = record["config"]
    height, width = config["image_size"]
    network = build(config["spec"], (config["channels"], height, width), len(config["classes"]))
    parameters = Parameters.zeros(network)
    path = folder / MODEL
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a run's folder has {MODEL} and {RECORD}, as 'workbench train' writes them"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path}: damaged or no safetensors file ({str(error).splitlines()[0]}); train anew"
        ) from error
    found = {name: (values.shape, values.dtype.name) for name, values in tensors.items()}
    wanted = {name: (values.shape, "float32") for name, values in parameters.named.items()}
    if found != wanted:
        name = min(set(found.items()) ^ set(wanted.items()))[0]
        raise InputError(
            f"{path}: {name} is {found.get(name, 'missing')}, but {RECORD} needs {wanted.get(name, 'nothing')}; "
            "the two files are not of one run"
        )
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise InputError(f"{path}: {name} holds values that are no finite numbers; train anew")
        parameters.named[name][...] = values
    return Run(folder=folder, record=record, network=network, parameters=parameters)


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that 'workbench train' wrote")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a folder that 'workbench train' wrote")
    try:
        record = json.loads(path.read_text())
        config = record["config"]
        valid = record["schema"] == SCHEMA and all(isinstance(config[name], kind) for name, kind in _NEEDED.items())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); train anew") from error
    sizes = [*config["image_size"], config["channels"]] if valid else []
    names = config["classes"] if valid else []
    if (
        len(sizes) != 3
        or not all(isinstance(size, int) and size > 0 for size in sizes)
        or not all(isinstance(name, str) for name in names)
    ):
        raise InputError(f"{path}: not a record of schema {SCHEMA}; train anew with this version")
    if record.get("executor") not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise InputError(f"{path}: executor {record.get('executor')!r} is not one that this version has: {known}")
    return dict(record)
