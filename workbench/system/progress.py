"""Progress on standard error: a bar for the work, and notices of what Numba compiles."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from workbench.system.compile_watch import watch_compilation
from workbench.system.terminal import one_line


class WorkBar:
    """A progress bar over a known amount of work, with a description of the current step."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.console = progress.console
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def show(self, description: str, done: float) -> None:
        """Show the current step and the amount of work done."""
        self._progress.update(self._task, description=one_line(description), completed=done)


def live_progress(console: Console, *columns: ProgressColumn) -> Progress:
    """Return a progress display on ``console``, disabled if that is not a terminal.

    What is printed meanwhile appears above it; standard output that is not a terminal, a file or a pipe, stays apart.
    """
    here = sys.stdout is not None and sys.stdout.isatty()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal, redirect_stdout=here)


@contextmanager
def work_bar(console: Console, total: int) -> Iterator[WorkBar]:
    """Show a bar on ``console`` inside the block, with the time left; nothing if it is not a terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    with live_progress(console, *columns) as progress:
        yield WorkBar(progress, total)


class CompileNotices:
    """Prints on a console what Numba compiles, each function once, and at the end the total time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seconds: dict[str, list[float]] = {}

    def tell(self, name: str, seconds: float | None = None) -> None:
        """Report that a compilation begins or, with ``seconds``, that it has ended."""
        if not self._seconds:
            self._console.print("compiling for this machine")
        spent = self._seconds.setdefault(name, [])
        if seconds is not None:
            spent.append(seconds)
            if len(spent) == 1:
                self._console.print(f"  compiled {name} in {seconds:.1f} s")

    def total(self) -> None:
        """Print the total time."""
        times = [seconds for spent in self._seconds.values() for seconds in spent]
        if times:
            names = f"{len(self._seconds)} function{'' if len(self._seconds) == 1 else 's'}"
            types = f" for {len(times)} sets of argument types" if len(times) > len(self._seconds) else ""
            self._console.print(f"compiled {names}{types} in {sum(times):.1f} s")


@contextmanager
def compile_notices(console: Console) -> Iterator[CompileNotices]:
    """Print on ``console`` what Numba compiles inside the block, and the total time."""
    notices = CompileNotices(console)
    with watch_compilation(notices.tell, notices.tell):
        yield notices
    notices.total()
