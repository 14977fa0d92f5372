"""The work from which ``device="auto"`` prefers CUDA for host arrays: measured per machine, else a documented constant."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import platformdirs

DEFAULT_FLOPS = 100_000_000
"""Without a calibration: about 0.1 ms of a GPU's time at 1 TFLOP/s, the order of the copies and the launch. An estimate,
not a measurement."""


def calibration_file() -> Path:
    """Name the file: {"schema": 1, "break_even_flops": {operation: flops}} in the user's configuration folder."""
    return Path(platformdirs.user_config_path("kernel-workbench", appauthor=False)) / "break_even.json"


def break_even_flops(op: str) -> tuple[int, str]:
    """Return the break-even of an operation in flops, and where it comes from."""
    file = calibration_file()
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        changed = 0
    measured = _read(file, changed).get(op)
    if measured is None:
        return DEFAULT_FLOPS, "the default, not calibrated"
    return measured, "calibrated"


@cache
def _read(file: Path, _changed: int) -> dict[str, int]:
    """Read the calibration, anew when it has changed; a missing or unreadable one counts as none."""
    try:
        content = json.loads(file.read_text())
        return {str(op): int(flops) for op, flops in content["break_even_flops"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return {}
