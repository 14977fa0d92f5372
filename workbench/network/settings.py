"""The settings of ``workbench train``: their types, ranges and defaults, and the files that they are read from."""

import tomllib
from dataclasses import dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from workbench.datasets import MAX_SIDE
from workbench.network.augmentation import strengths_of
from workbench.network.event_log import require_library
from workbench.network.executor import AUTO, EXECUTORS
from workbench.network.optimizer import DEFAULT_LR, OPTIMIZERS
from workbench.network.record import Count, NotNegative, RunConfig, RunRecord, Text
from workbench.network.schedule import DEFAULT, SCHEDULES
from workbench.system.documents import MOST_BYTES, read_document, told
from workbench.system.errors import InputError, first_line, nearest
from workbench.system.files import read_regular

Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
Below1 = Annotated[float, Meta(ge=0, lt=1)]

CHANNELS: dict[Any, int] = {"grey": 1, "rgb": 3, 1: 1, 3: 3}

MOST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """The settings of ``workbench train``; None means a default that depends on the others.

    The names are those of the options of the command line, with ``_`` for ``-``, and the keys of a configuration file.
    ``epochs``, ``batch_size``: see ``duration``. ``schedule``, ``warmup``: see ``Schedule``. ``momentum``, ``nesterov``,
    ``weight_decay``, ``ema``: see ``Optimizer``. ``augment``: see ``strengths_of``. ``validation``: the share of the
    training images that is held out. ``patience``, ``checkpoint_every``: see ``Training``. ``tensorboard``: whether event
    files are written. ``channels``: 1 for grey, 3 for RGB. ``out``: the folder.
    """

    model: Text = "lenet5"
    data: Text = "mnist"
    epochs: Count | None = None
    batch_size: Count | None = None
    optimizer: Text = "sgd"
    lr: Annotated[float, Meta(gt=0)] | None = None
    momentum: Below1 = 0.9
    nesterov: bool = False
    weight_decay: NotNegative = 0.0
    schedule: Text = DEFAULT
    warmup: Annotated[int, Meta(ge=0)] = 0
    label_smoothing: Below1 = 0.0
    ema: Below1 = 0.0
    augment: Text | None = None
    validation: Below1 = 0.0
    patience: Count | None = None
    checkpoint_every: Count | None = None
    tensorboard: bool = False
    seed: Annotated[int, Meta(ge=0, le=MOST_SEED)] = 0
    image_size: tuple[Side, Side] | None = None
    channels: Literal[1, 3] = 1
    device: Text = "cpu"
    executor: Text = AUTO
    threads: Count | None = None
    kernels: tuple[Text, ...] = ()
    out: Any = None

    @property
    def learning_rate(self) -> float:
        """The requested learning rate, or the optimizer's default."""
        return DEFAULT_LR[self.optimizer] if self.lr is None else self.lr

    def check(self) -> None:
        """Raise InputError if a name is unknown or two settings contradict each other."""
        for kind, name, known in (
            ("--optimizer", self.optimizer, OPTIMIZERS),
            ("--schedule", self.schedule, SCHEDULES),
            ("--executor", self.executor, (AUTO, *EXECUTORS)),
        ):
            if name not in known:
                raise nearest(kind, name, tuple(known))
        if self.augment is not None:
            strengths_of(self.augment)
        for option, value in (("--lr", self.learning_rate), ("--weight-decay", self.weight_decay)):
            if not isfinite(value):
                raise InputError(f"{option} {value}: must be a finite number")
        if self.nesterov and self.optimizer != "sgd":
            raise InputError(f"--nesterov: {self.optimizer} has none; use --optimizer sgd, or leave it out")
        if self.nesterov and not self.momentum:
            raise InputError("--nesterov: needs a --momentum above 0")
        if self.patience is not None and not self.validation:
            raise InputError("--patience: needs --validation, because the test images select nothing")
        if self.tensorboard:
            require_library()

    def check_steps(self, steps: int) -> None:
        """Raise InputError if the settings do not fit the number of steps of the training."""
        if self.warmup >= steps:
            raise InputError(f"--warmup {self.warmup}: the training has {steps:,} steps; use at most {steps - 1:,}")


NAMES = tuple(field.name for field in fields(TrainRequest) if field.name != "out")
"""The keys of a configuration file."""


def read_request(config: Path | None, given: dict[str, Any]) -> TrainRequest:
    """Return the settings of a configuration file, if any, with those that were ``given`` elsewhere in their place.

    Parameters
    ----------
    config : a TOML file with settings, or the run.json of a run
    given : settings by name

    Raises
    ------
    InputError
        The file cannot be read; a setting is unknown, has a wrong type or value, or contradicts another one.
    """
    values: dict[str, Any] = {}
    if config is not None:
        values = _of_run(config) if config.suffix == ".json" else _of_toml(config)
    request = replace(converted(values, config), **given)
    request.check()
    return request


def settings_of(config: RunConfig) -> dict[str, Any]:
    """Return the settings of a recorded run that repeat it: all but the number of threads, which changes nothing.

    Before there were schedules, the learning rate was constant.
    """
    kept = {name: value for name, value in config.items() if name in NAMES and name != "threads"}
    return {"schedule": "constant", **kept}


def _of_run(path: Path) -> dict[str, Any]:
    return settings_of(read_document(path, RunRecord, "give the run.json of a run, or a TOML file")["config"])


def _of_toml(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(read_regular(path, MOST_BYTES).decode())
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); name a TOML file or a run.json"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a TOML file ({first_line(error)})") from error
    values = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in NAMES:
            raise InputError(f"{path}: {nearest('setting', key, [each.replace('_', '-') for each in NAMES])}")
        if name in values:
            raise InputError(f"{path}: {name.replace('_', '-')} is given twice")
        values[name] = value
    if values.get("channels") in CHANNELS:
        values["channels"] = CHANNELS[values["channels"]]
    if isinstance(size := values.get("image_size"), str | int) and not isinstance(size, bool):
        height, _, width = str(size).partition("x")
        if height.isdecimal() and (width or height).isdecimal():
            values["image_size"] = int(height), int(width or height)
    return values


def converted(values: dict[str, Any], path: Path | None) -> TrainRequest:
    """Return settings with these values; the path of their file is for the error."""
    try:
        return msgspec.convert(values, TrainRequest)
    except msgspec.ValidationError as error:
        reason, place = told(error)
        name = place.removeprefix("$.").replace("_", "-")
        raise InputError(f"{path}: {name}: {reason}") from error
