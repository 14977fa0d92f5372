"""The work above which ``device="auto"`` selects CUDA for host arrays: measured per machine, else a documented constant."""

import json
import stat
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

DEFAULT_FLOPS = 100_000_000
"""Used without a calibration: about 0.1 ms of GPU time at 1 TFLOP/s, the order of the copies and the launch. An estimate,
not a measurement."""

MOST_FLOPS = 2**63 - 1


def calibration_file() -> Path:
    """Return the path of the file {"schema": 1, "break_even_flops": {operation: flops}} in the user's config folder."""
    return Path(platformdirs.user_config_path("kernel-workbench", appauthor=False)) / "break_even.json"


def break_even_flops(op: str) -> tuple[int, str]:
    """Return the break-even of an operation in flops, and where it comes from."""
    file = calibration_file()
    try:
        found = file.stat()
    except OSError:
        return DEFAULT_FLOPS, "the default, not calibrated"
    calibration = _read(file, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
    if calibration is None:
        return DEFAULT_FLOPS, f"the default, not calibrated: {file} is damaged; run workbench bench --calibrate"
    if op not in calibration:
        return DEFAULT_FLOPS, "the default, not calibrated"
    return calibration[op], "calibrated"


@cache
def _read(file: Path, _changed: int) -> dict[str, int] | None:
    """Read the calibration, again when it has changed; None for a file that is damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return read_calibration(content)
    except (OSError, ValueError, RecursionError):
        return None


def read_calibration(content: Any) -> dict[str, int]:
    """Return the break-even of every operation from the content of the file.

    Raises
    ------
    ValueError
        It is not as ``calibration_file`` describes it.
    """
    measured = content.get("break_even_flops") if isinstance(content, dict) else None
    if not isinstance(measured, dict) or content.get("schema") != 1:
        raise ValueError("not a calibration of schema 1")
    for op, flops in measured.items():
        if type(flops) is not int or not 0 <= flops <= MOST_FLOPS:
            raise ValueError(f"{op}: not a number of flops")
    return measured
