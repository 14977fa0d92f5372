"""The zoo on a GPU: each kernel in a process of its own, as a faulty one may hang or break what follows.

Where NVIDIA's compute-sanitizer is there, each runs once more under each of its tools, whose errors are counted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.cuda_zoo import FAULTY, RIGHT
from tests.cuda_zoo.entry import Entry

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SECONDS = 60.0
SUMMARY = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)")

Row = dict[str, Any]


def run(on_row: Callable[[Row], None]) -> list[Row]:
    """Run every kernel; give for each its name, what a plain run said and what each tool counted."""
    sanitizer = shutil.which("compute-sanitizer")
    rows = []
    for entry in (*FAULTY, *RIGHT):
        row: Row = {"name": entry.name, "fault": entry.fault or "", "run": _plain(entry)}
        row["sanitizer"] = {tool: _sanitized(sanitizer, tool, entry) for tool in TOOLS} if sanitizer else None
        rows.append(row)
        on_row(row)
    return rows


def one(name: str) -> None:
    """Launch one kernel on the GPU, in this process, and print as JSON whether its results are right."""
    from numba import cuda

    from benchmarks.zoo.simulated import launch, wrong_result

    entry = next(each for each in (*FAULTY, *RIGHT) if each.name == name)
    before, after = launch(entry, 0)
    cuda.synchronize()
    said = "" if entry.expected is None else wrong_result(entry, before, after) or "right"
    print(json.dumps({"said": said or "ended"}))


def _command(entry: Entry) -> list[str]:
    return [sys.executable, "-m", "benchmarks.zoo", "--device", "cuda", "--one", entry.name]


def _run(command: list[str]) -> tuple[str, str]:
    """Run a command with a time limit; give what it printed, and what became of it where it did not end well."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env=os.environ | {"NUMBA_ENABLE_CUDASIM": "0"}
        )
    except subprocess.TimeoutExpired:
        return "", "hangs"
    lines = done.stderr.strip().splitlines()
    return done.stdout, "" if done.returncode == 0 else (lines[-1] if lines else f"exit {done.returncode}")


def _plain(entry: Entry) -> str:
    printed, fault = _run(_command(entry))
    return fault or str(json.loads(printed.splitlines()[-1])["said"])


def _sanitized(sanitizer: str, tool: str, entry: Entry) -> int | str:
    printed, fault = _run([sanitizer, "--tool", tool, *_command(entry)])
    counted = SUMMARY.search(printed)
    return int(counted[1]) if counted else fault or "no summary"
