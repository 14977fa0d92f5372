"""``pytest --codegen`` takes effect: the machine code is for the requested processor, not for a better one."""

import re

import numba
import numpy as np
import pytest

from kernels.simd import tile
from workbench.inspecting.cpu.compiled_code import compile_with_lines
from workbench.inspecting.cpu.kernels import subjects
from workbench.target.resolve import Target

WIDEST = {"avx2": "ymm", "baseline": "xmm"}
BEYOND = {"avx2": "zmm", "baseline": "[yz]mm"}
FMA_INSTRUCTION, FMA_CALL = r"\tvfn?m(add|sub)\d+", r"\bfmaf?\b"


@pytest.fixture
def codegen(request):
    name = request.config.getoption("codegen")
    if name in (None, "native"):
        pytest.skip("this run compiles for the machine it is on; for others: make test-codegen")
    return name


ROWS, COLUMNS = tile.ROWS, tile.COLUMNS


@numba.njit
def multiply(x, w, y):
    rows, columns = tile.steps(ROWS, 0, x.size // ROWS), tile.steps(COLUMNS, 0, tile.lanes(x))
    t = tile.zeros(rows, columns, y)
    for k in range(x.size // ROWS):
        t = tile.outer(t, x, rows, k, w, columns, k * COLUMNS * tile.lanes(x))
    tile.store(t, y, tile.steps(ROWS, 0, COLUMNS * tile.lanes(x)), columns)


def built_in(name):
    """An operation's kernels, each with arguments."""
    return [(each.function, each.arguments) for each in subjects(Target(text=name), "float32")]


@pytest.mark.parametrize("name", ["tile", "dense", "relu"])
def test_code_is_for_no_better_processor(name, codegen):
    flat = np.zeros(64, np.float32)
    kernels = [(multiply, (flat, flat, flat))] if name == "tile" else built_in(name)
    for function, arguments in kernels:
        code = "\n".join(each.assembly for each in compile_with_lines(function, arguments, lines=False).codes)
        assert not re.search(f"%{BEYOND[codegen]}", code)
        assert not re.search(FMA_CALL, code), "calls a library function"
        if codegen == "baseline":
            assert not re.search(FMA_INSTRUCTION, code)
        if name == "tile":
            assert f"%{WIDEST[codegen]}" in code
            assert bool(re.search(FMA_INSTRUCTION, code)) == (codegen == "avx2")
