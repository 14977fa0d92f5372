"""benchmarks.cpu without PyTorch: our side's process, and the cases that it is timed on."""

import numpy as np
import pytest

from benchmarks.cpu.contests import Side
from benchmarks.cpu.drawn import LEAST_FLOPS, MOST_FLOPS, drawn_convolutions
from kernels import OPS
from workbench.cases.timed_case import backward_of, bench_case


@pytest.mark.parametrize("outputs", [("dx",), ("dw", "db")])
def test_our_side_is_judged_and_timed(outputs):
    shapes = {"x": (2, 3, 8, 9), "w": (4, 3, 3, 3), "b": (4,)}
    case = backward_of(bench_case("small", OPS["conv2d"], shapes, {"padding": 1}))
    side = Side("", 1)
    try:
        (entered,) = side.ask("enter", case, outputs)
        assert (entered.name, entered.fault) == ("workbench", "")
        assert set(entered.computes) == set(outputs)
        assert min(side.ask("block", entered.name, 0.01)) > 0
    finally:
        side.close()


def test_drawn_convolutions_follow_from_the_seed():
    drawn = drawn_convolutions(8, seed=1)
    assert drawn == drawn_convolutions(8, seed=1) != drawn_convolutions(8, seed=2)
    flops = np.array([OPS["conv2d"].flops(case.shapes, case.options) for case in drawn])
    assert ((flops >= LEAST_FLOPS) & (flops <= MOST_FLOPS)).all()
