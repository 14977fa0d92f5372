"""The work above which ``device="auto"`` selects CUDA for host arrays: measured per machine, else a documented constant."""

import json
from functools import cache
from pathlib import Path

import platformdirs

DEFAULT_FLOPS = 100_000_000
"""Used without a calibration: about 0.1 ms of GPU time at 1 TFLOP/s, the order of the copies and the launch. An estimate,
not a measurement."""


def calibration_file() -> Path:
    """Return the path of the file {"schema": 1, "break_even_flops": {operation: flops}} in the user's config folder."""
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
    """Read the calibration, again when it has changed; a missing or unreadable file counts as empty."""
    try:
        content = json.loads(file.read_text())
        return {str(op): int(flops) for op, flops in content["break_even_flops"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return {}
