"""Kernels for CUDA, right ones and faulty ones, by which the simulator is judged."""

import importlib
import pkgutil

from tests.cuda_zoo.entry import FAULTY, RIGHT, Entry

__all__ = ["FAULTY", "RIGHT", "Entry"]

for _name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_name}")
