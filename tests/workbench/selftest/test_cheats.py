"""Cheats: none changes the verdict; what a right kernel leans on is told."""

import pytest

from workbench.selftest.cheats import Cheat, cheats, tried


def test_there_are_many_of_every_kind():
    assert len(cheats()) >= 25
    assert {each.due for each in cheats()} == {"failed", "refused", "told"}
    assert len({each.name for each in cheats()}) == len(cheats())


@pytest.mark.parametrize("cheat", cheats(), ids=lambda each: each.name)
def test_a_cheat_is_caught(cheat, warm_children):
    result, text, _ = tried(cheat)
    assert cheat.is_caught(result, text), (result, text)


def test_a_right_kernel_is_no_cheat(warm_children):
    source = """
import numpy as np
from workbench import implements

@implements("relu")
def right(x, y):
    y[...] = np.where(x <= 0, x.dtype.type(0), x)
"""
    result, text, examples = tried(Cheat(name="right", source=source, due="passed"))
    assert (result, text, examples) == ("passed", "", 60)
