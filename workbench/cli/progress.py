"""The progress bar of ``workbench train``, on standard error if that is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from workbench.system.progress import live_progress

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.network.loop import Progress as Step


class EpochBar:
    """A bar that restarts every epoch, with the loss, the accuracy, samples per second and the time left."""

    def __init__(self, progress: Progress, samples: int) -> None:
        self.console = progress.console
        self._progress, self._samples = progress, samples
        self._task = progress.add_task("starting", total=samples, loss=0.0, accuracy=0.0, speed=0.0)
        self._shown = ""

    def step(self, step: Step) -> None:
        """Show the state of the epoch."""
        if (title := f"{step.what} {step.epoch}") != self._shown:
            self._shown = title
            self._progress.reset(self._task, description=title)
        self._progress.update(
            self._task,
            completed=step.samples,
            loss=step.loss,
            accuracy=step.accuracy,
            speed=self._progress.tasks[0].speed or 0.0,
        )


@contextmanager
def epoch_bar(console: Console, samples: int) -> Iterator[EpochBar]:
    """Show a bar on ``console`` inside the block; nothing if it is not a terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn(
            "{task.completed:,.0f}/{task.total:,.0f}  loss {task.fields[loss]:.4f}  "
            "accuracy {task.fields[accuracy]:.2%}  {task.fields[speed]:,.0f} samples/s"
        ),
        TimeRemainingColumn(),
    )
    with live_progress(console, *columns) as progress:
        yield EpochBar(progress, samples)
