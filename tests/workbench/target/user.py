"""``workbench check`` as a user starts it, on the kernels of ``user_kernels/``, and what it gave."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KERNELS = Path(__file__).parents[2] / "user_kernels"


@dataclass(frozen=True)
class Checked:
    """What a command gave."""

    code: int
    out: str
    err: str
    rows: tuple = ()
    declarations: tuple = ()
    """The results on operations that the file declares; ``rows`` are those on its kernels."""

    @property
    def row(self):
        """The result on the only kernel."""
        (row,) = self.rows
        return row

    def statuses(self):
        return {(row["implementation"], row["dtype"]): row["status"] for row in self.rows}


def environment():
    """The environment of a user without a GPU: nothing set, and no driver to be found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_ENABLE", "KERNELS_"))}
    return kept | {"NUMBA_CUDA_DRIVER": os.devnull, "NUMBA_NUM_THREADS": "2", "COLUMNS": "200"}


def command(*arguments, cwd=KERNELS):
    """Run ``workbench check`` in a process of its own."""
    words = [sys.executable, "-m", "workbench", "check", *map(str, arguments)]
    done = subprocess.run(words, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Checked(done.returncode, done.stdout, done.stderr)


def fault_line(file, name):
    """The place that a fault is marked at, as reports give it."""
    lines = (KERNELS / file).read_text().splitlines()
    (line,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# fault: {name}")]
    return f"{file}:{line}"


def replay_command(out):
    """The arguments of the first replay command in a report."""
    line = next(line for line in out.splitlines() if line.strip().startswith("replay "))
    words = shlex.split(line)
    assert words[:3] == ["replay", "workbench", "check"]
    return words[3:]
