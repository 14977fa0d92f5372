"""The epochs of a run as TensorBoard event files in its folder; needs the package tensorboardX.

A training that is continued writes a further file of the same stream. The file begins with a mark that what older files have
of the epochs from here on is void.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from kernels.installation import install_command
from workbench.network.record import EpochRecord
from workbench.network.run_folder import RunFolder
from workbench.system.errors import InputError

LIBRARY = "tensorboardX"

FILES = "events.out.tfevents.*"
"""The names of event files."""

TAGS = {
    **{f"{part}_{what}": f"{what}/{part}" for what in ("loss", "accuracy") for part in ("train", "validation", "test")},
    "learning_rate": "learning_rate",
    "seconds": "seconds/train",
    "eval_seconds": "seconds/evaluation",
}
"""The values of an epoch, and the names of their curves in TensorBoard."""


def require_library() -> None:
    """Raise InputError if the package that writes event files is not installed."""
    if find_spec(LIBRARY) is None:
        raise InputError(f"--tensorboard needs {LIBRARY}; install it with: {install_command(extra='tensorboard')}")


class EventLog:
    """The event file of a training that begins or continues; it is made for the first epoch that is written."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._writer: Any = None

    def write(self, epochs: Sequence[EpochRecord]) -> None:
        """Write the last of the epochs of the run to the disk; all of them if the folder has no event files yet.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        following = epochs[-1:]
        try:
            if self._writer is None:
                begins = not any(self._folder.path.glob(FILES))
                self._writer = EventsWriter(str(self._folder.path / "events"), f".{len(epochs):06d}")
                if begins:
                    following = epochs
                else:
                    self._add(len(epochs), session_log={"status": SessionLog.START})
            for epoch in following:
                values = [{"tag": tag, "simple_value": epoch[name]} for name, tag in TAGS.items() if name in epoch]  # type: ignore[literal-required]
                self._add(epoch["epoch"], summary={"value": values})
            self._writer.flush()
        except OSError as error:
            self._folder.check()
            raise InputError(
                f"{self._folder.path}: the event file cannot be written ({error.strerror}), {self._folder.kept}; make room, "
                "or continue without it: train --resume DIR --no-tensorboard"
            ) from error

    def _add(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            with suppress(OSError):  # all that it has was written
                self._writer.close()
