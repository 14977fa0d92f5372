"""Environment variables of the compiler and its threads that have no meaning: one error when ``kernels`` is imported.

Numba reads most of them when it is imported: it prints a traceback and goes on with another value, or fails at the first
parallel kernel. OpenMP ignores what it does not understand. Whether a threading layer is there, ``threads`` says.
"""

import os
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from kernels.declare.errors import SettingError, shown

MOST_THREADS = 64
"""The most threads that may be asked for, or four for each core if that is more; each has a stack, and all of them start."""

_LAYERS = ("tbb", "omp", "workqueue")
_LEVELS = ("0", "1", "2", "3", "max")
_NUMBER = re.compile(r'_readenv\(\s*"(NUMBA_\w+)",\s*(int|float)\b')
"""How Numba's module ``config`` reads a variable that is a number."""


def check_environment(variables: Mapping[str, str] = os.environ) -> None:
    """Refuse variables with values that have no meaning.

    Raises
    ------
    SettingError
        The message names the first such variable, and what it may be.
    """
    for name, value in variables.items():
        if (name == "OMP_NUM_THREADS" or name.startswith("NUMBA_")) and (wanted := _wanted(name, value)):
            raise SettingError(f"the environment variable {name} is {shown(value)}; set it to {wanted}, or unset it")


def _wanted(name: str, value: str) -> str:
    """Return what the variable must be if this value has no meaning, else ""."""
    match name:
        case "NUMBA_NUM_THREADS":
            most = max(MOST_THREADS, 4 * (os.cpu_count() or 1))
            return "" if _is_whole(value, 1, most) else f"a whole number from 1 to {most}"
        case "NUMBA_THREADING_LAYER_PRIORITY":
            return "" if sorted(value.split()) == sorted(_LAYERS) else f"an order of {' '.join(_LAYERS)}"
        case "NUMBA_OPT":
            return "" if value in _LEVELS else f"one of {', '.join(_LEVELS)}"
        case "NUMBA_CPU_FEATURES":
            signed = all(each[:1] in ("+", "-") and len(each) > 1 for each in value.split(",") if value)
            return "" if signed else "features with signs, such as +avx2,-avx512f"
        case "OMP_NUM_THREADS":
            whole = all(_is_whole(each.strip(), 1, 2**31 - 1) for each in value.split(","))
            return "" if whole else "a whole number above 0"
    kind = None if _is_whole(value, -(2**31), 2**31 - 1) else number_variables().get(name)
    if kind is not None:
        try:
            kind(value)
        except ValueError:
            return "a number"
    return ""


@cache
def number_variables() -> Mapping[str, type[int] | type[float]]:
    """Return the types of Numba's variables that are numbers, from its source: importing it takes long."""
    numba = find_spec("numba")
    kinds: dict[str, type[int] | type[float]] = {"int": int, "float": float}
    found: dict[str, type[int] | type[float]] = {}
    for folder in (numba and numba.submodule_search_locations) or ():
        text = Path(folder, "core", "config.py").read_text(encoding="utf-8")
        found |= {name: kinds[kind] for name, kind in _NUMBER.findall(text)}
    return found


def _is_whole(value: str, least: int, most: int) -> bool:
    try:
        return len(value) < 20 and least <= int(value) <= most
    except ValueError:
        return False
