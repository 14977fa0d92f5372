"""Environment variables of the compiler and its threads that have no meaning: one error when ``kernels`` is imported.

Numba reads most of them when it is imported: it prints a traceback and goes on with another value, or fails at the first
parallel kernel. LLVM and OpenMP ignore what they do not understand. Whether a threading layer is there, ``threads`` says.
"""

import logging
import os
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from kernels.compile.numba_internals.processors import is_known_to_llvm
from kernels.declare.errors import SettingError, shown

MOST_THREADS = 64
"""The most threads that may be asked for, or four for each core if that is more; each has a stack, and all of them start."""

LEAST_STACK, MOST_STACK = 16 * 2**10, 2**30
"""The bytes of a thread's stack that may be asked for: libgomp ignores less, and ends the process if there is no memory."""

CHECKED = ("NUMBA_", "OMP_NUM_THREADS", "OMP_STACKSIZE", "GOMP_STACKSIZE")
"""The beginnings of the names of the variables that are checked."""

_LAYERS = ("tbb", "omp", "workqueue")
_LEVELS = ("0", "1", "2", "3", "max")
_SCHEMES = ("no_color", "dark_bg", "light_bg", "blue_bg", "jupyter_nb")
_PRUNED = ("all", "per_bb", "diamond", "fanout", "fanout_raise")
_VERSION = re.compile(r"([0-9]{1,2}\.[0-9]{1,2})?")
_STACK = re.compile(r"\s*([0-9]{1,12})\s*([BKMG]?)\s*", re.IGNORECASE)
_UNITS = {"B": 1, "": 2**10, "K": 2**10, "M": 2**20, "G": 2**30}
_LOCATOR = re.compile(r"^class (\w+Locator\w*)\(", re.MULTILINE)
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
        if name.startswith(CHECKED) and (wanted := _wanted(name, value)):
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
        case "NUMBA_CPU_NAME":
            return "" if value and is_known_to_llvm(value) else "a processor that LLVM knows, such as generic"
        case "NUMBA_CPU_FEATURES":
            signed = all(each[:1] in ("+", "-") and len(each) > 1 for each in value.split(",") if value)
            known = signed and is_known_to_llvm("generic", value)
            return "" if known else "features that LLVM knows with signs, such as +avx2,-avx512f"
        case "NUMBA_COLOR_SCHEME":
            return "" if value in _SCHEMES else f"one of {', '.join(_SCHEMES)}"
        case "NUMBA_CACHE_LOCATOR_CLASSES":
            names = [each.strip() for each in value.split(",") if value]
            known = all(_can_import(each) if "." in each else each in cache_locators() for each in names)
            return "" if known else f"names of classes, such as {', '.join(cache_locators()[:2])}"
        case "NUMBA_FUNCTION_CACHE_SIZE":
            return "" if _is_whole(value, 0, 2**31 - 1) else "a whole number, 0 or above"
        case "NUMBA_LLVM_REFPRUNE_FLAGS":
            known = all(each.strip().lower() in _PRUNED for each in value.split(",") if value)
            return "" if known else f"some of {', '.join(_PRUNED)}, separated by commas"
        case "NUMBA_FORCE_CUDA_CC" | "NUMBA_CUDA_DEFAULT_PTX_CC":
            return "" if _VERSION.fullmatch(value) else "a compute capability, such as 9.0"
        case "NUMBA_CUDA_LOG_LEVEL":
            levels = logging.getLevelNamesMapping()
            return "" if not value or value.upper() in levels else f"one of {', '.join(levels)}"
        case "NUMBA_CUDA_MEMORY_MANAGER":
            return "" if value == "default" or _can_import(value) else "a module that is installed, or default"
        case "OMP_STACKSIZE" | "GOMP_STACKSIZE":
            match = _STACK.fullmatch(value)
            size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
            return "" if LEAST_STACK <= size <= MOST_STACK else "the stack of a thread, from 16K to 1G"
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
    """Return the types of Numba's variables that are numbers."""
    kinds: dict[str, type[int] | type[float]] = {"int": int, "float": float}
    return {name: kinds[kind] for name, kind in _NUMBER.findall(_source("config"))}


@cache
def cache_locators() -> tuple[str, ...]:
    """Return the names of Numba's classes that choose the folder of its compile cache."""
    return tuple(name for name in _LOCATOR.findall(_source("caching")) if not name.startswith("_"))


def _source(module: str) -> str:
    """Return the source of a module of ``numba.core``: importing it takes long."""
    numba = find_spec("numba")
    folders = (numba and numba.submodule_search_locations) or ()
    return "".join(Path(folder, "core", f"{module}.py").read_text(encoding="utf-8") for folder in folders)


def _can_import(dotted: str) -> bool:
    """Return whether the top-level package of a module or class is installed."""
    package = dotted.partition(".")[0]
    return package.isidentifier() and find_spec(package) is not None


def _is_whole(value: str, least: int, most: int) -> bool:
    try:
        return len(value) < 20 and least <= int(value) <= most
    except ValueError:
        return False
