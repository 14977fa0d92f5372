"""Kernels that are kept on disk are told apart in modules whose names are those of libraries."""

import importlib.util
import sys

import numpy as np
import pytest

from workbench.sim import simulator

MODULE = """
from numba import cuda

@cuda.jit(device=True)
def step(x):
    return x + {step}

@cuda.jit
def first(y):
    y[0] = step(0)

@cuda.jit
def second(y):
    y[0] = 10 * step(0)
"""


@pytest.mark.parametrize("name", ["test", "calendar", "numba.mine", "numpy.mine"])
def test_a_users_module_may_have_the_name_of_a_library(tmp_path, monkeypatch, name):
    file = tmp_path / "mine.py"
    for step in (1, 2):
        file.write_text(MODULE.format(step=step))
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        with simulator():
            spec.loader.exec_module(module)
            for kernel, expected in ((module.first, step), (module.second, 10 * step)):
                y = np.zeros(1)
                kernel[1, 1](y)
                assert y[0] == expected
